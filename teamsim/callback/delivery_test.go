// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/teamsim/chaos"
	"github.com/callfleet/callfleet/teamsim/jwks"
	"github.com/callfleet/callfleet/teamsim/outbound"
)

const testCall = "11111111-2222-4333-8444-abcdefabcdef"

// listener is a bot that writes down each POST as the changes in it.
type listener struct {
	*httptest.Server
	mu      sync.Mutex
	posts   []string
	raw     []string
	tokens  []string
	answers func(path string, n int) (status int, location string)
}

func listen(t *testing.T) (*listener, *Sender) {
	t.Helper()
	l := &listener{}
	l.Server = httptest.NewTLSServer(http.HandlerFunc(l.serve))
	t.Cleanup(l.Close)
	network := outbound.New()
	if err := network.AddRoots(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: l.Certificate().Raw})); err != nil {
		t.Fatal(err)
	}
	keys, err := jwks.NewSet()
	if err != nil {
		t.Fatal(err)
	}
	s := NewSender(&Signer{Keys: keys, Issuer: DefaultIssuer}, network, 0, logr.Discard())
	t.Cleanup(s.Close)
	return l, s
}

func (l *listener) serve(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var body struct {
		CallState string
		Value     []struct{ ChangeType, ResourceURL string }
	}
	_ = json.Unmarshal(raw, &body)
	var changes []string
	for _, v := range body.Value {
		changes = append(changes, v.ChangeType)
	}
	if body.CallState != "" {
		changes = append(changes, "legacy "+body.CallState)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts = append(l.posts, r.URL.Path+" "+strings.Join(changes, "+"))
	l.raw, l.tokens = append(l.raw, string(raw)), append(l.tokens, r.Header.Get("Authorization"))
	status, location := http.StatusAccepted, ""
	if l.answers != nil {
		status, location = l.answers(r.URL.Path, len(l.posts))
	}
	if location != "" {
		w.Header().Set("Location", location)
	}
	w.WriteHeader(status)
}

func (l *listener) queue(s *Sender) *Queue {
	return s.Queue(Call{ID: testCall, AppID: "a", TenantID: "t", CallbackURI: l.URL + "/bot"})
}

func settled(t *testing.T, s *Sender) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); s.Pending() > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("notifications stay pending")
		}
	}
}

func note(change string, data map[string]any) Notification {
	return Notification{ChangeType: change, ResourceURL: "/communications/calls/" + testCall, Data: data}
}

func TestFaultsOfDelivery(t *testing.T) {
	for name, c := range map[string]struct {
		rule chaos.Rule
		want []string
	}{
		"none":      {chaos.Rule{Kind: chaos.Casing, State: "never"}, []string{"/bot one", "/bot two", "/bot three"}},
		"drop":      {chaos.Rule{Kind: chaos.Drop, ChangeType: "two"}, []string{"/bot one", "/bot three"}},
		"duplicate": {chaos.Rule{Kind: chaos.Duplicate, ChangeType: "one"}, []string{"/bot one", "/bot two", "/bot one", "/bot three"}},
		"reorder":   {chaos.Rule{Kind: chaos.Reorder, ChangeType: "one"}, []string{"/bot two", "/bot one", "/bot three"}},
		"reorder the last, which has nobody to come after": {
			chaos.Rule{Kind: chaos.Reorder, ChangeType: "three"}, []string{"/bot one", "/bot two", "/bot three"},
		},
		"batch":   {chaos.Rule{Kind: chaos.Batch, ChangeType: "one", Size: 2}, []string{"/bot one+two", "/bot three"}},
		"failing": {chaos.Rule{Kind: chaos.BotFailing, ChangeType: "two"}, []string{"/bot one", "/bot two", "/bot three"}},
		"reply lost": {
			chaos.Rule{Kind: chaos.BotReplyLost, ChangeType: "two"}, []string{"/bot one", "/bot two", "/bot two", "/bot three"},
		},
		"bad token": {chaos.Rule{Kind: chaos.BadToken, Token: "Missing", ChangeType: "two"}, []string{"/bot one", "/bot two", "/bot three"}},
		"delay":     {chaos.Rule{Kind: chaos.Delay, Delay: 20 * time.Millisecond, Count: 3}, []string{"/bot one", "/bot two", "/bot three"}},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := listen(t)
			if err := s.Chaos.Add(c.rule); err != nil {
				t.Fatal(err)
			}
			q := l.queue(s)
			q.mu.Lock() // so that all are there before the first goes out
			q.running = true
			q.mu.Unlock()
			for _, change := range []string{"one", "two", "three"} {
				q.Enqueue(note(change, nil))
			}
			q.run()
			settled(t, s)
			if diff := cmp.Diff(c.want, l.posts); diff != "" {
				t.Errorf("posts (-want +got):\n%s", diff)
			}
		})
	}
}

