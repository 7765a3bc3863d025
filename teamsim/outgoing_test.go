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

const (
	adaID   = "aaaaaaaa-0000-4000-8000-000000000001"
	graceID = "aaaaaaaa-0000-4000-8000-000000000002"
	linusID = "aaaaaaaa-0000-4000-8000-000000000003"
	number  = "+4930123456"
)

var callRoles = []string{"Calls.Initiate.All", "Calls.InitiateGroupCall.All", "Calls.JoinGroupCall.All", "Calls.AccessMedia.All"}

func user(id, name string) doc {
	return doc{"@odata.type": "#microsoft.graph.invitationParticipantInfo", "identity": doc{
		"@odata.type": "#microsoft.graph.identitySet", "user": doc{"@odata.type": "#microsoft.graph.identity", "id": id, "displayName": name},
	}}
}

func phone(number string) doc {
	return doc{"@odata.type": "#microsoft.graph.invitationParticipantInfo", "identity": doc{
		"@odata.type": "#microsoft.graph.identitySet", "phone": doc{"@odata.type": "#microsoft.graph.identity", "id": number},
	}}
}

// callBody is the body of a call to people, as the documentation's examples have it.
func callBody(b *bot, media doc, targets ...doc) doc {
	return doc{
		"@odata.type": "#microsoft.graph.call", "callbackUri": b.callbackURI(), "requestedModalities": []string{"audio"},
		"mediaConfig": media, "targets": targets,
	}
}

func asInstance(d doc) doc {
	d["source"] = doc{"@odata.type": "#microsoft.graph.participantInfo", "identity": doc{
		"@odata.type": "#microsoft.graph.identitySet", "applicationInstance": doc{"@odata.type": "#microsoft.graph.identity", "id": instanceID},
	}}
	d["tenantId"] = tenantID
	return d
}

// react says what somebody does when called, at once.
func (s *sim) reacts(id, name, reaction string) {
	s.t.Helper()
	s.must(s.admin.PutUser(s.t.Context(), admin.User{ID: id, DisplayName: name, Reaction: reaction}))
}

func TestCallingPeople(t *testing.T) {
	for name, c := range map[string]struct {
		media doc
		body  func(b *bot, media doc) doc
		react map[string]string
		want  []string // after "updated establishing"
		who   []string // is in the call
	}{
		"a user": {
			body: func(b *bot, m doc) doc { return callBody(b, m, user(adaID, "Ada")) },
			want: []string{"updated established", "updated established active"}, who: []string{"Ada"},
		},
		"a telephone": {
			body: func(b *bot, m doc) doc { return asInstance(callBody(b, m, phone(number))) },
			want: []string{"updated established", "updated established active"}, who: []string{number},
		},
		"a group, of whom one answers": {
			body:  func(b *bot, m doc) doc { return callBody(b, m, user(adaID, "Ada"), user(graceID, "Grace")) },
			react: map[string]string{graceID: admin.Declines},
			want:  []string{"updated established", "updated established active", "updated roster 2"}, who: []string{"Ada"},
		},
		"a group, of whom nobody answers": {
			body:  func(b *bot, m doc) doc { return callBody(b, m, user(adaID, "Ada"), user(graceID, "Grace")) },
			react: map[string]string{adaID: admin.IsBusy, graceID: admin.Declines}, want: []string{"deleted terminated 200/5013"},
		},
		"who declines":       {react: map[string]string{adaID: admin.Declines}, want: []string{"deleted terminated 603/0"}},
		"who is busy":        {react: map[string]string{adaID: admin.IsBusy}, want: []string{"deleted terminated 486/0"}},
		"who is unreachable": {react: map[string]string{adaID: admin.IsUnreachable}, want: []string{"deleted terminated 480/10037"}},
		"who ignores it":     {react: map[string]string{adaID: admin.Ignores}, want: []string{"deleted terminated 487/10004"}},
	} {
		for hosting, media := range map[string]func(*bot) doc{"service": func(*bot) doc { return serviceHosted() }, "application": appHosted} {
			t.Run(name+", hosted by the "+hosting, func(t *testing.T) {
				t.Parallel()
				s := start(t)
				b := s.reachable(callRoles...)
				s.must(s.admin.SetClockSpeed(t.Context(), 20)) // a minute of ringing in 3 s
				for id, how := range c.react {
					s.reacts(id, map[string]string{adaID: "Ada", graceID: "Grace"}[id], how)
				}
				body := c.body
				if body == nil {
					body = func(b *bot, m doc) doc { return callBody(b, m, user(adaID, "Ada")) }
				}
				id := s.join(body(b, media(b)))
				want := append([]string{"updated establishing"}, c.want...)
				b.waitFor(want[len(want)-1])
				if diff := cmp.Diff(want, b.story()); diff != "" {
					t.Errorf("notifications (-want +got):\n%s", diff)
				}
				var here []string
				for _, p := range s.call(id).People {
					if p.Here {
						here = append(here, p.DisplayName)
					}
				}
				if diff := cmp.Diff(c.who, here); diff != "" {
					t.Errorf("who is in the call (-want +got):\n%s", diff)
				}
				s.noGhosts()
			})
		}
	}
}

