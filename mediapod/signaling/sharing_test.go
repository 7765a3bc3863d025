// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/callfleet/callfleet/graph"
)

func joiningOf(participant string) graph.Notification {
	return graph.Notification{
		Resource: graph.Resource{Kind: graph.KindParticipantJoining, CallID: testCallID, ID: participant},
		Call: &graph.Call{
			ID: testCallID, Source: &graph.ParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: "ada"}}},
		},
	}
}

func TestParticipantsShareACallOfPolicyRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var says Joining
		d := &desk{decide: func(in Incoming) Decision {
			return Decision{Answer: &AnswerRequest{UID: testUID, ParticipantCapacity: 3}}
		}}
		s := newTestServer(t, &fakeGraph{}, withDesk(d), func(c *Config) {
			c.Joining = func(uid string, in Incoming) Joining {
				if uid != "nobody" && (uid != testUID || !in.PolicyRecording || in.TenantID != testTenant || in.From.User == nil || in.From.User.ID != "ada") {
					t.Errorf("asked about %s: %+v", uid, in)
				}
				return says
			}
		})
		defer stop(t, s)
		s.takeNewCalls([]graph.Notification{recordedRing(testCallID)}, arrival{tenant: testTenant})
		synctest.Wait()
		tell(t, s, updated(testCallID, graph.StateEstablished))

		ask := func(participant string) string {
			code, body := s.takeCallback(t.Context(), testUID, testTenant, []graph.Notification{joiningOf(participant)})
			if code != http.StatusOK {
				t.Fatalf("answered %d", code)
			}
			var response struct {
				Type   string             `json:"@odata.type"`
				URI    string             `json:"inviteUri"`
				Reason graph.RejectReason `json:"reason"`
			}
			if err := json.Unmarshal(body, &response); err != nil {
				t.Fatal(err)
			}
			return response.Type + response.URI + string(response.Reason)
		}
		asked := func(j Joining, participant string) string {
			says = j
			defer func() { says = Joining{Share: true} }()
			return ask(participant)
		}
		says = Joining{Share: true}
		const accept, invite, reject = "#microsoft.graph.acceptJoinResponse", "#microsoft.graph.inviteNewBotResponse", "#microsoft.graph.rejectJoinResponse"
		const anew = invite + "https://bots.example/voice/reception/calls"
		left := joiningOf("p-2")
		left.Resource.Kind = graph.KindParticipantLeft
		steps := []struct {
			what string
			do   func() string
			want string
		}{
			{"the second", func() string { return ask("p-2") }, accept},
			{"the second again", func() string { return ask("P2") }, accept},
			{"while the pod takes no more", func() string { return asked(Joining{}, "p-3") }, anew},
			{"whom another fleet takes", func() string { return asked(Joining{Location: "https://us/calls"}, "p-3") }, invite + "https://us/calls"},
			{"whom the rules reject", func() string { return asked(Joining{Reject: graph.RejectForbidden, Share: true}, "p-3") }, reject + "forbidden"},
			{"the second, told twice, while the pod takes no more", func() string { return asked(Joining{}, "p-2") }, accept},
			{"the third", func() string { return ask("p-3") }, accept},
			{"the fourth", func() string { return ask("p-4") }, anew},
			{"the fourth, whom the rules reject", func() string { return asked(Joining{Reject: graph.RejectBusy}, "p-4") }, reject + "busy"},
			{"after one left", func() string { tell(t, s, left, left); return ask("p-4") }, accept},
			{"and no more", func() string { return ask("p-5") }, anew},
			{"after the first left", func() string { left.Resource.ID = "p-1"; tell(t, s, left); return ask("p-5") }, accept},
			{"while leaving", func() string { d.call(t).HangUp(EndedByBot); synctest.Wait(); return ask("p-2") }, anew},
		}
		for _, step := range steps {
			if got := step.do(); got != step.want {
				t.Errorf("%s: %s, want %s", step.what, got, step.want)
			}
		}
		says = Joining{Reject: graph.RejectForbidden}
		if code, body := s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{joiningOf("p-9")}); code != 200 || !strings.Contains(string(body), reject) {
			t.Errorf("whom the rules reject, in a call nobody holds, was answered %d %s", code, body)
		}
		says = Joining{}
		if code, body := s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{joiningOf("p-9")}); code != 200 || len(body) == 0 {
			t.Errorf("a call nobody holds was answered %d %s", code, body)
		}
	})
}

func TestAJoiningParticipantIsAnsweredInJSON(t *testing.T) {
	s := newTestServer(t, &fakeGraph{}, withDesk(&desk{}))
	defer stop(t, s)
	body := `{"@odata.type":"#microsoft.graph.commsNotifications","value":[{"@odata.type":"#microsoft.graph.participantJoiningNotification","call":{"@odata.type":"#microsoft.graph.call","id":"x"}}]}`
	w := post(s, callbackPath+testUID, body)
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
		t.Errorf("answered %d %s: %s", w.Code, w.Header(), w.Body)
	}
}
