// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/admin"
)

const instanceID = "99999999-0000-4000-8000-00000000000a"

// reachable registers the bot with a webhook and a number, so that it can be called, and returns it.
func (s *sim) reachable(roles ...string) *bot {
	s.t.Helper()
	b := newBot(s.t, s).trusted()
	s.must(s.admin.PutApp(s.t.Context(), admin.App{
		ID: appID, TenantID: tenantID, DisplayName: "Reception", Secret: secret, Roles: roles, WebhookURL: b.callbackURI(),
		InstanceID: instanceID, PhoneNumber: "+4930000000",
	}))
	s.token = s.login(appID, tenantID)
	return b
}

// ring calls the bot and waits until it knows.
func (s *sim) ring(b *bot, change func(*admin.IncomingCall)) (path, id string) {
	s.t.Helper()
	in := admin.IncomingCall{AppID: appID, TenantID: tenantID, DisplayName: "Ada"}
	if change != nil {
		change(&in)
	}
	id, err := s.admin.Ring(s.t.Context(), in)
	s.must(err)
	b.waitFor("created incoming")
	return "/v1.0/communications/calls/" + id, id
}

func serviceHosted() doc { return doc{"@odata.type": "#microsoft.graph.serviceHostedMediaConfig"} }

func appHosted(b *bot) doc {
	return doc{"@odata.type": "#microsoft.graph.appHostedMediaConfig", "blob": b.blob()}
}

func answerBody(b *bot, media doc) doc {
	return doc{"callbackUri": b.callbackURI(), "acceptedModalities": []string{"audio"}, "mediaConfig": media}
}

// answered is a call that was answered and whose media flows.
func (s *sim) answered(b *bot, media doc, change func(*admin.IncomingCall)) (path, id string) {
	s.t.Helper()
	path, id = s.ring(b, change)
	if r := s.do("POST", path+"/answer", answerBody(b, media)); r.Status != http.StatusAccepted {
		s.t.Fatalf("answer: %d %v", r.Status, r.Body)
	}
	eventually(s.t, "media", func() bool { return s.call(id).MediaActive }, func() string { return strings.Join(b.story(), "; ") })
	return path, id
}

func TestAnsweringCalls(t *testing.T) {
	p2p := []string{"created incoming", "updated establishing", "updated established", "updated established active"}
	grouped := append(slices.Clone(p2p), "updated roster 3")
	for name, c := range map[string]struct {
		media  func(*bot) doc
		change func(*sim) func(*admin.IncomingCall)
		want   []string
		kind   string
		people int
	}{
		"service-hosted": {media: func(*bot) doc { return serviceHosted() }, want: p2p, kind: "OneToOne", people: 1},
		"app-hosted":     {media: appHosted, want: p2p, kind: "OneToOne", people: 1},
		"from a telephone": {media: appHosted, change: func(*sim) func(*admin.IncomingCall) {
			return func(in *admin.IncomingCall) { in.Phone = "+4930123456" }
		}, want: p2p, kind: "OneToOne", people: 1},
		"into a group call": {media: appHosted, change: func(*sim) func(*admin.IncomingCall) {
			return func(in *admin.IncomingCall) { in.Others = []string{"Grace"} }
		}, want: grouped, kind: "Group", people: 2},
		"into a meeting": {media: appHosted, change: func(s *sim) func(*admin.IncomingCall) {
			m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Grace"} })
			return func(in *admin.IncomingCall) { in.MeetingID = m.ID }
		}, want: grouped, kind: "Meeting", people: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			var change func(*admin.IncomingCall)
			if c.change != nil {
				change = c.change(s)
			}
			path, id := s.answered(b, c.media(b), change)
			eventually(t, "the story", func() bool { return len(b.story()) == len(c.want) }, func() string { return strings.Join(b.story(), "; ") })
			if diff := cmp.Diff(c.want, b.story()); diff != "" {
				t.Errorf("notifications (-want +got):\n%s", diff)
			}
			call := s.call(id)
			if call.Kind != c.kind || len(call.People) != c.people || !call.People[0].Here || call.Direction != "incoming" {
				t.Errorf("call = %+v", call)
			}
			all, _ := s.do("GET", path+"/participants", nil).Body["value"].([]any)
			if c.kind == "OneToOne" && len(all) != 0 || c.kind != "OneToOne" && len(all) != 3 {
				t.Errorf("participants: %v", all)
			}
			if r := s.do("POST", path+"/keepAlive", nil); r.Status != http.StatusOK {
				t.Errorf("keepAlive: %d %v", r.Status, r.Body)
			}
			if r := s.do("POST", path+"/answer", answerBody(b, serviceHosted())); r.Status != http.StatusConflict {
				t.Errorf("second answer: %d %v", r.Status, r.Body)
			}
			if r := s.do("DELETE", path, nil); r.Status != http.StatusNoContent {
				t.Errorf("hang up: %d", r.Status)
			}
			b.waitFor("deleted terminated 200/7000")
			eventually(t, "the caller to be gone", func() bool { return c.kind != "OneToOne" || !s.call(id).People[0].Here }, func() string { return "" })
			s.noGhosts()
		})
	}
}

