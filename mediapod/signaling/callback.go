// SPDX-License-Identifier: Apache-2.0

package signaling

import (
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
		body = s.answerJoining(ctx, uid, notifications[i])
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

// answerJoining says whether another participant under a recording policy shares the call. Who does not gets a call, and with
// it a bot, of its own, unless the bot takes no calls at all.
func (s *Server) answerJoining(ctx context.Context, uid string, n graph.Notification) []byte {
	s.metrics.notifications[outcomeApplied].Inc()
	response := graph.InviteNewBot(s.newCallURI())
	if s.cfg.Incoming == nil {
		response = graph.RejectJoin(graph.RejectForbidden)
	}
	if c := s.holding(uid); c != nil {
		ctx, cancel := context.WithTimeout(ctx, joinAnswerTimeout)
		defer cancel()
		verdict := make(chan joinVerdict, 1)
		if c.input(ctx, func(now time.Time) { verdict <- c.machine.mayJoin(now, n) }) && <-verdict == joinAccept {
			response = graph.AcceptJoin()
		}
	}
	body, err := json.Marshal(response)
	if err != nil {
		s.log.Error(err, "a response to a joining participant cannot be written")
	}
	return body
}
