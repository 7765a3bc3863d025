// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"encoding/json"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/callfleet/callfleet/graph"
)

func joiningOf(participant string) graph.Notification {
	return graph.Notification{
		Resource: graph.Resource{Kind: graph.KindParticipantJoining, CallID: testCallID, ID: participant},
		Call:     &graph.Call{ID: testCallID},
	}
}

func TestParticipantsShareACallOfPolicyRecording(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		more := true
		d := &desk{decide: func(in Incoming) Decision {
			return Decision{Answer: &AnswerRequest{UID: testUID, ParticipantCapacity: 3}}
		}}
		s := newTestServer(t, &fakeGraph{}, withDesk(d), func(c *Config) { c.AcceptsMore = func() bool { return more } })
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
				Type string `json:"@odata.type"`
				URI  string `json:"inviteUri"`
			}
			if err := json.Unmarshal(body, &response); err != nil {
				t.Fatal(err)
			}
			if response.Type == "#microsoft.graph.inviteNewBotResponse" && response.URI != "https://bots.example/voice/reception/calls" {
				t.Errorf("a new bot is to be called at %q", response.URI)
			}
			return response.Type
		}
		const accept, anew = "#microsoft.graph.acceptJoinResponse", "#microsoft.graph.inviteNewBotResponse"
		left := joiningOf("p-2")
		left.Resource.Kind = graph.KindParticipantLeft
		steps := []struct {
			what string
			do   func() string
			want string
		}{
			{"the second", func() string { return ask("p-2") }, accept},
			{"the second again", func() string { return ask("P2") }, accept},
			{"while the pod takes no more", func() string { more = false; defer func() { more = true }(); return ask("p-3") }, anew},
			{"the third", func() string { return ask("p-3") }, accept},
			{"the fourth", func() string { return ask("p-4") }, anew},
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