func TestCallerAndBotHearEachOther(t *testing.T) {
	t.Parallel()
	clip, spoken := speech(t)
	s := start(t)
	b := s.reachable(allRoles...)
	_, id := s.answered(b, appHosted(b), nil)
	ada := s.call(id).People[0]
	if _, err := s.admin.Speak(t.Context(), ada, clip, admin.SpeakOptions{Wait: true}); err != nil {
		t.Fatal(err)
	}
	if r := s.compare(ada, spoken); r.Correlation < 0.9 {
		t.Errorf("the echo: %+v", r)
	}
	s.must(s.admin.PersonLeaves(t.Context(), ada))
	b.waitFor("deleted terminated 200/4521")
	s.noGhosts()
}

func TestDecidingAboutACallTooLate(t *testing.T) {
	for name, c := range map[string]struct {
		recording bool
		speed     float64 // of the clock; the limit lasts 50 ms at it
	}{
		"after 15 s":                {false, 300},
		"recording, only after 5 s": {true, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			path, id := s.ring(b, func(in *admin.IncomingCall) {
				if in.PolicyRecording = c.recording; c.recording {
					in.MeetingID = s.meeting(nil).ID
				}
			})
			s.must(s.admin.SetClockSpeed(t.Context(), c.speed))
			b.waitFor("deleted terminated 408/10057")
			for action, body := range map[string]doc{"answer": answerBody(b, serviceHosted()), "reject": {"reason": "busy"}} {
				if r := s.do("POST", path+"/"+action, body); r.Status != http.StatusNotFound || r.errorCode() != "8522" {
					t.Errorf("%s: %d %v", action, r.Status, r.Body)
				}
			}
			if s.call(id).Live() {
				t.Error("the call lives")
			}
		})
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	group := func(in *admin.IncomingCall) { in.Others = []string{"Grace"} }
	for name, c := range map[string]struct {
		roles  []string
		ring   func(*admin.IncomingCall)
		change func(doc)
		want   int
		says   string
	}{
		"no callbackUri":            {allRoles, nil, func(d doc) { delete(d, "callbackUri") }, 400, "callbackUri is required"},
		"http callbackUri":          {allRoles, nil, func(d doc) { d["callbackUri"] = "http://b/" }, 400, "https"},
		"no mediaConfig":            {allRoles, nil, func(d doc) { delete(d, "mediaConfig") }, 400, "mediaConfig is required"},
		"unknown modality":          {allRoles, nil, func(d doc) { d["acceptedModalities"] = []string{"smell"} }, 400, "acceptedModalities[0]"},
		"unknown member":            {allRoles, nil, func(d doc) { d["requestedModalities"] = []string{"audio"} }, 400, "requestedModalities is not"},
		"outgoing options":          {allRoles, nil, func(d doc) { d["callOptions"] = doc{"@odata.type": "#microsoft.graph.outgoingCallOptions"} }, 400, "callOptions"},
		"bad blob":                  {allRoles, nil, func(d doc) { in(d, "mediaConfig")["blob"] = "x" }, 400, "JSON"},
		"app-hosted without a role": {nil, nil, func(doc) {}, 403, "Calls.AccessMedia.All"},
		"group without a role":      {[]string{"Calls.AccessMedia.All"}, group, func(doc) {}, 403, "Calls.JoinGroupCall.All"},
		"group as guest":            {[]string{"Calls.AccessMedia.All", "Calls.JoinGroupCallAsGuest.All"}, group, func(doc) {}, 202, ""},
		"no role is needed":         {nil, nil, func(d doc) { d["mediaConfig"] = serviceHosted() }, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(c.roles...)
			path, _ := s.ring(b, c.ring)
			if _, hidden := in(b.notes()[0].Call, "source", "identity")["encrypted"]; hidden != (c.roles == nil) {
				t.Errorf("identity of the caller hidden: %v", hidden)
			}
			body := answerBody(b, appHosted(b))
			c.change(body)
			if r := s.do("POST", path+"/answer", body); r.Status != c.want || !strings.Contains(r.errorMessage(), c.says) {
				t.Errorf("got %d %q, want %d saying %q", r.Status, r.errorMessage(), c.want, c.says)
			}
		})
	}
}