// What fails on purpose counts as an attempt, and whether there is another is for the policy to say.
func TestAnAttemptFailsOnPurposeBeforeTheBotHasItOrAfter(t *testing.T) {
	for name, c := range map[string]struct {
		kind                   chaos.Kind
		retry                  Retry
		posts, attempts, final int
	}{
		"before":               {chaos.BotFailing, Retry{First: time.Millisecond}, 1, 2, http.StatusAccepted},
		"after":                {chaos.BotReplyLost, Retry{First: time.Millisecond}, 2, 2, http.StatusAccepted},
		"before, not repeated": {chaos.BotFailing, Retry{NotOnError: true}, 0, 1, http.StatusServiceUnavailable},
		"after, not repeated":  {chaos.BotReplyLost, Retry{NotOnError: true}, 1, 1, http.StatusGatewayTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := listen(t)
			s.SetRetry(c.retry)
			if err := s.Chaos.Add(chaos.Rule{Kind: c.kind}); err != nil {
				t.Fatal(err)
			}
			got := make(chan int, 2)
			n := note("updated", nil)
			n.Answered = func(status int, _ []byte) { got <- status }
			l.queue(s).Enqueue(n)
			settled(t, s)
			e := s.Log().Entries(0, "")[0]
			if len(l.posts) != c.posts || e.Attempts != c.attempts || e.Status != c.final || e.Accepted() != (c.final == http.StatusAccepted) {
				t.Errorf("posted %d times, logged %+v; want %d posts, %d attempts, in the end %d", len(l.posts), e, c.posts, c.attempts, c.final)
			}
			if len(got) != 1 || <-got != c.final {
				t.Errorf("the service was not told %d once", c.final)
			}
		})
	}
}

func TestABadTokenIsForOneNotificationAlone(t *testing.T) {
	l, s := listen(t)
	l.answers = func(_ string, n int) (int, string) {
		if n == 2 {
			return http.StatusUnauthorized, ""
		}
		return http.StatusAccepted, ""
	}
	for _, r := range []chaos.Rule{{Kind: chaos.Batch, Size: 3, Count: 3}, {Kind: chaos.BadToken, Token: string(Missing), ChangeType: "two"}} {
		if err := s.Chaos.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	q := l.queue(s)
	for _, change := range []string{"one", "two", "three"} {
		q.Enqueue(note(change, nil))
	}
	settled(t, s)
	if diff := cmp.Diff([]string{"/bot one", "/bot two", "/bot three"}, l.posts); diff != "" {
		t.Fatalf("posts (-want +got):\n%s", diff)
	}
	if l.tokens[0] == "" || l.tokens[1] != "" || l.tokens[2] == "" {
		t.Errorf("tokens %q, want none with the second", l.tokens)
	}
	for i, e := range s.Log().Entries(0, "") {
		if e.Accepted() == (i == 1) || e.Attempts != 1 {
			t.Errorf("logged %+v", e)
		}
	}
}

func TestADroppedNotificationIsInTheLogAndNotAccepted(t *testing.T) {
	l, s := listen(t)
	if err := s.Chaos.Add(chaos.Rule{Kind: chaos.Drop}); err != nil {
		t.Fatal(err)
	}
	l.queue(s).Enqueue(note("updated", nil))
	settled(t, s)
	e := s.Log().Entries(0, "")[0]
	if e.Accepted() || !e.Done || e.Error == "" || len(e.Faults) != 1 {
		t.Errorf("logged %+v", e)
	}
}

func TestNewCallsAreFollowedWithAFreshTokenAndOnlyThey(t *testing.T) {
	for name, c := range map[string]struct {
		change string
		answer func(l *listener) func(string, int) (int, string)
		want   []string
		status int
	}{
		"to another region": {"created", func(l *listener) func(string, int) (int, string) {
			return func(path string, n int) (int, string) {
				return []int{302, 307, 308, 202}[n-1], fmt.Sprintf("%s/region%d", l.URL, n)
			}
		}, []string{"/bot created", "/region1 created", "/region2 created", "/region3 created"}, 202},
		"in a circle": {"created", func(*listener) func(string, int) (int, string) {
			return func(string, int) (int, string) { return 302, "/bot" }
		}, []string{"/bot created", "/bot created", "/bot created", "/bot created"}, 302},
		"to http": {"created", func(*listener) func(string, int) (int, string) {
			return func(string, int) (int, string) { return 302, "http://127.0.0.1/" }
		}, []string{"/bot created"}, 302},
		"a later notification": {"updated", func(l *listener) func(string, int) (int, string) {
			return func(string, int) (int, string) { return 307, l.URL + "/elsewhere" }
		}, []string{"/bot updated"}, 307},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := listen(t)
			s.SetRetry(Retry{Attempts: 1})
			l.answers = c.answer(l)
			l.queue(s).Enqueue(note(c.change, nil))
			settled(t, s)
			if diff := cmp.Diff(c.want, l.posts); diff != "" {
				t.Errorf("posts (-want +got):\n%s", diff)
			}
			if e := s.Log().Entries(0, "")[0]; e.Status != c.status {
				t.Errorf("logged %+v", e)
			}
			for i, token := range l.tokens {
				if !strings.HasPrefix(token, "Bearer ") {
					t.Errorf("hop %d has the token %q", i, token)
				}
			}
		})
	}
}

