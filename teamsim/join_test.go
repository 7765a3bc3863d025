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

func TestABotJoinsAndHangsUp(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })

	r := s.do("POST", "/v1.0/communications/calls", joinBody(m, b))
	if r.Status != http.StatusCreated {
		t.Fatalf("create call: %d %v", r.Status, r.Body)
	}
	id := r.Body["id"].(string)
	if r.Body["state"] != "establishing" || r.Body["callChainId"] != scenarioID || r.Body["myParticipantId"] == "" {
		t.Errorf("created call = %v", r.Body)
	}
	if want := s.info.URL + "/v1.0/communications/calls/" + id; r.Header.Get("Location") != want {
		t.Errorf("Location = %q, want %q", r.Header.Get("Location"), want)
	}
	for _, h := range []string{"request-id", "client-request-id", "scenario-id", "x-ms-ags-diagnostic", "OData-Version"} {
		if r.Header.Get(h) == "" {
			t.Errorf("no header %s", h)
		}
	}
	if config := r.Body["mediaConfig"].(doc); config["blob"] != nil {
		t.Error("the blob, which holds a token, is given back")
	}

	b.waitFor("updated roster 2")
	wantCall(t, s.do("GET", "/v1.0/communications/calls/"+id, nil), http.StatusOK, "established")
	checkRoster(t, b.notes()[3].Roster, r.Body["myParticipantId"].(string))
	if r := s.do("POST", "/v1.0/communications/calls/"+id+"/keepAlive", nil); r.Status != http.StatusOK {
		t.Errorf("keepAlive: %d %v", r.Status, r.Body)
	}
	if c := s.call(id); c.KeepAlives != 1 || c.LastKeepAlive.IsZero() || !c.MediaActive {
		t.Errorf("call as the service sees it: %+v", c)
	}

	if r := s.do("DELETE", "/v1.0/communications/calls/"+id, nil); r.Status != http.StatusNoContent {
		t.Errorf("hang up: %d %v", r.Status, r.Body)
	}
	b.waitFor("deleted terminated 200/7000")
	want := []string{"updated establishing", "updated established", "updated established active", "updated roster 2",
		"updated terminating", "deleted terminated 200/7000"}
	if diff := cmp.Diff(want, b.story()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	checkHeaders(t, b.notes(), id)
	for _, op := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/keepAlive"}, {"GET", "/participants"}} {
		if r := s.do(op[0], "/v1.0/communications/calls/"+id+op[1], nil); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
			t.Errorf("%s %s after the end: %d %s, want 404 8522", op[0], op[1], r.Status, r.errorCode())
		}
	}
	s.noGhosts()
	eventually(t, "the end of the WHIP session", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.deletes == 1 },
		func() string { return "no DELETE" })
}

func wantCall(t *testing.T, r reply, status int, state string) {
	t.Helper()
	if r.Status != status || r.Body["state"] != state {
		t.Errorf("got %d %v, want %d %s", r.Status, r.Body["state"], status, state)
	}
}

// checkRoster wants Ada and the bot, with what the documentation says a participant has.
func checkRoster(t *testing.T, roster []map[string]any, myID string) {
	t.Helper()
	sources := map[any]bool{}
	for _, p := range roster {
		identity := p["info"].(doc)["identity"].(doc)
		stream := p["mediaStreams"].([]any)[0].(doc)
		sources[stream["sourceId"]] = true
		if stream["mediaType"] != "audio" || stream["direction"] != "sendReceive" || p["isInLobby"] != false || p["isMuted"] != false {
			t.Errorf("participant = %v", p)
		}
		if app, isBot := identity["application"].(doc); isBot {
			if p["id"] != myID || app["id"] != appID || app["displayName"] != "Reception" {
				t.Errorf("the bot in its roster: %v", p)
			}
		} else if user := identity["user"].(doc); user["displayName"] != "Ada" || user["tenantId"] != tenantID {
			t.Errorf("the person in the roster: %v", p)
		}
	}
	if len(sources) != len(roster) {
		t.Errorf("source ids are not distinct: %v", sources)
	}
}

// checkHeaders wants authentic notifications (reference sections 2.2 and 3.2).
func checkHeaders(t *testing.T, notes []note, id string) {
	t.Helper()
	messages := map[string]bool{}
	for _, n := range notes {
		if n.TokenError != nil {
			t.Fatalf("token: %v", n.TokenError)
		}
		issued, _ := n.Claims.GetIssuedAt()
		expires, _ := n.Claims.GetExpirationTime()
		if life := expires.Sub(issued.Time); life != 65*time.Minute {
			t.Errorf("token lives %v", life)
		}
		if !strings.HasPrefix(n.Resource, "/communications/calls/"+id) {
			t.Errorf("resourceUrl = %s", n.Resource)
		}
		messages[n.Header.Get("X-Microsoft-Skype-Message-Id")] = true
		for h, want := range map[string]string{
			"X-Microsoft-Skype-Chain-Id": scenarioID, "Scenario-Id": scenarioID, "User-Agent": "Microsoft-Skype/3.0,(Calling/1.0)", "Accept": "application/json",
		} {
			if n.Header.Get(h) != want {
				t.Errorf("header %s = %q, want %q", h, n.Header.Get(h), want)
			}
		}
	}
	if len(messages) != len(notes) {
		t.Error("message ids are not distinct")
	}
}

