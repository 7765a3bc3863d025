// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// pressed are the keys of a call, of which the first few are forgotten.
type pressed struct {
	mu        sync.Mutex
	tones     []graph.Tone
	forgotten int
	over      bool
	changed   chan struct{}
}

func (p *pressed) change(how func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	how()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

func (p *pressed) press(tones ...graph.Tone) {
	p.change(func() { p.tones = append(p.tones, tones...) })
}

func (p *pressed) end() { p.change(func() { p.over = true }) }

// awaited says that somebody waits.
func (p *pressed) awaited() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed != nil
}

func (p *pressed) Tones() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.tones)
}

func (p *pressed) NextTone(ctx context.Context, position int) (graph.ToneInfo, int, error) {
	for {
		p.mu.Lock()
		at := max(position, p.forgotten)
		if at < len(p.tones) {
			defer p.mu.Unlock()
			return graph.ToneInfo{Tone: p.tones[at]}, at, nil
		}
		if p.over {
			defer p.mu.Unlock()
			return graph.ToneInfo{}, 0, signaling.ErrCallOver
		}
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		changed := p.changed
		p.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return graph.ToneInfo{}, 0, ctx.Err()
		}
	}
}

// TestTheKeysOfACall are told from a position on.
func TestTheKeysOfACall(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	h.keys.forgotten = 1
	h.keys.press("tone0", "tone1", "star", "a")
	finished := &held{kind: "MeetingSession", namespace: ns, name: "finished", uid: "u2"}
	finished.keys.press("pound")
	finished.keys.end()
	e := serve(t, ns, calls{h, finished}, nil)
	_, token := account(t, ns, "operator", mayControl())
	tests := map[string]struct {
		uid, query string
		want       wire.Tones
	}{
		"where to begin":           {"u1", "", wire.Tones{Tones: []wire.Tone{}, Next: 4}},
		"the last":                 {"u1", "?position=3", wire.Tones{Tones: []wire.Tone{{Position: 3, Key: "A"}}, Next: 4}},
		"several":                  {"u1", "?position=2", wire.Tones{Tones: []wire.Tone{{Position: 2, Key: "*"}, {Position: 3, Key: "A"}}, Next: 4}},
		"from a forgotten one":     {"u1", "?position=0", wire.Tones{Tones: []wire.Tone{{Position: 1, Key: "1"}, {Position: 2, Key: "*"}, {Position: 3, Key: "A"}}, Next: 4}},
		"the last before the end":  {"u2", "?position=0", wire.Tones{Tones: []wire.Tone{{Position: 0, Key: "#"}}, Next: 1}},
		"the end":                  {"u2", "?position=1", wire.Tones{Tones: []wire.Tone{}, Next: 1, Over: true}},
		"one of another pod, over": {"u2", "?position=37", wire.Tones{Tones: []wire.Tone{}, Next: 1, Over: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e.t = t
			var got wire.Tones
			if code := e.call(http.MethodGet, wire.TonesPath(tc.uid)+tc.query, token, "", &got); code != 200 {
				t.Fatalf("%d", code)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if by, asked := h.last(); asked != nil {
		t.Errorf("%s did %v in the call", by, asked)
	}
}

// TestWaitingForAKey ends with a key, with the call, and after a while.
func TestWaitingForAKey(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	type answer struct {
		code int
		told wire.Tones
	}
	tests := map[string]struct {
		position string
		then     func(*endpoint, *held)
		want     wire.Tones
	}{
		"a key":               {"1", func(_ *endpoint, h *held) { h.keys.press("pound") }, wire.Tones{Tones: []wire.Tone{{Position: 1, Key: "#"}}, Next: 2}},
		"the end of the call": {"1", func(_ *endpoint, h *held) { h.keys.end() }, wire.Tones{Tones: []wire.Tone{}, Next: 1, Over: true}},
		"nothing":             {"1", func(e *endpoint, _ *held) { e.clock.Step(wire.TonesWait) }, wire.Tones{Tones: []wire.Tone{}, Next: 1}},
		"a position of another pod, which waits for the next": {"37", func(_ *endpoint, h *held) { h.keys.press("pound") },
			wire.Tones{Tones: []wire.Tone{{Position: 1, Key: "#"}}, Next: 2}},
	}
	_, token := account(t, ns, "operator", mayControl())
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
			h.keys.press("tone0")
			e := serve(t, ns, calls{h}, nil)
			answers := make(chan answer, 1)
			go func() {
				var a answer
				defer func() { answers <- a }()
				a.code = e.call(http.MethodGet, wire.TonesPath("u1")+"?position="+tc.position, token, "", &a.told)
			}()
			controllertest.Eventually(t, "somebody waits", func() error {
				if !h.keys.awaited() {
					return errors.New("nobody yet")
				}
				return nil
			})
			e.clock.Step(wire.TonesWait - 1)
			select {
			case a := <-answers:
				t.Fatalf("answered too early: %+v", a)
			default:
			}
			tc.then(e, h)
			a := <-answers
			if diff := cmp.Diff(tc.want, a.told); diff != "" || a.code != 200 {
				t.Errorf("%d (-want +got):\n%s", a.code, diff)
			}
		})
	}
}

// TestWhoIsNotToldKeys: strangers, and those who ask for what makes no sense. What was pressed is in no log.
func TestWhoIsNotToldKeys(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	h.keys.press("flash")
	var mu sync.Mutex
	var log strings.Builder
	e := serve(t, ns, calls{h}, func(c *Config) {
		c.Log = funcr.New(func(_, args string) {
			mu.Lock()
			defer mu.Unlock()
			log.WriteString(args + "\n")
		}, funcr.Options{Verbosity: 9})
	})
	_, token := account(t, ns, "operator", mayControl())
	_, stranger := account(t, ns, "stranger", mayControl("other"))
	tests := map[string]struct {
		token, uid, query string
		code              int
		reason            wire.Reason
	}{
		"nobody":                  {"", "u1", "?position=0", 401, wire.ReasonUnauthenticated},
		"somebody without rights": {stranger, "u1", "?position=0", 403, wire.ReasonForbidden},
		"how many there are":      {stranger, "u1", "", 403, wire.ReasonForbidden},
		"of no call":              {token, "u9", "?position=0", 404, wire.ReasonNotFound},
		"before the first":        {token, "u1", "?position=-1", 400, wire.ReasonInvalid},
		"no number":               {token, "u1", "?position=all", 400, wire.ReasonInvalid},
		"too large a number":      {token, "u1", "?position=99999999999999999999", 400, wire.ReasonInvalid},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e.t = t
			var got wire.Refusal
			if code := e.call(http.MethodGet, wire.TonesPath(tc.uid)+tc.query, tc.token, "", &got); code != tc.code || got.Reason != tc.reason || strings.Contains(got.Message, "flash") {
				t.Errorf("%d %+v", code, got)
			}
		})
	}
	for range listening {
		e.server.listeners <- struct{}{}
	}
	var got wire.Refusal
	if code := e.call(http.MethodGet, wire.TonesPath("u1")+"?position=0", token, "", &got); code != 503 || got.Reason != wire.ReasonUnavailable {
		t.Errorf("one too many: %d %+v", code, got)
	}
	<-e.server.listeners
	var told wire.Tones
	if code := e.call(http.MethodGet, wire.TonesPath("u1")+"?position=0", token, "", &told); code != 200 || len(told.Tones) != 1 {
		t.Errorf("with a place free: %d %+v", code, told)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(log.String(), "waits for keys") || strings.Contains(log.String(), "flash") {
		t.Errorf("the log says\n%s", log.String())
	}
}

// TestAListenerWhoWentAway is waited for no longer.
func TestAListenerWhoWentAway(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	h := &held{kind: "MeetingSession", namespace: ns, name: "standup", uid: "u1"}
	e := serve(t, ns, calls{h}, nil)
	_, token := account(t, ns, "operator", mayControl())
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url+wire.TonesPath("u1")+"?position=0", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
	left := make(chan error, 1)
	go func() {
		resp, err := e.client.Do(req)
		if err == nil {
			resp.Body.Close()
		}
		left <- err
	}()
	controllertest.Eventually(t, "somebody waits", func() error {
		if !h.keys.awaited() {
			return errors.New("nobody yet")
		}
		return nil
	})
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	controllertest.Eventually(t, "the place is free", func() error {
		if n := len(e.server.listeners); n > 0 || e.clock.HasWaiters() {
			return errors.New("still taken")
		}
		return nil
	})
}
