// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
)

type login struct {
	mu     sync.Mutex
	asked  []policy.TokenRequestOptions
	err    error
	closed string // a tenant that gives no token
}

func (l *login) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, o)
	if l.closed != "" && o.TenantID == l.closed {
		return azcore.AccessToken{}, errors.New("AADSTS65001: nobody consented")
	}
	return azcore.AccessToken{}, l.err
}

type keys struct{ fetched int }

func (k *keys) Warm(context.Context) error { k.fetched++; return nil }

// TestTheWarmTokenIsTheOneCallsUse: azidentity keeps tokens with and without continuous access evaluation apart, and the
// Graph client asks for the former.
func TestTheWarmTokenIsTheOneCallsUse(t *testing.T) {
	l := &login{}
	w := warmth{credential: l, scope: graph.Public.Scope(), keys: &keys{}, unreachable: func() string { return "" }, clock: clock.RealClock{}}
	if h := w.try(t.Context()); !h.ready {
		t.Fatalf("health %+v", h)
	}
	client, err := graph.NewClient(graph.ClientOptions{Credential: l, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	l.err = errors.New("no further than the token")
	_, _ = client.GetCall(t.Context(), "", "call-1")
	if len(l.asked) != 2 || l.asked[0].EnableCAE != l.asked[1].EnableCAE || l.asked[0].Scopes[0] != l.asked[1].Scopes[0] {
		t.Errorf("asked for %+v", l.asked)
	}
}

// TestTokensOfAllowedTenantsAreWarmToo: a call of theirs leaves no time to fetch one. A tenant without consent keeps
// nobody else from being served.
func TestTokensOfAllowedTenantsAreWarmToo(t *testing.T) {
	const one, two = "72F988BF-86f1-41af-91ab-2d7cd011db47", "aa1122bb-0000-4000-8000-000000000001"
	l := &login{closed: two}
	w := warmth{
		credential: l, scope: graph.Public.Scope(), tenants: []string{one, two}, keys: &keys{}, log: logr.Discard(),
		unreachable: func() string { return "" }, clock: clock.RealClock{},
	}
	if h := w.try(t.Context()); !h.ready {
		t.Fatalf("health %+v", h)
	}
	client, err := graph.NewClient(graph.ClientOptions{Credential: l, MaxRetries: -1})
	if err != nil {
		t.Fatal(err)
	}
	warm := map[string]bool{}
	for _, o := range l.asked {
		warm[o.TenantID] = o.EnableCAE
	}
	l.err, l.asked = errors.New("no further than the token"), nil
	_, _ = client.ForTenant(one).GetCall(t.Context(), "", "call-1")
	if len(warm) != 3 || len(l.asked) != 1 || !warm[l.asked[0].TenantID] {
		t.Errorf("warm are the tokens of %v, a call asks for %+v", warm, l.asked)
	}
	l.closed, l.err = "", errors.New("no token at home")
	if h := w.try(t.Context()); h.ready {
		t.Error("ready without a token of its own")
	}
}

// emptySecret is what the credential says of a file with nothing in it.
func emptySecret(t *testing.T) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "clientSecret")
	if err := os.WriteFile(path, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := callfleetv1.BotIdentity{AppID: "0efc74f7-41c3-47a4-8775-7259bfef4241", TenantID: "1fdd12d0-4620-44ed-baec-459b611f84b2"}
	_, err := newSecretFileCredential(path, id, graph.Public, http.DefaultClient).GetToken(t.Context(), policy.TokenRequestOptions{})
	if err == nil {
		t.Fatal("a token without a secret")
	}
	return err
}

func TestHealthOfTheToken(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string
	}{
		"empty secret": {emptySecret(t), callfleetv1.ReasonCredentialsRejected},
		"no answer":    {context.DeadlineExceeded, callfleetv1.ReasonLoginUnreachable},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tokenHealth(tc.err); got.reason != tc.want || got.message == "" {
				t.Errorf("%v: %+v, want reason %s", tc.err, got, tc.want)
			}
		})
	}
}

// TestWarmthIsKeptAndTold: waiting for an address asks nobody for keys again and again; a credential that goes bad later
// is told, and so is that it is good again.
func TestWarmthIsKeptAndTold(t *testing.T) {
	l, k, clk, why := &login{}, &keys{}, clocktesting.NewFakeClock(time.Now()), "not known yet"
	w := warmth{credential: l, keys: k, unreachable: func() string { return why }, clock: clk}
	ctx, stop := context.WithCancel(t.Context())
	told, done := make(chan health), make(chan struct{})
	go func() { defer close(done); w.run(ctx, func(h health) { told <- h }) }()
	next := func(step time.Duration) health {
		await(t, "a pause", clk.HasWaiters)
		clk.Step(step)
		return <-told
	}
	if h := <-told; h.reason != callfleetv1.ReasonWaitingForAddress || !strings.Contains(h.message, why) {
		t.Errorf("before the address is known: %+v", h)
	}
	next(time.Second)
	why = ""
	if h := next(time.Second); !h.ready || k.fetched != 1 {
		t.Errorf("with an address: %+v after %d fetches of keys", h, k.fetched)
	}
	l.err = errSecret
	if h := next(recheck); h.ready || h.reason != callfleetv1.ReasonCredentialsRejected {
		t.Errorf("with a bad secret: %+v", h)
	}
	l.err = nil
	if h := next(time.Minute); !h.ready {
		t.Errorf("with a good one again: %+v", h)
	}
	l.err = context.Canceled
	stop()
	select {
	case <-done:
	case h := <-told:
		t.Errorf("told at the end: %+v", h)
	}
}

func TestAnAddressThatCannotBeAnnouncedIsNoAddress(t *testing.T) {
	engine, err := media.New(media.Config{BindAddr: netip.MustParseAddr("127.0.0.1"),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errors.New("none") }})
	if err != nil {
		t.Fatal(err)
	}
	serving, stop := context.WithCancel(t.Context())
	stop()
	defer func() { _ = engine.Serve(serving) }()
	a := newAgent(t.Context(), "reception-0", "pod-uid", clock.RealClock{}, logr.Discard(), newMetrics(prometheus.NewRegistry()))
	p := &parts{agent: a, engine: engine}
	if p.unreachable() == "" {
		t.Error("reachable before an address is known")
	}
	tests := []struct {
		address string
		port    uint16
		ok      bool
	}{
		{"lb.example.com", engine.Addr().Port(), false},
		{"203.0.113.7", 1, false},
		{"2001:db8::7", engine.Addr().Port(), false},
		{"203.0.113.7", engine.Addr().Port(), true},
	}
	for _, tc := range tests {
		pod := &callfleetv1.MediaPod{}
		pod.Status.Endpoint = &callfleetv1.Endpoint{Host: "0.reception.example.com", Address: tc.address, Port: int32(tc.port)}
		p.podChanged(pod)
		if why := p.unreachable(); (why == "") != tc.ok {
			t.Errorf("%s port %d: %q", tc.address, tc.port, why)
		}
	}
}
