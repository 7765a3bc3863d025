// SPDX-License-Identifier: Apache-2.0

package control

import (
	"net/http"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// TestTheAPIServerSaysWhoMayAct: RBAC decides, by the caller's own token, for each call by its name.
func TestTheAPIServerSaysWhoMayAct(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	standup := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	sales := &held{kind: "Call", namespace: ns, name: "sales", uid: "u2"}
	e := serve(t, ns, calls{standup, sales}, nil)

	operator, operatorToken := account(t, ns, "operator", mayControl())
	_, oneToken := account(t, ns, "one", mayControl("standup"))
	_, readerToken := account(t, ns, "reader", rbacv1.PolicyRule{
		Verbs: []string{"get", "list", "patch"}, APIGroups: []string{"callfleet.dev"}, Resources: []string{"*"}})
	_, deputyToken := account(t, ns, "deputy", mayControl(), rbacv1.PolicyRule{
		Verbs: []string{"impersonate"}, APIGroups: []string{""}, Resources: []string{"users", "groups"}})
	as := func(user string, groups ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set(wire.HeaderImpersonateUser, user)
			r.Header[wire.HeaderImpersonateGroup] = groups
		}
	}
	tests := map[string]struct {
		token, uid string
		change     func(*http.Request)
		code       int
		reason     wire.Reason
		by, says   string
	}{
		"nobody":                          {uid: "u1", code: 401, reason: wire.ReasonUnauthenticated, says: "kubectl callfleet"},
		"somebody unknown":                {token: "eyJhbGciOiJSUzI1NiJ9.e30.c2ln", uid: "u1", code: 401, reason: wire.ReasonUnauthenticated, says: "Sign in again"},
		"a token with blanks":             {token: "a b", uid: "u1", code: 401, reason: wire.ReasonUnauthenticated},
		"a token too large":               {token: strings.Repeat("x", maxToken+1), uid: "u1", code: 401, reason: wire.ReasonUnauthenticated},
		"an operator":                     {token: operatorToken, uid: "u1", code: 200, by: operator},
		"an operator, of a call":          {token: operatorToken, uid: "u2", code: 200, by: operator},
		"who may control this one":        {token: oneToken, uid: "u1", code: 200, by: "system:serviceaccount:" + ns + ":one"},
		"who may control another one":     {token: oneToken, uid: "u2", code: 403, reason: wire.ReasonForbidden, says: "may not control calls/sales"},
		"who may write but not control":   {token: readerToken, uid: "u1", code: 403, reason: wire.ReasonForbidden, says: `grant the verb "control"`},
		"a call that is not here":         {token: operatorToken, uid: "u9", code: 404, reason: wire.ReasonNotFound, says: "does not hold this call"},
		"a stranger learns of no call":    {token: readerToken, uid: "u9", code: 403, reason: wire.ReasonForbidden},
		"a deputy, as an administrator":   {token: deputyToken, uid: "u1", change: as("jane", "system:masters"), code: 200, by: "jane"},
		"a deputy, as somebody powerless": {token: deputyToken, uid: "u1", change: as("joe"), code: 403, reason: wire.ReasonForbidden, says: "joe may not"},
		"somebody as an administrator":    {token: operatorToken, uid: "u1", change: as("jane", "system:masters"), code: 403, reason: wire.ReasonForbidden, says: "cannot impersonate"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, h := range []*held{standup, sales} {
				h.by, h.asked = "", nil
			}
			var answer struct {
				By      string
				Reason  wire.Reason
				Message string
			}
			changes := []func(*http.Request){}
			if tc.change != nil {
				changes = append(changes, tc.change)
			}
			e.t = t
			code := e.call(http.MethodPost, wire.ActionPath(tc.uid, wire.ActionStop), tc.token, "{}", &answer, changes...)
			if code != tc.code || answer.Reason != tc.reason || answer.By != tc.by || !strings.Contains(answer.Message, tc.says) {
				t.Errorf("%d %+v; want %d %s by %q, %q", code, answer, tc.code, tc.reason, tc.by, tc.says)
			}
			_, asked1 := standup.last()
			_, asked2 := sales.last()
			if acted := asked1 != nil || asked2 != nil; acted != (tc.code == 200) {
				t.Errorf("acted: %v %v, code %d", asked1, asked2, code)
			}
		})
	}
}

