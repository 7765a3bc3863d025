// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
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

// newGraphCall is the request that joins the meeting, or the end that a meeting
// that cannot be joined comes to without asking Graph.
func (s *Server) newGraphCall(req JoinRequest) (*graph.Call, *End) {
	meeting := req.Meeting
	if err := meeting.Validate(); err != nil {
		end := EndFor(EndInvalidMeeting)
		end.Message = sentences(fmt.Sprintf("The meeting cannot be joined as it was given: %s.", strings.TrimPrefix(err.Error(), "meeting: ")), "Check the join link or the meeting ID and passcode.")
		return nil, &end
	}
	if meeting.JoinMeetingID != "" {
		meeting.JoinMeetingID, _ = graph.NormalizeJoinMeetingID(meeting.JoinMeetingID) // valid, as was just seen
	}
	if meeting.TenantID == "" {
		meeting.TenantID = s.cfg.HomeTenant
	}
	if !slices.Contains(s.tenants, strings.ToLower(meeting.TenantID)) {
		// Its notifications would be refused, so that the call would never be known to be established.
		end := EndFor(EndTenantNotConsented)
		end.Message = sentences(fmt.Sprintf("The meeting belongs to tenant %s, which this bot does not serve.", meeting.TenantID),
			"Add the tenant to the bot's allowedTenants and have an administrator of it consent to the bot, or join only meetings of the bot's own tenant.")
		return nil, &end
	}
	call := &graph.Call{
		CallbackURI:         s.callbackURI(req.UID),
		RequestedModalities: []graph.Modality{graph.ModalityAudio},
		MediaConfig:         graph.AppHostedMedia(req.Blob),
	}
	meeting.Apply(call)
	return call, nil
}