func TestHowLongAPhoneRings(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	s.reacts(adaID, "Ada", admin.Ignores)
	s.must(s.admin.SetClockSpeed(t.Context(), 50))
	body := callBody(b, serviceHosted(), user(adaID, "Ada"))
	body["ringingTimeoutInSeconds"] = 100
	r := s.do("POST", "/beta/communications/calls", body)
	if r.Status != http.StatusCreated {
		t.Fatalf("create: %d %v", r.Status, r.Body)
	}
	began := time.Now()
	b.waitFor("deleted terminated 487/10004")
	if took := time.Since(began); took < 1900*time.Millisecond {
		t.Errorf("it rang for %v at 50 times the speed, want 2 s", took)
	}
}

func TestAPersonToldToReactWhileThePhoneRings(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	s.reacts(adaID, "Ada", admin.Ignores)
	id := s.join(callBody(b, serviceHosted(), user(adaID, "Ada")))
	eventually(t, "the ringing", func() bool {
		r, err := s.admin.Ringing(t.Context())
		return err == nil && len(r) == 1 && r[0].CallID == id
	}, func() string { return "" })
	s.must(s.admin.React(t.Context(), adaID, admin.Answers))
	b.waitFor("updated established active")
	if err := s.admin.React(t.Context(), adaID, admin.Answers); err == nil {
		t.Error("nothing rings, and yet she answered")
	}
	s.must(s.admin.HangUp(t.Context(), id, ""))
	b.waitFor("deleted terminated 200/4521")
	s.noGhosts()
}

func TestABotThatHangsUpStopsTheRinging(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(callRoles...)
	s.reacts(adaID, "Ada", admin.Ignores)
	id := s.join(callBody(b, serviceHosted(), user(adaID, "Ada")))
	b.waitFor("updated establishing")
	if r := s.do("DELETE", "/v1.0/communications/calls/"+id, nil); r.Status != http.StatusNoContent {
		t.Fatalf("hang up: %d", r.Status)
	}
	b.waitFor("deleted terminated 200/7000")
	if ringing, err := s.admin.Ringing(t.Context()); err != nil || len(ringing) > 0 {
		t.Errorf("still ringing: %v %v", ringing, err)
	}
}

