// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"net/http"
	"testing"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestRemoveParticipant(t *testing.T) {
	s := start(t)
	id, ada, _ := s.join()
	err := s.graph.RemoveParticipant(t.Context(), scenario, id, ada.ID)
	refused(t, err, http.StatusForbidden, graph.ReasonPermissionMissing) // no administrator has allowed it
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{AllowRemove: []string{appID}}))
	s.must(s.graph.RemoveParticipant(t.Context(), scenario, id, ada.ID))
	if roster, err := s.graph.ListParticipants(t.Context(), scenario, id); err != nil || len(roster) != 1 {
		t.Errorf("the roster is %+v, %v", roster, err)
	}
	refused(t, s.graph.RemoveParticipant(t.Context(), scenario, id, ada.ID), http.StatusNotFound, graph.ReasonParticipantNotFound)
}

func TestRecordingByPolicy(t *testing.T) {
	const bob, carol = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	s := start(t)
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{Recording: []admin.RecordingPolicy{{AppID: appID, Users: []string{bob, carol}}}}))
	m, _ := s.meeting()
	comes := func(id, name string) <-chan admin.PolicyJoined {
		came := make(chan admin.PolicyJoined, 1)
		go func() {
			joined, err := s.admin.PolicyJoin(s.Context(), m.ID, admin.PolicyJoin{UserID: id, DisplayName: name})
			if err != nil {
				t.Error(err)
			}
			came <- joined
		}()
		return came
	}

	came := comes(bob, "Bob")
	in := s.bot.waitFor("a call by policy", "", func(n graph.Notification) bool {
		return n.ChangeType == graph.Created && n.Call != nil && n.Call.RecordsByPolicy()
	})
	if in.Call.MeetingInfo == nil || in.Call.MeetingInfo.Token == "" || in.Call.ApplicationMetadata == nil {
		t.Errorf("the call reads %s", in.Raw)
	}
	id := in.Resource.CallID
	s.must(s.graph.AnswerCall(t.Context(), scenario, id, graph.Answer{
		CallbackURI: s.bot.uri(), AcceptedModalities: []graph.Modality{graph.ModalityAudio}, MediaConfig: graph.ServiceHostedMedia(), ParticipantCapacity: 2,
	}))
	if got := <-came; !got.Joined || len(got.Records) != 1 || got.Records[0].CallID != id {
		t.Fatalf("Bob: %+v", got)
	}
	s.bot.waitState(id, graph.StateEstablished)
	op, err := s.graph.UpdateRecordingStatus(t.Context(), scenario, id, graph.Recording, "context")
	s.must(err)
	done(t, op, "updateRecordingStatusOperation")

	s.bot.mu.Lock()
	s.bot.joining = func(graph.Notification) graph.JoinResponse { return graph.AcceptJoin() }
	s.bot.mu.Unlock()
	got := <-comes(carol, "Carol")
	if !got.Joined || len(got.Records) != 1 || got.Records[0].Outcome != "Shared" || got.Records[0].CallID != id {
		t.Fatalf("Carol: %+v", got)
	}
	s.bot.waitFor("somebody joining", id, func(n graph.Notification) bool { return n.Resource.Kind == graph.KindParticipantJoining })
	s.must(s.admin.PersonLeaves(t.Context(), got.Person))
	left := s.bot.waitFor("somebody leaving", id, func(n graph.Notification) bool { return n.Resource.Kind == graph.KindParticipantLeft })
	if left.Resource.ID == "" {
		t.Errorf("who left is not told: %s", left.Raw)
	}
}

func TestRefusingToRecordMore(t *testing.T) {
	const bob, carol = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	for name, c := range map[string]struct {
		response func(*service) graph.JoinResponse
		outcome  string
	}{
		"rejected":            {func(*service) graph.JoinResponse { return graph.RejectJoin(graph.RejectBusy) }, "Rejected"},
		"sent to another bot": {func(s *service) graph.JoinResponse { return graph.InviteNewBot(s.bot.uri()) }, "NewCall"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{Recording: []admin.RecordingPolicy{{AppID: appID, Users: []string{bob, carol}}}}))
			m, _ := s.meeting()
			s.bot.mu.Lock()
			s.bot.joining = func(graph.Notification) graph.JoinResponse { return c.response(s) }
			s.bot.mu.Unlock()
			answered := map[string]bool{}
			stop := make(chan struct{})
			answering := make(chan struct{})
			go func() { // what the bot does about every call
				defer close(answering)
				for {
					s.bot.mu.Lock()
					news, got := s.bot.news, append([]graph.Notification(nil), s.bot.got...)
					s.bot.mu.Unlock()
					for _, n := range got {
						if id := n.Resource.CallID; n.ChangeType == graph.Created && n.Call != nil && n.Call.State == graph.StateIncoming && !answered[id] {
							answered[id] = true
							if err := s.graph.AnswerCall(s.Context(), scenario, id, graph.Answer{
								CallbackURI: s.bot.uri(), MediaConfig: graph.ServiceHostedMedia(), ParticipantCapacity: 5,
							}); err != nil {
								t.Error(err)
							}
						}
					}
					select {
					case <-news:
					case <-stop:
						return
					}
				}
			}()
			for _, who := range []string{bob, carol} {
				joined, err := s.admin.PolicyJoin(t.Context(), m.ID, admin.PolicyJoin{UserID: who})
				s.must(err)
				want := "NewCall"
				if who == carol {
					want = c.outcome
				}
				if len(joined.Records) != 1 || joined.Records[0].Outcome != want {
					t.Errorf("%s: %+v", who, joined)
				}
				s.bot.waitState("", graph.StateEstablished)
			}
			close(stop)
			<-answering
		})
	}
}
