// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestRedirectingCalls(t *testing.T) {
	ada, grace := user(adaID, "Ada"), user(graceID, "Grace")
	for name, c := range map[string]struct {
		targets []doc
		react   map[string]string
		want    string
		who     string // answers
	}{
		"forwarded":                   {[]doc{ada}, nil, "deleted terminated 200/0", adaID},
		"forwarded to a telephone":    {[]doc{phone(number)}, nil, "deleted terminated 200/0", number},
		"simulring, the second takes": {[]doc{ada, grace}, map[string]string{adaID: admin.Ignores}, "deleted terminated 200/0", graceID},
		"simulring, one declines":     {[]doc{ada, grace}, map[string]string{graceID: admin.Declines}, "deleted terminated 200/0", adaID},
		"declined":                    {[]doc{ada}, map[string]string{adaID: admin.Declines}, "deleted terminated 603/0", ""},
		"nobody answers":              {[]doc{ada, grace}, map[string]string{adaID: admin.Ignores, graceID: admin.Ignores}, "deleted terminated 487/10004", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable("Calls.Initiate.All")
			s.must(s.admin.SetClockSpeed(t.Context(), 10))
			for id, how := range c.react {
				s.reacts(id, "", how)
			}
			path, id := s.ring(b, func(in *admin.IncomingCall) { in.ToInstance = true })
			body := doc{"targets": c.targets, "timeout": 20, "callbackUri": b.server.URL + "/elsewhere"}
			if r := s.do("POST", path+"/redirect", body); r.Status != http.StatusAccepted {
				t.Fatalf("redirect: %d %v", r.Status, r.Body)
			}
			if r := s.do("POST", path+"/answer", answerBody(b, serviceHosted())); r.Status != http.StatusConflict && r.Status != http.StatusNotFound {
				t.Errorf("answering what was redirected: %d", r.Status)
			}
			b.waitFor(c.want)
			if diff := cmp.Diff([]string{"created incoming", c.want}, b.story()); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
			last := s.notifications(id)[1]
			if !strings.HasSuffix(last.URL, "/elsewhere") {
				t.Errorf("sent to %s", last.URL)
			}
			people := s.call(id).People
			if c.who == "" {
				if len(people) != 1 || people[0].Here || strings.Contains(string(last.Body), "answeredBy") {
					t.Errorf("people = %+v, last = %s", people, last.Body)
				}
				return
			}
			if len(people) != 2 || !people[0].Here || !people[1].Here || people[1].UserID != c.who || !strings.Contains(string(last.Body), c.who) {
				t.Errorf("people = %+v, last = %s", people, last.Body)
			}
			clip, spoken := speech(t)
			if _, err := s.admin.Speak(t.Context(), people[0], clip, admin.SpeakOptions{Wait: true}); err != nil {
				t.Fatal(err)
			}
			if r := s.compare(people[1], spoken); r.Correlation < 0.9 {
				t.Errorf("who answered hears %+v", r)
			}
			if ringing, err := s.admin.Ringing(t.Context()); err != nil || len(ringing) > 0 {
				t.Errorf("still ringing: %v %v", ringing, err)
			}
			s.noGhosts()
		})
	}
}

func TestRedirectionsThatAreRefused(t *testing.T) {
	many := make([]doc, 26)
	for i := range many {
		many[i] = user(fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), "")
	}
	ada := []doc{user(adaID, "Ada")}
	for name, c := range map[string]struct {
		roles []string
		body  doc
		want  int
		says  string
	}{
		"nobody":              {callRoles, doc{"targets": []doc{}}, 400, "targets must have 1 to 25"},
		"too many":            {callRoles, doc{"targets": many}, 400, "targets must have 1 to 25"},
		"impatient":           {callRoles, doc{"targets": ada, "timeout": 14}, 400, "timeout"},
		"too patient":         {callRoles, doc{"targets": ada, "timeout": 91}, 400, "timeout"},
		"beta member in v1.0": {callRoles, doc{"targets": ada, "maskCaller": true}, 400, "maskCaller"},
		"without the role":    {allRoles, doc{"targets": ada}, 403, "Calls.Initiate.All"},
		"to a telephone, of a call that did not come by the instance": {callRoles, doc{"targets": []doc{phone(number)}}, 403, "application instance"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(c.roles...)
			path, id := s.ring(b, nil)
			if r := s.do("POST", path+"/redirect", c.body); r.Status != c.want || !strings.Contains(r.errorMessage(), c.says) {
				t.Errorf("got %d %q, want %d saying %q", r.Status, r.errorMessage(), c.want, c.says)
			}
			if got := s.call(id).State; got != "incoming" {
				t.Errorf("the call is %s", got)
			}
		})
	}
}
