// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestACallThatIsNotKeptAliveEnds(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	kept, dropped := s.join(joinBody(m, b)), s.join(joinBody(m, b))
	eventually(t, "both calls in the meeting", func() bool { return len(s.participants(m)) == 2 }, func() string { return "" })

	// 45 minutes pass in 2.7 s. One call is kept alive every 7 minutes or so, the other never.
	s.must(s.admin.SetClockSpeed(t.Context(), 1000))
	eventually(t, "the end of the neglected call", func() bool {
		if r := s.do("POST", "/v1.0/communications/calls/"+kept+"/keepAlive", nil); r.Status != http.StatusOK {
			t.Fatalf("keepAlive: %d %v", r.Status, r.Body)
		}
		time.Sleep(400 * time.Millisecond)
		return !s.call(dropped).Live()
	}, func() string { return "" })
	s.must(s.admin.SetClockSpeed(t.Context(), 1))

	if r := s.call(dropped).Result; r == nil || r.Code != 408 || r.Subcode != 8537 {
		t.Errorf("result = %+v, want 408/8537", r)
	}
	if r := s.do("POST", "/v1.0/communications/calls/"+dropped+"/keepAlive", nil); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
		t.Errorf("keepAlive after the end: %d %v", r.Status, r.Body)
	}
	if c := s.call(kept); !c.Live() || c.KeepAlives < 3 {
		t.Errorf("the call that was kept alive: %+v", c)
	}
	eventually(t, "the notification of the end", func() bool { return slices.Contains(b.story(), "deleted terminated 408/8537") },
		func() string { return strings.Join(b.story(), "; ") })
	s.noGhosts()
}

func (s *sim) participants(m admin.Meeting) []admin.Participant {
	s.t.Helper()
	m, err := s.admin.Meeting(s.t.Context(), m.ID)
	s.must(err)
	return m.Participants
}

func TestTheLobby(t *testing.T) {
	waiting := []string{"updated establishing", "updated established", "updated roster in lobby"}
	for name, c := range map[string]struct {
		then func(*sim, admin.Meeting, admin.Participant) error
		want []string
	}{
		"admitted": {func(s *sim, m admin.Meeting, p admin.Participant) error {
			return s.admin.Admit(s.t.Context(), m.ID, p.ID)
		}, []string{"updated established active", "updated roster 2"}},
		"denied": {func(s *sim, m admin.Meeting, p admin.Participant) error {
			return s.admin.Deny(s.t.Context(), m.ID, p.ID)
		}, []string{"deleted terminated 200/5300"}},
		"forgotten": {func(s *sim, _ admin.Meeting, _ admin.Participant) error {
			return s.admin.SetClockSpeed(s.t.Context(), 10_000) // half an hour in 0.2 s
		}, []string{"deleted terminated 200/5855"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := newBot(t, s).trusted()
			m := s.meeting(func(n *admin.NewMeeting) { n.Lobby, n.People = true, []string{"Ada"} })
			id := s.join(joinBody(m, b))
			b.waitFor("updated roster in lobby")
			me := s.participants(m)[1]
			if !me.InLobby || me.CallID != id || !s.call(id).InLobby {
				t.Errorf("participant = %+v", me)
			}
			list := s.do("GET", "/v1.0/communications/calls/"+id+"/participants", nil)
			if all, _ := list.Body["value"].([]any); len(all) != 1 {
				t.Errorf("from the lobby one sees oneself only: %v", list.Body)
			}
			s.person(m, "Grace") // changes nothing for those in the lobby
			s.must(s.admin.PersonLeaves(t.Context(), s.personNamed(m, "Grace")))
			s.must(c.then(s, m, me))
			b.waitFor(c.want[len(c.want)-1])
			if diff := cmp.Diff(append(slices.Clone(waiting), c.want...), b.story()); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
			s.noGhosts()
		})
	}
}

func (s *sim) personNamed(m admin.Meeting, name string) admin.Person {
	s.t.Helper()
	m, err := s.admin.Meeting(s.t.Context(), m.ID)
	s.must(err)
	p, ok := m.Person(name)
	if !ok {
		s.t.Fatalf("%s is not here", name)
	}
	return p
}

func TestGuestsWaitInTheLobbyEvenWhereBotsDoNot(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	body := joinBody(m, b)
	in(body, "source")["identity"] = doc{"@odata.type": "#microsoft.graph.identitySet", "guest": doc{
		"@odata.type": "#microsoft.graph.identity", "id": "a3959bf8-1ff4-4a72-a3a2-05826c2e6834", "displayName": "Visitor",
	}}
	s.join(body)
	b.waitFor("updated roster in lobby")
	me := s.participants(m)[0]
	if me.Kind != "Guest" || me.DisplayName != "Visitor" {
		t.Errorf("participant = %+v", me)
	}
	s.must(s.admin.Admit(t.Context(), m.ID, me.ID))
	b.waitFor("updated roster 1")
	notes := b.notes()
	if g := in(notes[len(notes)-1].Roster[0], "info", "identity")["guest"].(doc); g["displayName"] != "Visitor" {
		t.Errorf("guest in the roster: %v", g)
	}
}

func TestIncomingCalls(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	s.must(s.admin.PutApp(t.Context(), admin.App{
		ID: appID, TenantID: tenantID, Secret: secret, Roles: allRoles, WebhookURL: b.callbackURI(),
	}))
	ring := func() string {
		id, err := s.admin.Ring(t.Context(), admin.IncomingCall{AppID: appID, TenantID: tenantID, DisplayName: "Ada"})
		s.must(err)
		b.waitFor("created incoming")
		return id
	}
	id := ring()
	c := b.notes()[0].Call
	if user := in(c, "source", "identity", "user"); user["displayName"] != "Ada" || c["direction"] != "incoming" || c["tenantId"] != tenantID {
		t.Errorf("incoming call = %v", c)
	}
	if r := s.do("POST", "/v1.0/communications/calls/"+id+"/reject", doc{"reason": "forbidden", "callbackUri": b.server.URL + "/elsewhere"}); r.Status != http.StatusAccepted {
		t.Fatalf("reject: %d %v", r.Status, r.Body)
	}
	b.waitFor("deleted terminated 603/0")

	id = ring()
	s.must(s.admin.SetClockSpeed(t.Context(), 100)) // 15 s in 150 ms
	b.waitFor("deleted terminated 408/10057")
	if r := s.do("POST", "/v1.0/communications/calls/"+id+"/reject", doc{"reason": "busy"}); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
		t.Errorf("reject too late: %d %v", r.Status, r.Body)
	}
}