// TestARightThatWasTakenAway is gone after half a minute, and one that was given is there at once.
func TestARightThatWasTakenAway(t *testing.T) {
	c := controllertest.Start(t)
	ns := c.Namespace(t)
	e := serve(t, ns, calls{{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}}, nil)
	_, token := account(t, ns, "operator", mayControl())
	stop := func() int {
		var ignored map[string]any
		return e.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &ignored)
	}
	if code := stop(); code != 200 {
		t.Fatalf("%d before", code)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: ns + "-operator"}}
	if err := c.Client.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	// The API server's authorizer takes a moment of its own.
	controllertest.Eventually(t, "the right is gone", func() error {
		e.clock.Step(trustFor + 1)
		if code := stop(); code != http.StatusForbidden {
			return refuse(code, "", "still there")
		}
		return nil
	})
	binding = &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: ns + "-operator"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: ns + "-operator"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: ns, Name: "operator"}}}
	controllertest.Create(t, c.Client, binding)
	controllertest.Eventually(t, "the right is back", func() error {
		e.clock.Step(doubtFor + 1)
		if code := stop(); code != 200 {
			return refuse(code, "", "not back")
		}
		return nil
	})
}

// TestWithoutTheAPIServerNobodyIsLetIn, but for those it has just vouched for.
func TestWithoutTheAPIServerNobodyIsLetIn(t *testing.T) {
	c := controllertest.Start(t)
	ns := c.Namespace(t)
	one := calls{{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}}
	e := serve(t, ns, one, func(cfg *Config) { cfg.Kube = nowhere(t) })
	_, token := account(t, ns, "operator", mayControl())
	var answer wire.Refusal
	if code := e.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &answer); code != 503 || answer.Reason != wire.ReasonUnavailable {
		t.Errorf("%d %+v", code, answer)
	}
	if _, asked := one[0].last(); asked != nil {
		t.Errorf("acted: %v", asked)
	}
	known := serve(t, ns, one, nil)
	var outcome wire.Outcome
	if code := known.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &outcome); code != 200 {
		t.Fatalf("%d", code)
	}
	known.server.reviews.authentication, known.server.reviews.authorization = e.server.reviews.authentication, e.server.reviews.authorization
	if code := known.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &outcome); code != 200 {
		t.Errorf("%d for somebody it knows", code)
	}
	known.clock.Step(trustFor + 1)
	if code := known.call(http.MethodPost, wire.ActionPath("u1", wire.ActionStop), token, "", &answer); code != 503 {
		t.Errorf("%d for somebody it knew", code)
	}
}

// TestTheCallsOfAPod are shown to those who may control all of their kind.
func TestTheCallsOfAPod(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	e := serve(t, ns, calls{{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}, {kind: "Call", namespace: ns, name: "sales", uid: "u2"}}, nil)
	_, all := account(t, ns, "all", mayControl())
	sessionsOnly := mayControl()
	sessionsOnly.Resources = []string{"meetingsessions"}
	_, sessions := account(t, ns, "sessions", sessionsOnly)
	_, one := account(t, ns, "one", mayControl("standup"))
	for name, tc := range map[string]struct {
		token, want string
		code        int
	}{
		"all":      {all, "standup sales", 200},
		"sessions": {sessions, "standup", 200},
		"one":      {one, "", 403},
	} {
		t.Run(name, func(t *testing.T) {
			e.t = t
			var list wire.HeldList
			code := e.call(http.MethodGet, wire.CallsPath, tc.token, "", &list)
			var names []string
			for _, c := range list.Calls {
				names = append(names, c.Name)
			}
			if got := strings.Join(names, " "); code != tc.code || got != tc.want {
				t.Errorf("%d %q, want %d %q", code, got, tc.code, tc.want)
			}
		})
	}
}