func TestWhoHangsUpHow(t *testing.T) {
	for name, c := range map[string]struct {
		ring   func(*admin.IncomingCall)
		answer bool
		who    string
		want   string
	}{
		"a caller who gives up": {func(*admin.IncomingCall) {}, false, "", "deleted terminated 200/4097"},
		"a user":                {func(*admin.IncomingCall) {}, true, "", "deleted terminated 200/4521"},
		"a telephone":           {func(in *admin.IncomingCall) { in.Phone = number }, true, "", "deleted terminated 200/560000"},
		"the only other one in a group": {func(in *admin.IncomingCall) { in.Others, in.UserID = []string{"Grace"}, adaID }, true, adaID,
			"updated roster 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			b := s.reachable(allRoles...)
			var id string
			if c.answer {
				_, id = s.answered(b, serviceHosted(), c.ring)
			} else {
				_, id = s.ring(b, c.ring)
			}
			s.must(s.admin.HangUp(t.Context(), id, c.who))
			b.waitFor(c.want)
			if c.who != "" { // now the last one
				grace := s.call(id).People[1]
				s.must(s.admin.PersonLeaves(t.Context(), grace))
				b.waitFor("deleted terminated 200/5010")
			}
			s.noGhosts()
		})
	}
}

func TestCallsThatAreRefused(t *testing.T) {
	s := start(t)
	b := s.reachable(callRoles...)
	s.must(s.admin.PutUser(t.Context(), admin.User{ID: linusID, TenantID: "99999999-0000-4000-8000-000000000001"}))
	without := func(role string) []string {
		return slices.DeleteFunc(slices.Clone(callRoles), func(r string) bool { return r == role })
	}
	ada := user(adaID, "Ada")
	for name, c := range map[string]struct {
		roles  []string
		body   doc
		status int
		says   string
	}{
		"without Initiate":         {without("Calls.Initiate.All"), callBody(b, serviceHosted(), ada), 403, "Calls.Initiate.All"},
		"group without its role":   {without("Calls.InitiateGroupCall.All"), callBody(b, serviceHosted(), ada, user(graceID, "")), 403, "Calls.InitiateGroupCall.All"},
		"media without its role":   {without("Calls.AccessMedia.All"), callBody(b, appHosted(b), ada), 403, "Calls.AccessMedia.All"},
		"six people":               {callRoles, callBody(b, serviceHosted(), ada, ada, ada, ada, ada, ada), 400, "targets must have"},
		"a user without a GUID":    {callRoles, callBody(b, serviceHosted(), user("ada@contoso.com", "")), 400, "GUID"},
		"a user of another tenant": {callRoles, callBody(b, serviceHosted(), user(linusID, "")), 400, "another tenant"},
		"a telephone as nobody":    {callRoles, callBody(b, serviceHosted(), phone(number)), 400, "applicationInstance is required"},
		"a number that is none":    {callRoles, asInstance(callBody(b, serviceHosted(), phone("030 123456"))), 400, "E.164"},
		"a telephone in a group":   {callRoles, asInstance(callBody(b, serviceHosted(), ada, phone(number))), 400, "group call"},
		"somebody else's instance": {callRoles, func() doc {
			d := asInstance(callBody(b, serviceHosted(), phone(number)))
			in(d, "source", "identity", "applicationInstance")["id"] = adaID
			return d
		}(), 400, "not an instance"},
		"targets and a meeting": {callRoles, func() doc { d := joinBody(s.meeting(nil), b); d["targets"] = []doc{ada}; return d }(), 400, "not both"},
		"another app as source": {callRoles, func() doc {
			d := callBody(b, serviceHosted(), ada)
			d["source"] = doc{"@odata.type": "#microsoft.graph.participantInfo", "identity": doc{"application": doc{"id": adaID}}}
			return d
		}(), 400, "source.identity.application"},
		"another tenant's token":    {callRoles, func() doc { d := callBody(b, serviceHosted(), ada); d["tenantId"] = adaID; return d }(), 403, "tenant mismatch"},
		"a target that is unnamed":  {callRoles, callBody(b, serviceHosted(), doc{"identity": doc{}}), 400, "one user or one phone"},
		"ringing timeout, but v1.0": {callRoles, func() doc { d := callBody(b, serviceHosted(), ada); d["ringingTimeoutInSeconds"] = 30; return d }(), 400, "ringingTimeoutInSeconds"},
		"endpointType, but v1.0": {callRoles, func() doc {
			d := user(adaID, "")
			d["endpointType"] = "voicemail"
			return callBody(b, serviceHosted(), d)
		}(), 400, "endpointType"},
		"replacing a call, at first": {callRoles, func() doc { d := user(adaID, ""); d["replacesCallId"] = "x"; return callBody(b, serviceHosted(), d) }(), 400, "replacesCallId"},
	} {
		t.Run(name, func(t *testing.T) {
			s.must(s.admin.PutApp(t.Context(), admin.App{
				ID: appID, TenantID: tenantID, Secret: secret, Roles: c.roles, InstanceID: instanceID, PhoneNumber: "+4930000000",
			}))
			s.token = s.login(appID, tenantID)
			if r := s.do("POST", "/v1.0/communications/calls", c.body); r.Status != c.status || !strings.Contains(r.errorMessage(), c.says) {
				t.Errorf("got %d %q, want %d saying %q", r.Status, r.errorMessage(), c.status, c.says)
			}
		})
	}
	if calls, err := s.admin.Calls(t.Context()); err != nil || len(calls) > 0 {
		t.Errorf("refused requests left calls: %v %v", calls, err)
	}
}