func TestABotJoinsByMeetingIDAndByTheOldAlias(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	body := joinBody(m, b)
	delete(body, "chatInfo")
	info := doc{"@odata.type": "#microsoft.graph.joinMeetingIdMeetingInfo", "joinMeetingId": m.JoinMeetingID, "passcode": m.Passcode}
	body["meetingInfo"] = info

	r := s.do("POST", "/beta/app/calls", body)
	if r.Status != http.StatusCreated {
		t.Fatalf("join by id: %d %v", r.Status, r.Body)
	}
	if chat := r.Body["chatInfo"].(doc); chat["threadId"] != m.ThreadID {
		t.Errorf("the reply should show the resolved chatInfo, has %v", chat)
	}
	id := r.Body["id"].(string)
	b.waitFor("updated roster 1")
	for _, path := range []string{"/BETA/App/Calls/" + id + "/microsoft.graph.keepAlive", "/v1.0/communications/calls/" + id + "/KEEPALIVE"} {
		if r := s.do("POST", path, nil); r.Status != http.StatusOK {
			t.Errorf("%s: %d %v", path, r.Status, r.Body)
		}
	}
	if r := s.do("GET", "/v1.0/communications/calls/"+strings.ToUpper(id), nil); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
		t.Errorf("ids are case-sensitive, yet got %d", r.Status)
	}

	for name, change := range map[string]func(doc){
		"wrong passcode": func(d doc) { d["passcode"] = "wrong" },
		"no passcode":    func(d doc) { d["passcode"] = nil },
		"unknown id":     func(d doc) { d["joinMeetingId"] = "1" },
	} {
		wrong := doc{}
		for k, v := range info {
			wrong[k] = v
		}
		change(wrong)
		body["meetingInfo"] = wrong
		if r := s.do("POST", "/v1.0/communications/calls", body); r.Status != http.StatusNotFound || r.errorCode() != "NotFound" {
			t.Errorf("%s: %d %v, want 404 NotFound", name, r.Status, r.Body)
		}
	}
}

func TestTheRosterFollowsWhoComesAndGoes(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	id := s.join(joinBody(m, b))
	b.waitFor("updated roster 1")
	ada := s.person(m, "Ada")
	b.waitFor("updated roster 2")
	s.must(s.admin.PersonLeaves(t.Context(), ada))
	b.waitFor("updated roster 1")
	s.must(s.admin.PersonJoins(t.Context(), ada))
	b.waitFor("updated roster 2")

	list := s.do("GET", "/v1.0/communications/calls/"+id+"/participants", nil)
	all, _ := list.Body["value"].([]any)
	if list.Status != http.StatusOK || len(all) != 2 {
		t.Fatalf("participants: %d %v", list.Status, list.Body)
	}
	one := s.do("GET", "/v1.0/communications/calls/"+id+"/participants/"+ada.ID, nil)
	if one.Status != http.StatusOK || one.Body["id"] != ada.ID {
		t.Errorf("participant: %d %v", one.Status, one.Body)
	}
	if r := s.do("GET", "/v1.0/communications/calls/"+id+"/participants/nobody", nil); r.Status != http.StatusNotFound {
		t.Errorf("unknown participant: %d", r.Status)
	}

	r := s.do("POST", "/v1.0/communications/calls/"+id+"/mute", doc{"clientContext": "c"})
	if r.Status != http.StatusOK || r.Body["status"] != "completed" || r.Body["clientContext"] != "c" || r.Header.Get("Location") == "" {
		t.Errorf("mute: %d %v", r.Status, r.Body)
	}
	eventually(t, "a roster with the bot muted", func() bool {
		notes := b.notes()
		return slices.ContainsFunc(notes[len(notes)-1].Roster, func(p map[string]any) bool { return p["isMuted"] == true })
	}, func() string { return strings.Join(b.story(), "; ") })

	// A second call of the same app is a second participant (reference section 1.2).
	s.join(joinBody(m, b))
	eventually(t, "a roster of three", func() bool { return slices.Contains(b.story(), "updated roster 3") },
		func() string { return strings.Join(b.story(), "; ") })
	s.noGhosts()
}

func TestEndsFromTheOtherSide(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(*sim, admin.Meeting, admin.Call) error
		want string
	}{
		"removed by a person": {func(s *sim, m admin.Meeting, c admin.Call) error {
			return s.admin.Remove(s.t.Context(), m.ID, c.ParticipantID)
		}, "deleted terminated 200/5000"},
		"meeting ended": {func(s *sim, m admin.Meeting, _ admin.Call) error {
			return s.admin.EndMeeting(s.t.Context(), m.ID)
		}, "deleted terminated 200/5001"},
		"any end code": {func(s *sim, _ admin.Meeting, c admin.Call) error {
			return s.admin.EndCall(s.t.Context(), c.ID, admin.Result{Code: 500, Subcode: 1203002, Message: "x"})
		}, "deleted terminated 500/1203002"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := newBot(t, s).trusted()
			m := s.meeting(nil)
			id := s.join(joinBody(m, b))
			b.waitFor("updated roster 1")
			s.must(c.end(s, m, s.call(id)))
			b.waitFor(c.want)
			s.noGhosts()
			if m, err := s.admin.Meeting(t.Context(), m.ID); err != nil || len(m.Participants) != 0 {
				t.Errorf("still in the meeting: %v %v", m.Participants, err)
			}
		})
	}
}

func TestADeletedMeetingIsNotFound(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(nil)
	s.must(s.admin.DeleteMeeting(t.Context(), m.ID))
	if r := s.do("POST", "/v1.0/communications/calls", joinBody(m, b)); r.Status != http.StatusNotFound || r.errorCode() != "NotFound" {
		t.Errorf("got %d %v, want 404 NotFound", r.Status, r.Body)
	}
}
