// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"testing"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

const graceID = "aaaaaaaa-0000-4000-8000-000000000002"

// grace is somebody to be called, who does as told.
func (s *service) grace(reaction string) graph.InvitationParticipantInfo {
	s.Helper()
	s.must(s.admin.PutUser(s.Context(), admin.User{ID: graceID, DisplayName: "Grace", Reaction: reaction}))
	return graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: graceID, DisplayName: "Grace"}}}
}

func TestRedirectCall(t *testing.T) {
	s := start(t)
	grace := s.grace(admin.Answers)
	in := s.ring()
	s.must(s.graph.RedirectCall(t.Context(), scenario, in.Resource.CallID, graph.Redirect{
		Targets: []graph.InvitationParticipantInfo{grace}, TimeoutSeconds: 20, CallbackURI: s.bot.uri(),
	}))
	end := s.bot.waitFor("the end", in.Resource.CallID, func(n graph.Notification) bool { return n.ChangeType == graph.Deleted }).Call
	if end.AnsweredBy == nil || end.AnsweredBy.Identity.User == nil || end.AnsweredBy.Identity.User.ID != graceID {
		t.Errorf("answered by %+v", end.AnsweredBy)
	}
	refused(t, s.graph.RedirectCall(t.Context(), scenario, s.ring().Resource.CallID, graph.Redirect{
		Targets: []graph.InvitationParticipantInfo{grace}, TimeoutSeconds: 5,
	}), http.StatusBadRequest, graph.ReasonRequestRejected)
}

func TestTransferCall(t *testing.T) {
	t.Run("blind", func(t *testing.T) {
		s := start(t)
		id, _ := s.answered()
		s.must(s.graph.TransferCall(t.Context(), scenario, id, graph.Transfer{Target: s.grace(admin.Answers)}))
		s.bot.waitState(id, graph.StateTransferring)
		s.bot.waitState(id, graph.StateTransferAccepted)
		end := s.bot.waitState(id, graph.StateTerminated)
		if e := graph.Explain(*end.ResultInfo); e.Reason != graph.ReasonTransferred {
			t.Errorf("ended with %v", end.ResultInfo)
		}
	})
	t.Run("declined", func(t *testing.T) {
		s := start(t)
		id, _ := s.answered()
		s.must(s.graph.TransferCall(t.Context(), scenario, id, graph.Transfer{Target: s.grace(admin.Declines)}))
		back := s.bot.waitFor("the call's return", id, func(n graph.Notification) bool {
			return n.Call != nil && n.Call.State == graph.StateEstablished && n.Call.ResultInfo != nil
		})
		if e := graph.Explain(*back.Call.ResultInfo); e.Reason != graph.ReasonTransferFailed {
			t.Errorf("came back with %v", back.Call.ResultInfo)
		}
	})
	t.Run("consultative", func(t *testing.T) {
		s := start(t)
		first, _ := s.answered()
		grace := s.grace(admin.Answers)
		second, err := s.graph.CreateCall(t.Context(), scenario, s.request(func(c *graph.Call) { c.Targets = []graph.InvitationParticipantInfo{grace} }))
		s.must(err)
		s.bot.waitFor("audio", second.ID, func(n graph.Notification) bool { return n.Call != nil && n.Call.AudioActive() })
		grace.ReplacesCallID = second.ID
		s.must(s.graph.TransferCall(t.Context(), scenario, first, graph.Transfer{Target: grace}))
		if end := s.bot.waitState(first, graph.StateTerminated); end.TerminationReason != "AppTransferred" {
			t.Errorf("ended with %q and %v", end.TerminationReason, end.ResultInfo)
		}
		s.bot.waitState(second.ID, graph.StateTerminated)
	})
}

func TestInvite(t *testing.T) {
	t.Run("into a meeting", func(t *testing.T) {
		s := start(t)
		id, _, _ := s.join()
		op, err := s.graph.Invite(t.Context(), scenario, id, []graph.InvitationParticipantInfo{s.grace(admin.Answers)}, "context")
		s.must(err)
		begun(t, op, "inviteParticipantsOperation")
		succeeded(t, s.bot.waitEnd(id, op))
		s.bot.waitRoster("Grace", id, named("Grace"))
	})
	t.Run("declined", func(t *testing.T) {
		s := start(t)
		id, _, _ := s.join()
		op, err := s.graph.Invite(t.Context(), scenario, id, []graph.InvitationParticipantInfo{s.grace(admin.Declines)}, "context")
		s.must(err)
		if end := s.bot.waitEnd(id, op); end.Status != graph.OperationFailed || end.ResultInfo == nil {
			t.Errorf("ended as %+v", end)
		}
	})
	t.Run("into a call between two, which becomes a group call", func(t *testing.T) {
		s := start(t)
		id, _ := s.answered()
		op, err := s.graph.Invite(t.Context(), scenario, id, []graph.InvitationParticipantInfo{s.grace(admin.Answers)}, "context")
		s.must(err)
		succeeded(t, s.bot.waitEnd(id, op))
		s.bot.waitRoster("Grace", id, named("Grace"))
	})
}