func TestJoiningByTheTokenOfAnInvitation(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := s.reachable(allRoles...)
	m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Grace"} })
	path, _ := s.ring(b, func(in *admin.IncomingCall) { in.MeetingID = m.ID })
	info := in(b.notes()[0].Call, "meetingInfo")
	if r := s.do("POST", path+"/reject", doc{"reason": "none"}); r.Status != http.StatusAccepted {
		t.Fatalf("reject: %d %v", r.Status, r.Body)
	}
	body := joinBody(m, b)
	delete(body, "chatInfo")
	body["meetingInfo"] = info
	id := s.join(body)
	b.waitFor("updated roster 2")
	if got := s.call(id).MeetingID; got != m.ID {
		t.Errorf("in meeting %q, want %q", got, m.ID)
	}
	body["meetingInfo"] = doc{"@odata.type": "#microsoft.graph.tokenMeetingInfo", "token": "made up"}
	if r := s.do("POST", "/v1.0/communications/calls", body); r.Status != http.StatusNotFound {
		t.Errorf("a made-up token: %d %v", r.Status, r.Body)
	}
}

func TestJoiningAMeetingInAChannel(t *testing.T) {
	t.Parallel()
	s := start(t)
	b := newBot(t, s).trusted()
	m := s.meeting(func(n *admin.NewMeeting) { n.Channel = true })
	if !strings.HasSuffix(m.ThreadID, "@thread.tacv2") || m.MessageID == "0" || !strings.Contains(m.JoinURL, "thread.tacv2/"+m.MessageID) {
		t.Errorf("coordinates: %s %s %s", m.ThreadID, m.MessageID, m.JoinURL)
	}
	id := s.join(joinBody(m, b))
	b.waitFor("updated roster 1")
	if got := in(s.do("GET", "/v1.0/communications/calls/"+id, nil).Body, "chatInfo")["messageId"]; got != m.MessageID {
		t.Errorf("messageId = %v", got)
	}
	body := joinBody(m, b)
	in(body, "chatInfo")["messageId"] = "0"
	if r := s.do("POST", "/v1.0/communications/calls", body); r.Status != http.StatusNotFound {
		t.Errorf("without the root message: %d", r.Status)
	}
}

func TestABotThatDiesInACallBetweenTwo(t *testing.T) {
	t.Parallel()
	s := start(t, impatient)
	b := s.reachable(allRoles...)
	_, id := s.answered(b, appHosted(b), nil)
	b.killMedia()
	b.waitFor("deleted terminated 410/301005")
	eventually(t, "the caller to be gone", func() bool { return !s.call(id).People[0].Here }, func() string { return "" })
	s.noGhosts()
}
