// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
)

// botAt is a bot whose login is the fake one.
func botAt(login *fakeLogin) *v1alpha1.CallingBot {
	bot := controllertest.Bot("voice", "reception").Object()
	bot.Spec.Identity.Cloud = v1alpha1.CloudCustom
	url := v1alpha1.HTTPSURL(login.URL)
	bot.Spec.Identity.Custom = &v1alpha1.CustomCloud{GraphURL: url, LoginURL: url, OpenIDConfigurationURL: url, Issuers: []string{"x"}}
	return bot
}

func TestAskTenants(t *testing.T) {
	login := newFakeLogin(t)
	bot := botAt(login)
	bot.Spec.Identity.AllowedTenants = []v1alpha1.GUID{customer, controllertest.TenantID} // its own again: once is enough
	login.roles[controllertest.TenantID] = []string{graph.RoleAccessMedia}
	login.refuses[customer] = "700016"
	got := askTenants(t.Context(), bot, login.secret, login.Client())
	if len(got) != 2 || got[0].refusal != nil || got[1].refusal == nil {
		t.Fatalf("got %+v", got)
	}
	if diff := cmp.Diff([]string{graph.RoleAccessMedia}, got[0].roles); diff != "" {
		t.Error(diff)
	}
	if r := got[1].refusal; r.aadsts != 700016 || r.passing {
		t.Errorf("refusal %+v", r)
	}

	for name, tc := range map[string]struct {
		arrange func()
		secret  string
		aadsts  int
		passing bool
	}{
		"a wrong secret":     {func() {}, "wrong-s3cr3t", 7000215, false},
		"an expired secret":  {func() { login.refuses[controllertest.TenantID] = "7000222" }, "s3cr3t", secretExpired, false},
		"a throttled bot":    {func() { login.refuses[controllertest.TenantID] = "50196" }, "s3cr3t", 50196, true},
		"a login that fails": {func() { login.status = 503 }, "s3cr3t", 0, true},
	} {
		login.change(tc.arrange)
		r := askTenant(t.Context(), bot.Spec.Identity, controllertest.TenantID, tc.secret, login.Client()).refusal
		if r == nil || r.aadsts != tc.aadsts || r.passing != tc.passing {
			t.Errorf("%s: %+v", name, r)
		} else if strings.Contains(r.explained.Message(), "s3cr3t") {
			t.Errorf("%s: the message holds the secret: %s", name, r.explained.Message())
		}
		login.change(func() { login.status = 0; delete(login.refuses, controllertest.TenantID) })
	}
	login.Close()
	if r := askTenant(t.Context(), bot.Spec.Identity, controllertest.TenantID, "s3cr3t", &http.Client{}).refusal; r == nil || !r.passing {
		t.Errorf("a login that is gone: %+v", r)
	}
}

func TestSkewIsSeen(t *testing.T) {
	for _, ahead := range []time.Duration{0, 10 * time.Minute, -10 * time.Minute} {
		login := newFakeLogin(t)
		login.ahead = ahead
		watch := &clockWatch{next: login.Client().Transport, now: time.Now}
		askTenants(t.Context(), botAt(login), login.secret, &http.Client{Transport: watch})
		if skew, known := watch.skew(); !known || (skew-ahead).Abs() > 2*time.Second {
			t.Errorf("a clock that is %s ahead seems %s ahead (known: %v)", ahead, skew, known)
		}
	}
}

func TestDates(t *testing.T) {
	for text, want := range map[string]string{
		"2027-01-31": "2027-01-31T00:00:00Z", " 2027-01-31T10:00:00+02:00 ": "2027-01-31T08:00:00Z", "": "0001-01-01T00:00:00Z", "soon": "0001-01-01T00:00:00Z",
	} {
		if got := dateOf(text).UTC().Format(time.RFC3339); got != want {
			t.Errorf("dateOf(%q) = %s, want %s", text, got, want)
		}
	}
}
