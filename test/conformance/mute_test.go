// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"testing"

	"github.com/callfleet/callfleet/graph"
)

func (s *service) isMuted(callID string, muted bool) {
	s.Helper()
	me := s.call(callID).ParticipantID
	p, err := s.graph.GetParticipant(s.Context(), scenario, callID, me)
	s.must(err)
	if p.IsMuted != muted {
		s.Errorf("the bot is %+v", *p)
	}
}

func TestMute(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	op, err := s.graph.Mute(t.Context(), scenario, id, "context")
	s.must(err)
	done(t, op, "muteParticipantOperation")
	s.isMuted(id, true)
	one, _ := s.answered()
	_, err = s.graph.Mute(t.Context(), scenario, one, "context")
	refused(t, err, http.StatusBadRequest, graph.ReasonRequestRejected) // there is no mute between two
}

func TestUnmute(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	_, err := s.graph.Mute(t.Context(), scenario, id, "context")
	s.must(err)
	op, err := s.graph.Unmute(t.Context(), scenario, id, "context")
	s.must(err)
	done(t, op, "unmuteParticipantOperation")
	s.isMuted(id, false)
}
