// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// createOutcome is what a failed request to create a call leaves behind.
type createOutcome int

const (
	createRefused createOutcome = iota // no call, and asking again brings the same
	createNotDone                      // no call; asking again may help
	createFailed                       // the service says it failed, and mostly made no call
	createLost                         // no answer: there may be a call
)

type createFailure struct {
	outcome    createOutcome
	retryAfter time.Duration
	end        End // should this be the last try
}

// judgeCreate decides whether a failed request may have made a call all the
// same. A second request then would be a second bot in the meeting.
func judgeCreate(err error) createFailure {
	f := createFailure{end: endOfError(err)}
	var answer *graph.Error
	var login *graph.AuthError
	var network *net.OpError
	switch {
	case errors.As(err, &answer):
		f.retryAfter = answer.RetryAfter
		switch {
		case answer.StatusCode == http.StatusTooManyRequests:
			f.outcome = createNotDone
		case answer.StatusCode == http.StatusRequestTimeout:
			f.outcome = createLost
		case answer.StatusCode >= http.StatusInternalServerError:
			f.outcome = createFailed
		default:
			f.outcome = createRefused
		}
	case errors.As(err, &login), errors.As(err, &network) && network.Op == "dial":
		// It did not get as far as asking for a call.
		f.outcome = createNotDone
	case graph.ExplainError(err).Class == graph.ClassConfiguration:
		f.outcome = createRefused
	default:
		f.outcome = createLost
		f.end.Retryable = true
	}
	if f.outcome == createNotDone && !f.end.Retryable {
		f.outcome = createRefused
	}
	return f
}
