// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestTransferringCalls(t *testing.T) {
	grace := user(graceID, "Grace")
	blind := []string{"updated transferring", "updated transferAccepted", "updated transferAccepted inactive", "deleted terminated 0/7015"}
	for name, c := range map[string]struct {
		react    string
		hangUp   bool
		want     []string
		together bool
	}{
		"answered":                       {admin.Answers, false, blind, true},
		"declined":                       {admin.Declines, false, []string{"updated transferring", "updated established active 500/7000"}, false},
		"not answered":                   {admin.Ignores, false, []string{"updated transferring", "updated established active 500/7000"}, false},
		"the transferee hangs up before": {admin.Ignores, true, []string{"updated transferring", "deleted terminated 200/4521"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(callRoles...)
			path, id := s.answered(b, appHosted(b), nil)
			b.waitFor("updated established active")
			before := len(b.story())
			s.reacts(graceID, "Grace", c.react)
			if r := s.do("POST", path+"/transfer", doc{"transferTarget": grace, "clientContext": "x"}); r.Status != http.StatusAccepted {
				t.Fatalf("transfer: %d %v", r.Status, r.Body)
			}
			if c.hangUp {
				s.must(s.admin.HangUp(t.Context(), id, ""))
			} else {
				s.must(s.admin.SetClockSpeed(t.Context(), 100))
			}
			b.waitFor(c.want[len(c.want)-1])
			if diff := cmp.Diff(c.want, b.story()[before:]); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
			s.areTogether(s.call(id).People, c.together)
			s.noGhosts()
		})
	}
}

// areTogether checks that two people, and only they, are in the same call, or are not.
func (s *sim) areTogether(people []admin.Person, want bool) {
	s.t.Helper()
	got := len(people) == 2 && people[0].Here && people[1].Here && people[0].MeetingID == people[1].MeetingID
	if got != want {
		s.t.Errorf("together: %v, want %v: %+v", got, want, people)
	}
	if !got || !want {
		return
	}
	clip, spoken := speech(s.t)
	if _, err := s.admin.Speak(s.t.Context(), people[1], clip, admin.SpeakOptions{Wait: true}); err != nil {
		s.t.Fatal(err)
	}
	if r := s.compare(people[0], spoken); r.Correlation < 0.9 {
		s.t.Errorf("who was transferred hears %+v", r)
	}
}

func TestConsultativeTransfer(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	s.reacts(graceID, "Grace", admin.Answers)
	path, id := s.answered(b, serviceHosted(), nil)
	second := s.join(callBody(b, serviceHosted(), user(graceID, "Grace")))
	eventually(t, "the second call", func() bool { return s.call(second).MediaActive }, func() string { return strings.Join(b.story(), "; ") })
	eventually(t, "its notification", func() bool { return len(b.story()) == 7 }, func() string { return strings.Join(b.story(), "; ") })

	for _, replaces := range []string{"nothing", id} { // neither is another call of the bot
		target := user(graceID, "Grace")
		target["replacesCallId"] = replaces
		if r := s.do("POST", path+"/transfer", doc{"transferTarget": target}); r.Status != http.StatusAccepted {
			t.Fatalf("transfer: %d %v", r.Status, r.Body)
		}
		b.waitFor("updated established active 500/7700")
	}
	target := user(graceID, "Grace")
	target["replacesCallId"] = second
	if r := s.do("POST", path+"/transfer", doc{"transferTarget": target}); r.Status != http.StatusAccepted {
		t.Fatalf("transfer: %d %v", r.Status, r.Body)
	}
	eventually(t, "both calls to end", func() bool { return !s.call(id).Live() && !s.call(second).Live() }, func() string { return strings.Join(b.story(), "; ") })
	eventually(t, "both to be told", func() bool {
		return strings.Count(strings.Join(b.story(), ";"), "deleted terminated AppTransferred") == 2
	},
		func() string { return strings.Join(b.story(), "; ") })
	var ours []string
	for _, n := range s.notifications(id) {
		ours = append(ours, n.Summary)
	}
	want := []string{"transferring", "transferring, media inactive", "transferAccepted", "terminated"}
	if diff := cmp.Diff(want, ours[len(ours)-len(want):]); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	s.areTogether([]admin.Person{s.call(id).People[0], s.call(second).People[0]}, true)
	s.noGhosts()
}

func TestTransferOutOfAGroup(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	path, id := s.answered(b, serviceHosted(), func(in *admin.IncomingCall) { in.UserID, in.Others = adaID, []string{"Linus"} })
	s.reacts(graceID, "Grace", admin.Answers)
	if r := s.do("POST", path+"/transfer", doc{"transferTarget": user(graceID, "")}); r.Status != 400 || !strings.Contains(r.errorMessage(), "transferee is required") {
		t.Errorf("without a transferee: %d %v", r.Status, r.Body)
	}
	transferee := doc{"@odata.type": "#microsoft.graph.participantInfo", "identity": user(adaID, "")["identity"], "participantId": s.call(id).People[0].ID}
	if r := s.do("POST", path+"/transfer", doc{"transferTarget": user(graceID, "Grace"), "transferee": transferee}); r.Status != http.StatusAccepted {
		t.Fatalf("transfer: %d %v", r.Status, r.Body)
	}
	b.waitFor("deleted terminated 0/7015")
	people := s.call(id).People
	if len(people) != 3 {
		t.Fatalf("people = %+v", people)
	}
	s.areTogether([]admin.Person{people[0], people[2]}, true)
	eventually(t, "the other one, now alone, to go", func() bool { return !s.call(id).People[1].Here }, func() string { return "" })
	s.noGhosts()
}

func TestTransfersThatAreRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	s.must(s.admin.PutUser(t.Context(), admin.User{ID: linusID, TenantID: "99999999-0000-4000-8000-000000000001"}))
	path, _ := s.ring(b, nil)
	refused := func(what string, body doc, status int, says string) {
		t.Helper()
		if r := s.do("POST", path+"/transfer", body); r.Status != status || !strings.Contains(r.errorMessage(), says) {
			t.Errorf("%s: got %d %q, want %d saying %q", what, r.Status, r.errorMessage(), status, says)
		}
	}
	grace := doc{"transferTarget": user(graceID, "Grace")}
	refused("unanswered", grace, 400, "nobody in the call")
	if r := s.do("POST", path+"/answer", answerBody(b, serviceHosted())); r.Status != http.StatusAccepted {
		t.Fatalf("answer: %d", r.Status)
	}
	b.waitFor("updated established active")
	refused("no target", doc{}, 400, "transferTarget is required")
	refused("another tenant", doc{"transferTarget": user(linusID, "")}, 400, "another tenant")
	refused("a telephone without a number of one's own", doc{"transferTarget": phone(number)}, 403, "application instance")
	s.reacts(graceID, "Grace", admin.Ignores)
	if r := s.do("POST", path+"/transfer", grace); r.Status != http.StatusAccepted {
		t.Fatalf("transfer: %d %v", r.Status, r.Body)
	}
	refused("a second one at the same time", grace, 400, "transferring")
}
