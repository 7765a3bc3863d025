// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/callfleet/callfleet/graph"
)

// logged collects what a server logs.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) config(c *Config) {
	c.Log = funcr.New(func(_, args string) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.lines = append(l.lines, args)
	}, funcr.Options{})
}

func (l *logged) about(what string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, what) {
			return line
		}
	}
	return ""
}

func redirectIt(Incoming) Decision {
	return Decision{Redirect: &graph.Redirect{Targets: []graph.InvitationParticipantInfo{{}}}}
}

// TestACallerWhoCannotBeRedirectedIsTurnedAway, rather than to listen to it ring until the service gives up.
func TestACallerWhoCannotBeRedirectedIsTurnedAway(t *testing.T) {
	noRole := &graph.Error{Operation: "redirect call", StatusCode: http.StatusForbidden, MissingRoles: []string{"Calls.Initiate.All"}}
	redirected, turnedAway := "redirect to 1 "+otherCall, "reject as busy "+otherCall
	tests := map[string]struct {
		redirect func(context.Context) error
		reject   func(string) error
		asked    []string
		undone   map[undone]float64
		logs     []string // in one line
	}{
		"redirected":         {asked: []string{redirected}},
		"the caller gave up": {redirect: func(context.Context) error { return errGone }, asked: []string{redirected}},
		"a role is missing": {
			redirect: func(context.Context) error { return noRole }, asked: []string{redirected, turnedAway},
			undone: map[undone]float64{undoneRedirect: 1}, logs: []string{"could not redirect", "Calls.Initiate.All", "Grant the app", otherCall},
		},
		"the target is refused": {
			redirect: func(context.Context) error { return answer("redirect call", 400) }, asked: []string{redirected, turnedAway},
			undone: map[undone]float64{undoneRedirect: 1}, logs: []string{"could not redirect", otherCall},
		},
		"Graph does not answer": {
			redirect: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, asked: []string{redirected, turnedAway},
			undone: map[undone]float64{undoneRedirect: 1},
		},
		"it was redirected, and the answer lost": {
			redirect: func(context.Context) error { return errLost }, reject: func(string) error { return errGone }, asked: []string{redirected, turnedAway},
			undone: map[undone]float64{undoneRedirect: 1},
		},
		"nor turned away": {
			redirect: func(context.Context) error { return noRole }, reject: func(string) error { return answer("reject call", 403) }, asked: []string{redirected, turnedAway},
			undone: map[undone]float64{undoneRedirect: 1, undoneReject: 1}, logs: []string{"or turn its caller away", "403", "cause", otherCall},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log logged
				g := &fakeGraph{redirect: tt.redirect, reject: tt.reject}
				s := newTestServer(t, g, log.config, func(c *Config) { c.Incoming = redirectIt })
				defer stop(t, s)
				if w := post(s, newCallPath, ring(t, otherCall)); w.Code != http.StatusAccepted {
					t.Errorf("answered %d", w.Code)
				}
				pass(answerDeadline - time.Second) // the service waits no longer
				if diff := cmp.Diff(tt.asked, g.asked); diff != "" {
					t.Errorf("asked (-want +got):\n%s", diff)
				}
				for u, counter := range s.metrics.undone {
					if got := testutil.ToFloat64(counter); got != tt.undone[u] {
						t.Errorf("%s: counted %v, want %v", u, got, tt.undone[u])
					}
				}
				if len(tt.logs) > 0 {
					line := log.about(tt.logs[0])
					for _, part := range tt.logs {
						if !strings.Contains(line, part) {
							t.Errorf("logged %q, want %q in it", line, part)
						}
					}
				}
			})
		})
	}
}

// TestWhatCannotBeDisposedOfIsNotSaidToBe: nobody else may be left, but 202 would be silence.
func TestWhatCannotBeDisposedOfIsNotSaidToBe(t *testing.T) {
	last := func(r *http.Request) { r.Header.Set("Callfleet-Last", "true") }
	busy := func(s *Server) {
		for range maxErrands {
			s.errand <- struct{}{}
		}
	}
	tests := map[string]struct {
		decide func(Incoming) Decision
		before func(*testing.T, *Server)
		body   []string
		code   int
		undone float64
	}{
		"too much to do":             {decide: func(Incoming) Decision { return Decision{Reject: graph.RejectNone} }, before: func(_ *testing.T, s *Server) { busy(s) }, code: 503},
		"too much to do to redirect": {decide: redirectIt, before: func(_ *testing.T, s *Server) { busy(s) }, code: 503},
		"full, and too much to do":   {decide: func(Incoming) Decision { return Decision{Full: true} }, before: func(_ *testing.T, s *Server) { busy(s) }, code: 503},
		"it stops":                   {decide: answerIt, before: stop, code: 503},
		"after another one was answered": {
			decide: func(in Incoming) Decision {
				if in.CallID == testCallID {
					return answerIt(in)
				}
				return Decision{Reject: graph.RejectNone}
			},
			before: func(_ *testing.T, s *Server) { busy(s) }, body: []string{testCallID, otherCall}, code: 202, undone: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g, withDesk(&desk{decide: tt.decide}))
				tt.before(t, s)
				body := tt.body
				if body == nil {
					body = []string{otherCall}
				}
				if w := post(s, newCallPath, ring(t, body...), last); w.Code != tt.code {
					t.Errorf("answered %d, want %d", w.Code, tt.code)
				}
				synctest.Wait()
				if got := testutil.ToFloat64(s.metrics.undone[undoneReject]); got != tt.undone {
					t.Errorf("counted %v, want %v", got, tt.undone)
				}
				if s.over.has(otherCall) {
					t.Error("it is remembered as one that was dealt with")
				}
				for range len(s.errand) {
					<-s.errand
				}
				stop(t, s)
			})
		})
	}
}

// TestACallThatCouldNotBeTurnedAwayIsHungUpWhenItTellsOfItself: its answer was refused, and taken all the same.
func TestACallThatCouldNotBeTurnedAwayIsHungUpWhenItTellsOfItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{
			answer: func(context.Context, int, graph.Answer) error { return answer("answer call", 403) },
			reject: func(string) error { return errGone },
		}
		s := newTestServer(t, g, withDesk(&desk{decide: answerIt}))
		defer stop(t, s)
		post(s, newCallPath, ring(t, testCallID))
		synctest.Wait()
		post(s, callbackPath+testUID, wire(t, testCallID, map[string]any{"state": "established"}))
		synctest.Wait()
		if g.count("delete", testCallID) != 1 {
			t.Errorf("asked %v", g.asked)
		}
	})
}
