// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

const recorderID = "bbbbbbbb-0000-4000-8000-000000000001"

// recorder is a bot that answers every incoming call and says the same to everybody who joins.
type recorder struct {
	*ear
	capacity int
	joining  func() (int, any) // the reply to a participant joining
	silent   bool

	answering sync.WaitGroup
}

func newRecorder(t *testing.T, s *sim, policy admin.RecordingPolicy) *recorder {
	t.Helper()
	r := &recorder{ear: newEar(t, s), capacity: 10}
	s.must(s.admin.PutApp(t.Context(), admin.App{
		ID: appID, TenantID: tenantID, Secret: secret, Roles: allRoles, WebhookURL: r.server.URL + "/webhook", InstanceID: recorderID,
	}))
	policy.AppID, policy.Users = appID, []string{ada, grace}
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{Recording: []admin.RecordingPolicy{policy}}))
	r.reply = r.react
	return r
}

func (r *recorder) react(_ string, n doc) (int, any) {
	switch {
	case n["changeType"] == "created" && !r.silent:
		r.answering.Add(1)
		defer r.answering.Done()
		id := data(n)["@odata.id"].(string)
		answer := r.sim.do("POST", "/v1.0"+id+"/answer", doc{
			"callbackUri": r.server.URL + "/call", "acceptedModalities": []string{"audio"}, "participantCapacity": r.capacity,
			"mediaConfig": doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"},
		})
		if answer.Status != http.StatusAccepted {
			r.t.Errorf("answer: %d %v", answer.Status, answer.Body)
		}
	case data(n)["@odata.type"] == "#microsoft.graph.participantJoiningNotification":
		return r.joining()
	}
	return http.StatusAccepted, nil
}

func (r *recorder) join(m admin.Meeting, user string) admin.PolicyJoined {
	r.t.Helper()
	out, err := r.sim.admin.PolicyJoin(r.t.Context(), m.ID, admin.PolicyJoin{UserID: user, DisplayName: user[len(user)-1:]})
	r.sim.must(err)
	r.answering.Wait() // the user may be in before the bot has read the reply to its answer
	return out
}

func TestAPolicyUserJoinsWhenTheRecorderHas(t *testing.T) {
	s := start(t)
	r := newRecorder(t, s, admin.RecordingPolicy{RequiredBefore: true})
	m := s.meeting(func(n *admin.NewMeeting) { n.Lobby = true })
	out := r.join(m, ada)
	if !out.Joined || len(out.Records) != 1 || out.Records[0].Outcome != "NewCall" {
		t.Fatalf("joined: %+v", out)
	}
	created := data(r.find("the incoming call", func(n doc) bool { return n["changeType"] == "created" }))
	context, bot := in(created, "incomingContext"), in(created, "applicationMetadata", "botData")
	if context["observedParticipantId"] != out.Person.ID || context["sourceParticipantId"] != out.Person.ID || bot["policyIdentifier"] != out.Records[0].PolicyID ||
		fmt.Sprint(bot["inviteReasons"]) != "[PolicyBasedRecording]" || in(created, "meetingInfo")["@odata.type"] != "#microsoft.graph.tokenMeetingInfo" {
		t.Errorf("incoming call %v", created)
	}
	r.roster("both", func(all []doc) bool { return len(all) == 2 && all[1]["id"] == out.Person.ID })

	s.must(s.admin.PersonLeaves(t.Context(), out.Person))
	left := data(r.find("that she left", func(n doc) bool { return data(n)["@odata.type"] == "#microsoft.graph.participantLeftNotification" }))
	if left["participantId"] != out.Person.ID {
		t.Errorf("left %v", left)
	}
	r.state(out.Records[0].CallID, "terminated")
}

