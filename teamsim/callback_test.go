// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

var joined = []string{"updated establishing", "updated established", "updated established active", "updated roster 1"}

func TestNotificationsSurviveAFrontDoorThatIsAway(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	attempts := 0
	b.respond = func(n note) int { // every notification fails twice
		if attempts++; attempts%3 != 0 {
			return http.StatusBadGateway
		}
		return http.StatusAccepted
	}
	id := s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	if diff := cmp.Diff(joined, b.story()); diff != "" {
		t.Errorf("notifications (-want +got):\n%s", diff)
	}
	eventually(t, "the log of the last one", func() bool { n := s.notifications(id); return n[len(n)-1].Done }, func() string { return "" })
	for _, n := range s.notifications(id) {
		if n.Attempts != 3 || !n.Accepted() {
			t.Errorf("logged %+v", n)
		}
	}
}

func (s *sim) notifications(callID string) []admin.Notification {
	s.t.Helper()
	n, err := s.admin.Notifications(s.t.Context(), callID, 0)
	s.must(err)
	return n
}

func TestARefusedNotificationIsNotRepeatedAndHoldsUpNothing(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	refused := 0
	b.respond = func(n note) int {
		if n.Call["state"] == "establishing" {
			refused++
			return http.StatusBadRequest
		}
		return http.StatusAccepted
	}
	id := s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	if first := s.notifications(id)[0]; refused != 1 || first.Accepted() || first.Status != 400 || first.Attempts != 1 {
		t.Errorf("refused %d times, logged %+v", refused, first)
	}
}

func TestUndeliverableNotificationsAreGivenUp(t *testing.T) {
	s := start(t, func(o *teamsim.Options) { o.NotificationPatience = 500 * time.Millisecond })
	b := newBot(t, s).trusted()
	body := joinBody(s.meeting(nil), b)
	body["callbackUri"] = "https://127.0.0.1:1/gone"
	id := s.join(body)
	eventually(t, "the end of all attempts", func() bool {
		for _, n := range s.notifications(id) {
			if !n.Done {
				return false
			}
		}
		return len(s.notifications(id)) == len(joined)
	}, func() string { return fmt.Sprint(s.notifications(id)) })
	for _, n := range s.notifications(id) {
		if n.Accepted() || n.Status != 0 || n.Error == "" || n.Attempts < 1 {
			t.Errorf("logged %+v", n)
		}
	}
	if !s.call(id).Live() {
		t.Error("a call must not end because its bot does not listen")
	}
}

func TestANewCallIsFollowedWithBodyAndToken(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	b.redirect = b.server.URL + "/elsewhere"
	s.must(s.admin.PutApp(t.Context(), admin.App{ID: appID, TenantID: tenantID, Secret: secret, WebhookURL: b.callbackURI()}))
	_, err := s.admin.Ring(t.Context(), admin.IncomingCall{AppID: appID, TenantID: tenantID})
	s.must(err)
	b.waitFor("created incoming")
	if n := b.notes()[0]; n.TokenError != nil {
		t.Errorf("after the redirect: %v", n.TokenError)
	}
}

func TestACallbackWithACertificateNobodyTrustsGetsNothing(t *testing.T) {
	s := start(t, func(o *teamsim.Options) { o.NotificationPatience = 300 * time.Millisecond })
	b := newBot(t, s)
	id := s.join(joinBody(s.meeting(nil), b))
	eventually(t, "the first notification to be given up", func() bool { n := s.notifications(id); return len(n) > 0 && n[0].Done }, func() string { return "" })
	if n := s.notifications(id)[0]; !strings.Contains(n.Error, "certificate") || len(b.story()) > 0 {
		t.Errorf("logged %+v", n)
	}
}

func TestSpoiltTokensAreSpoilt(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	body := json.RawMessage(`{"@odata.type":"#microsoft.graph.commsNotifications","value":[{"@odata.type":"#microsoft.graph.commsNotification",` +
		`"changeType":"updated","resourceUrl":"/communications/calls/x","resourceData":{"state":"forged"}}]}`)
	send := func(fault string) note {
		t.Helper()
		r, err := s.admin.Notify(t.Context(), admin.Forgery{URL: b.callbackURI(), AppID: appID, TenantID: tenantID, TokenFault: fault, Body: body})
		s.must(err)
		if r.Status != http.StatusAccepted {
			t.Fatalf("reply = %+v", r)
		}
		notes := b.notes()
		return notes[len(notes)-1]
	}
	if n := send(""); n.TokenError != nil || n.Call["state"] != "forged" {
		t.Fatalf("a good token does not verify: %v", n.TokenError)
	}
	for _, fault := range []string{admin.WrongAudience, admin.WrongIssuer, admin.WrongKey, admin.UnknownKey, admin.Expired, admin.NotYetValid,
		admin.NoTenant, admin.Garbled, admin.Missing, admin.Unsigned} {
		if n := send(fault); n.TokenError == nil {
			t.Errorf("%s: the token verifies", fault)
		}
	}
	if _, err := s.admin.Notify(t.Context(), admin.Forgery{URL: b.callbackURI(), TokenFault: "Nonsense", Body: body}); err == nil {
		t.Error("an unknown fault was accepted")
	}

	s.must(s.admin.SpoilTokens(t.Context(), admin.TokenFault{AppID: appID, Fault: admin.Expired, Count: 2}))
	before := len(b.notes())
	s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	got := b.notes()[before:]
	for i, n := range got {
		if wrong := n.TokenError != nil; wrong != (i < 2) {
			t.Errorf("notification %d: %v", i, n.TokenError)
		}
	}
}

func TestKeyRotation(t *testing.T) {
	s := start(t)
	b := newBot(t, s).trusted()
	id := s.join(joinBody(s.meeting(nil), b))
	b.waitFor("updated roster 1")
	old := b.notes()[0].Header.Get("Authorization")
	s.must(s.admin.RotateKeys(t.Context(), false))
	if _, err := s.verify(old); err != nil {
		t.Errorf("after a rotation tokens by the old key still hold: %v", err)
	}
	s.must(s.admin.RotateKeys(t.Context(), true))
	if _, err := s.verify(old); err == nil {
		t.Error("a retired key is still published")
	}
	s.do("DELETE", "/v1.0/communications/calls/"+id, nil)
	b.waitFor("deleted terminated 200/7000")
	if n := b.notes(); n[len(n)-1].TokenError != nil {
		t.Errorf("new key: %v", n[len(n)-1].TokenError)
	}
}
