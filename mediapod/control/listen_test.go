// SPDX-License-Identifier: Apache-2.0

package control

import (
	"errors"
	"strings"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestTheAPIServerSaysWhoMayListen: by the listener's own token, for each call by its name; and who may control a call
// may not therefore hear it.
func TestTheAPIServerSaysWhoMayListen(t *testing.T) {
	c := controllertest.Start(t)
	ns := c.Namespace(t)
	l, err := NewListening(c.Config, testclock.NewFakeClock(time.Unix(1_700_000_000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	listen := func(names ...string) rbacv1.PolicyRule {
		rule := mayControl(names...)
		rule.Verbs = []string{"listen"}
		return rule
	}
	supervisor, supervisorToken := account(t, ns, "supervisor", listen())
	_, oneToken := account(t, ns, "one", listen("standup"))
	_, operatorToken := account(t, ns, "operator", mayControl())
	for name, tc := range map[string]struct {
		token, kind, object string
		want                error
		says                string
	}{
		"a supervisor, of a session":     {supervisorToken, "MeetingSession", "standup", nil, supervisor},
		"a supervisor, of a call":        {supervisorToken, "Call", "sales", nil, supervisor},
		"who may hear this one":          {oneToken, "MeetingSession", "standup", nil, ":one"},
		"who may hear another one":       {oneToken, "MeetingSession", "planning", ErrMayNot, `grant the verb "listen" on meetingsessions.callfleet.dev, which the role callfleet-supervisor holds`},
		"who may control, but not hear":  {operatorToken, "Call", "sales", ErrMayNot, "may not listen in to calls/sales"},
		"somebody unknown":               {"eyJhbGciOiJSUzI1NiJ9.e30.c2ln", "Call", "sales", ErrUnknownCaller, ""},
		"nobody":                         {"", "Call", "sales", ErrUnknownCaller, ""},
		"a token that fits in no header": {"a b", "Call", "sales", ErrUnknownCaller, ""},
		"a token too large":              {strings.Repeat("x", maxToken+1), "Call", "sales", ErrUnknownCaller, ""},
	} {
		t.Run(name, func(t *testing.T) {
			who, err := l.Allow(t.Context(), tc.token, tc.kind, ns, tc.object)
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Fatalf("%q, %v; want %v", who, err, tc.want)
			}
			said := who
			if err != nil {
				said = err.Error()
			}
			if !strings.Contains(said, tc.says) {
				t.Errorf("it says %q, want %q", said, tc.says)
			}
			if len(tc.token) > 8 && strings.Contains(said, tc.token) {
				t.Error("the token is in it")
			}
		})
	}
}

func TestNobodyListensWhileTheAPIServerIsAway(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	_, token := account(t, ns, "supervisor", mayControl())
	l, err := NewListening(nowhere(t), testclock.NewFakeClock(time.Unix(1_700_000_000, 0)))
	if err != nil {
		t.Fatal(err)
	}
	who, err := l.Allow(t.Context(), token, "Call", ns, "sales")
	if who != "" || err == nil || errors.Is(err, ErrUnknownCaller) || errors.Is(err, ErrMayNot) {
		t.Errorf("%q, %v: a server that is away has not said no", who, err)
	}
}
