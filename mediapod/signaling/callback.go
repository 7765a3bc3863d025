// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// joinAnswerTimeout is how long a call may take to say whether another participant can share it. The participant waits;
// a call takes microseconds.
const joinAnswerTimeout = 3 * time.Second

// takeCallback hands notifications to the call they are about.
func (s *Server) takeCallback(ctx context.Context, uid, tenant string, notifications []graph.Notification) (code int, body []byte) {
	if i := slices.IndexFunc(notifications, isJoining); i >= 0 {
		body = s.answerJoining(ctx, uid, tenant, notifications[i])
		notifications = slices.DeleteFunc(notifications, isJoining)
		if len(notifications) == 0 {
			return http.StatusOK, body
		}
	}
	held, accepted := s.deliver(uid, notifications)
	switch {
	case accepted:
	case held:
		s.metrics.notifications[outcomeOverflow].Add(float64(len(notifications)))
		return http.StatusServiceUnavailable, nil
	default:
		for _, n := range notifications {
			s.metrics.notifications[s.stray(n, tenant, false)].Inc()
		}
	}
	if body != nil {
		return http.StatusOK, body
	}
	return http.StatusAccepted, nil
}

func isJoining(n graph.Notification) bool { return n.Resource.Kind == graph.KindParticipantJoining }

// Joining is what to say to another participant under a recording policy. The zero value has the bot called anew for it.
type Joining struct {
	// Share: the participant may share the call, if that has room.
	Share bool
	// Reject, if given, is why the bot does not record the participant at all.
	Reject graph.RejectReason
	// Location is the webhook of a fleet elsewhere that is to be called for it; empty: the bot's own.
	Location string
}

// answerJoining says whether another participant under a recording policy shares the call. Who may not, for want of room here,
// gets a call, and with it a pod, of its own, which the whole fleet is asked for; whom the bot is not to record gets none.
func (s *Server) answerJoining(ctx context.Context, uid, tenant string, n graph.Notification) []byte {
	s.metrics.notifications[outcomeApplied].Inc()
	decision := Joining{Reject: graph.RejectForbidden}
	if s.cfg.Joining != nil {
		in := incomingOf(n, arrival{tenant: tenant})
		in.PolicyRecording = true // nobody else joins so
		decision = s.cfg.Joining(uid, in)
	}
	response := graph.InviteNewBot(cmp.Or(decision.Location, s.newCallURI()))
	if decision.Reject != "" {
		response = graph.RejectJoin(decision.Reject)
	}
	if c := s.holding(uid); c != nil {
		ctx, cancel := context.WithTimeout(ctx, joinAnswerTimeout)
		defer cancel()
		verdict := make(chan joinVerdict, 1)
		share := decision.Share && decision.Reject == ""
		if c.input(ctx, func(now time.Time) { verdict <- c.machine.mayJoin(now, n, share) }) && <-verdict == joinAccept {
			response = graph.AcceptJoin()
		}
	}
	body, err := json.Marshal(response)
	if err != nil {
		s.log.Error(err, "a response to a joining participant cannot be written")
	}
	return body
}
