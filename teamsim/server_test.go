// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestClosingLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	t.Run("a busy server", func(t *testing.T) {
		s := start(t)
		b := newBot(t, s).trusted()
		m := s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada", "Grace"} })
		s.join(joinBody(m, b))
		s.join(joinBody(m, b))
		b.waitFor("updated roster 4")
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() // of the admin client
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= before+2 }, func() string {
		stacks := make([]byte, 1<<20)
		return strconv.Itoa(runtime.NumGoroutine()) + " instead of " + strconv.Itoa(before) + "\n" + string(stacks[:runtime.Stack(stacks, true)])
	})
}

func TestThePageNeedsNothingFromOutside(t *testing.T) {
	s := start(t)
	s.meeting(func(n *admin.NewMeeting) { n.People = []string{"Ada"} })
	resp, err := http.Get(s.info.AdminURL + "/")
	s.must(err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	s.must(err)
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %s", resp.StatusCode, resp.Header.Get("Content-Type"))
	}
	for _, outside := range []string{"http://", "https://", "//cdn", "src=", "@import"} {
		if strings.Contains(string(page), outside) {
			t.Errorf("the page refers to %q", outside)
		}
	}
	state, err := s.admin.State(t.Context())
	s.must(err)
	if len(state.Meetings) != 1 || len(state.Apps) != 1 || state.Apps[0].Secret != "" || len(state.Events) == 0 || state.Clock.Speed != 1 {
		t.Errorf("state = %+v", state)
	}
}

func TestTheAdminAPIRefusesWhatItCannotDo(t *testing.T) {
	s := start(t)
	ctx := t.Context()
	m := s.meeting(nil)
	ada := s.person(m, "Ada")
	for name, err := range map[string]error{
		"app without GUID":        s.admin.PutApp(ctx, admin.App{ID: "x", TenantID: tenantID, Secret: "s"}),
		"app without secret":      s.admin.PutApp(ctx, admin.App{ID: appID, TenantID: tenantID}),
		"a role that is none":     s.admin.PutApp(ctx, admin.App{ID: appID, TenantID: tenantID, Secret: "s", Roles: []string{"admin"}}),
		"unknown meeting":         s.admin.EndMeeting(ctx, "nowhere"),
		"unknown participant":     s.admin.Remove(ctx, m.ID, "nobody"),
		"admitting who is inside": s.admin.Admit(ctx, m.ID, ada.ID),
		"ending an unknown call":  s.admin.EndCall(ctx, "none", admin.Result{Code: 200}),
		"a fault that is none":    s.admin.AddFault(ctx, admin.Fault{Status: 200}),
		"a clock that stands":     s.admin.SetClockSpeed(ctx, 0),
		"roots that are none":     s.admin.TrustRoots(ctx, []byte("x")),
		"a name to a name":        s.admin.Resolve(ctx, map[string]string{"a.b": "c.d"}),
	} {
		if err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := s.admin.Speak(ctx, ada, []byte("no wav"), admin.SpeakOptions{}); err == nil {
		t.Error("a clip that is no WAV was accepted")
	}
	if _, err := s.admin.CreateMeeting(ctx, admin.NewMeeting{TenantID: "x"}); err == nil {
		t.Error("a meeting in no tenant was created")
	}
	if _, err := s.admin.Ring(ctx, admin.IncomingCall{AppID: appID, TenantID: tenantID}); err == nil {
		t.Error("an app without webhook was called")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.info.AdminURL+"/api/meetings/"+m.ID+"/end", nil)
	s.must(err)
	req.Header.Set("Origin", "https://evil.example")
	resp, err := http.DefaultClient.Do(req)
	s.must(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a page of another origin got %d", resp.StatusCode)
	}
}

func TestStartRefusesBadOptions(t *testing.T) {
	for name, o := range map[string]teamsim.Options{
		"admin for all":  {AdminListen: ":0"},
		"bad address":    {Listen: "nowhere"},
		"bad roots":      {TrustRoots: []byte("x")},
		"bad resolution": {Resolve: map[string]string{"a.b": "c"}},
	} {
		if server, err := teamsim.Start(o); err == nil {
			server.Close()
			t.Errorf("%s: started", name)
		}
	}
	began := time.Now()
	server, err := teamsim.Start(teamsim.Options{PublicURL: "https://teams.example/"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if got := server.Info().OpenIDConfigurationURL; got != "https://teams.example/v1/.well-known/OpenIdConfiguration" {
		t.Errorf("metadata at %s", got)
	}
	t.Logf("started in %v", time.Since(began))
}