func TestLegacyFormatComesFirstAndGraphAfter204Only(t *testing.T) {
	for name, c := range map[string]struct {
		status   int
		want     []string
		accepted bool
	}{
		"a bot that knows":     {http.StatusNoContent, []string{"/bot legacy incoming", "/bot created", "/bot updated"}, true},
		"a bot that takes all": {http.StatusAccepted, []string{"/bot legacy incoming", "/bot updated"}, false},
		"a bot that objects":   {http.StatusBadRequest, []string{"/bot legacy incoming", "/bot updated"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := listen(t)
			s.Legacy = func(app string) bool { return app == "a" }
			l.answers = func(_ string, n int) (int, string) {
				if n == 1 {
					return c.status, ""
				}
				return http.StatusAccepted, ""
			}
			q := l.queue(s)
			q.Enqueue(note("created", nil))
			q.Enqueue(note("updated", nil))
			settled(t, s)
			if diff := cmp.Diff(c.want, l.posts); diff != "" {
				t.Errorf("posts (-want +got):\n%s", diff)
			}
			if e := s.Log().Entries(0, "")[0]; (e.Accepted() && e.Error == "") != c.accepted {
				t.Errorf("logged %+v", e)
			}
		})
	}
}

func TestRetriesFollowThePolicy(t *testing.T) {
	for name, c := range map[string]struct {
		retry  Retry
		status int
		want   int
	}{
		"attempts are bounded":    {Retry{Attempts: 3, First: time.Millisecond}, 503, 3},
		"errors may be final":     {Retry{NotOnError: true}, 503, 1},
		"429 is tried again":      {Retry{Attempts: 2, First: time.Millisecond}, 429, 2},
		"a refusal is final":      {Retry{Attempts: 5, First: time.Millisecond}, 404, 1},
		"patience bounds as well": {Retry{Patience: time.Nanosecond, First: time.Millisecond}, 500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			l, s := listen(t)
			s.SetRetry(c.retry)
			l.answers = func(string, int) (int, string) { return c.status, "" }
			l.queue(s).Enqueue(note("updated", nil))
			settled(t, s)
			if len(l.posts) != c.want {
				t.Errorf("%d attempts, want %d", len(l.posts), c.want)
			}
		})
	}
}

func TestAnAnswerIsHandedOnOnce(t *testing.T) {
	l, s := listen(t)
	got := make(chan int, 2)
	n := note("updated", nil)
	n.Answered = func(status int, _ []byte) { got <- status }
	if err := s.Chaos.Add(chaos.Rule{Kind: chaos.Duplicate}); err != nil {
		t.Fatal(err)
	}
	l.queue(s).Enqueue(n)
	settled(t, s)
	if len(l.posts) != 2 || len(got) != 1 || <-got != http.StatusAccepted {
		t.Errorf("%d posts, %d answers", len(l.posts), len(got))
	}
}