func TestWhatARecorderSaysToTheSecondUser(t *testing.T) {
	for name, c := range map[string]struct {
		status  int
		body    any
		outcome string
		joined  bool
		shared  bool
	}{
		"accept":           {200, doc{"@odata.type": "#microsoft.graph.acceptJoinResponse"}, "Shared", true, true},
		"reject":           {200, doc{"@odata.type": "#microsoft.graph.rejectJoinResponse", "reason": "Busy"}, "Rejected", false, false},
		"202, no body":     {202, nil, "BadReply", false, false},
		"no type":          {200, doc{}, "BadReply", false, false},
		"an unknown type":  {200, doc{"@odata.type": "#microsoft.graph.maybe"}, "BadReply", false, false},
		"an unknown word":  {200, doc{"@odata.type": "#microsoft.graph.acceptJoinResponse", "extra": 1}, "BadReply", false, false},
		"invite over http": {200, doc{"@odata.type": "#microsoft.graph.inviteNewBotResponse", "inviteUri": "http://x/y"}, "BadReply", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := newRecorder(t, s, admin.RecordingPolicy{RequiredBefore: true})
			r.joining = func() (int, any) { return c.status, c.body }
			m := s.meeting(nil)
			first := r.join(m, ada)
			out := r.join(m, grace)
			if out.Joined != c.joined || out.Records[0].Outcome != c.outcome || (out.Records[0].CallID == first.Records[0].CallID) != true {
				t.Fatalf("second: %+v", out)
			}
			if c.shared {
				if r := s.do("POST", "/v1.0/communications/calls/"+first.Records[0].CallID+"/updateRecordingStatus", doc{"status": "recording"}); r.Status != 200 {
					t.Fatalf("recording: %d %v", r.Status, r.Body)
				}
				r.roster("both recorded", func(all []doc) bool {
					recorded := 0
					for _, p := range all {
						if p["recordingInfo"] != nil {
							recorded++
						}
					}
					return recorded == 3
				})
			}
		})
	}
}

func TestARecorderMayAskForANewCallElsewhere(t *testing.T) {
	s := start(t)
	r := newRecorder(t, s, admin.RecordingPolicy{})
	r.joining = func() (int, any) {
		return 200, doc{"@odata.type": "#microsoft.graph.inviteNewBotResponse", "inviteUri": r.server.URL + "/second"}
	}
	m := s.meeting(nil)
	first := r.join(m, ada)
	out := r.join(m, grace)
	if out.Records[0].Outcome != "NewCall" || out.Records[0].CallID == first.Records[0].CallID || !out.Joined {
		t.Fatalf("second: %+v", out)
	}
	r.find("the call at the other address", func(n doc) bool { return n["changeType"] == "created" && n["path"] == "/second" })
}

func TestWithoutCapacityAndInARaceEverybodyGetsACall(t *testing.T) {
	for name, capacity := range map[string]int{"no capacity": 0, "capacity for one": 1} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := newRecorder(t, s, admin.RecordingPolicy{})
			r.capacity = capacity
			m := s.meeting(nil)
			if a, b := r.join(m, ada), r.join(m, grace); a.Records[0].CallID == b.Records[0].CallID || b.Records[0].Outcome != "NewCall" {
				t.Errorf("%+v, %+v", a, b)
			}
		})
	}
	t.Run("race", func(t *testing.T) {
		s := start(t)
		r := newRecorder(t, s, admin.RecordingPolicy{})
		var both sync.WaitGroup
		both.Add(2)
		r.reply = func(path string, n doc) (int, any) {
			if n["changeType"] == "created" { // nobody is answered before both have come
				both.Done()
				both.Wait()
			}
			return r.react(path, n)
		}
		m := s.meeting(nil)
		var joins sync.WaitGroup
		var out [2]admin.PolicyJoined
		for i, user := range []string{ada, grace} {
			joins.Go(func() { out[i] = r.join(m, user) })
		}
		joins.Wait()
		if out[0].Records[0].CallID == out[1].Records[0].CallID || !out[0].Joined || !out[1].Joined {
			t.Errorf("%+v", out)
		}
	})
}

func TestNoRecorderNoUserIfThePolicySaysSo(t *testing.T) {
	for name, c := range map[string]struct {
		required bool
	}{"required": {true}, "not required": {false}} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.must(s.admin.SetClockSpeed(t.Context(), 50))
			r := newRecorder(t, s, admin.RecordingPolicy{RequiredBefore: c.required})
			r.silent = true
			out := r.join(s.meeting(nil), ada)
			if out.Joined == c.required || out.Records[0].Outcome != "Unanswered" || !strings.Contains(out.Records[0].Detail, "5s") {
				t.Errorf("%+v", out)
			}
			s.noGhosts()
		})
	}
}

func TestARecorderThatGoesTakesTheUserAlong(t *testing.T) {
	for name, required := range map[string]bool{"required": true, "not required": false} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			r := newRecorder(t, s, admin.RecordingPolicy{RequiredDuring: required})
			m := s.meeting(nil)
			out := r.join(m, ada)
			if r := s.do("DELETE", "/v1.0/communications/calls/"+out.Records[0].CallID, nil); r.Status != http.StatusNoContent {
				t.Fatalf("hang up: %d", r.Status)
			}
			now, err := s.admin.Meeting(t.Context(), m.ID)
			s.must(err)
			if gone := len(now.Participants) == 0; gone != required {
				t.Errorf("participants %+v", now.Participants)
			}
		})
	}
}
