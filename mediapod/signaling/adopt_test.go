// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

const otherPodPath = "/voice/reception/pods/reception-1/calls/"

// adopt takes over a call.
func adopt(t *testing.T, s *Server, changes ...func(*AdoptRequest)) *Call {
	t.Helper()
	req := AdoptRequest{UID: testUID, CallID: testCallID, ChainID: "chain", ScenarioID: "scenario"}
	for _, change := range changes {
		change(&req)
	}
	c, err := s.Adopt(req)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c
}

func TestAdoptingACall(t *testing.T) {
	began := time.Date(1999, 12, 31, 23, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		change func(*AdoptRequest)
		get    func(string) (*graph.Call, error)
		alive  func(string) error
		phase  Phase
		want   EndReason
		lists  int
		events []string
	}{
		"of two": {
			get: func(id string) (*graph.Call, error) {
				return updated(id, graph.StateEstablished, withAudio(graph.MediaActive)).Call, nil
			},
			phase: PhaseEstablished, events: []string{EventAdopted, EventMediaActive, EventEstablished},
		},
		"established before": {
			change: func(r *AdoptRequest) { r.Before.Established = began },
			phase:  PhaseEstablished, events: []string{EventAdopted},
		},
		"a group call": {
			change: func(r *AdoptRequest) { r.Group, r.Before.Established = true, began },
			phase:  PhaseEstablished, lists: 1, events: []string{EventAdopted, EventParticipantJoined},
		},
		"still being set up": {
			get:   func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablishing).Call, nil },
			phase: PhaseJoining, events: []string{EventAdopted, EventEstablishing},
		},
		"gone": {
			get:  func(string) (*graph.Call, error) { return nil, errGone },
			want: EndCallLost, events: []string{EventAdopted, EventEnded},
		},
		"gone, as the keepAlive learns first": {
			get:   func(id string) (*graph.Call, error) { return nil, errors.New("EOF") },
			alive: func(string) error { return errGone },
			want:  EndCallLost, events: []string{EventAdopted, EventEnded},
		},
		"Graph is away for now": {
			change: func(r *AdoptRequest) { r.Before.Established = began },
			get:    func(id string) (*graph.Call, error) { return nil, answer("get call", 503) },
			alive:  func(string) error { return answer("keep call alive", 503) },
			phase:  PhaseEstablished, events: []string{EventAdopted, EventKeepAliveFailed},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{get: tt.get, alive: tt.alive, list: func(string) ([]graph.Participant, error) { return []graph.Participant{bot(), person(1)}, nil }}
				s := newTestServer(t, g)
				defer stop(t, s)
				var changes []func(*AdoptRequest)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				c := adopt(t, s, changes...)
				if g.count("get", testCallID) != 1 || g.count("keepAlive", testCallID) != 1 || g.count("list", testCallID) != tt.lists || g.count("create", "") != 0 {
					t.Errorf("asked %v", g.asked)
				}
				if diff := cmp.Diff(tt.events, eventsOf(c.Snapshot())); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
				if tt.want != "" {
					wantEnd(t, c, tt.want)
					return
				}
				wantPhase(t, c, tt.phase)
				if snap := c.Snapshot(); snap.CallID != testCallID || snap.ChainID != "chain" || snap.ScenarioID != "scenario" || snap.Hosting != graph.ServiceHosted {
					t.Errorf("snapshot %+v", snap)
				}
				if tt.change != nil {
					if got := c.Snapshot().Established; !got.Equal(began) {
						t.Errorf("established at %s, want %s", got, began)
					}
				}
			})
		})
	}
}

func TestAnAdoptedCallGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := adopt(t, s)
		pass(time.Hour)
		if got := g.count("keepAlive", testCallID); got != 7 {
			t.Errorf("%d keepAlives within an hour, want one at once and six more", got)
		}
		// Its callbacks still name the pod that had it before.
		if w := post(s, otherPodPath+testUID, wire(t, testCallID, map[string]any{"state": "terminated", "resultInfo": map[string]any{"code": 200, "subcode": 4521}})); w.Code != http.StatusAccepted {
			t.Errorf("the end was answered %d", w.Code)
		}
		synctest.Wait()
		wantEnd(t, c, EndRemoteHungUp)
	})
}

func TestAdoptRefusesMisuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, &fakeGraph{})
		adopt(t, s)
		if _, err := s.Adopt(AdoptRequest{UID: testUID, CallID: testCallID}); !errors.Is(err, ErrAlreadyJoined) {
			t.Errorf("Adopt() of a call that is held = %v", err)
		}
		if _, err := s.Adopt(AdoptRequest{UID: "x"}); err == nil {
			t.Error("Adopt() without a call succeeded")
		}
		stop(t, s)
		if _, err := s.Adopt(AdoptRequest{UID: "y", CallID: otherCall}); !errors.Is(err, ErrStopping) {
			t.Errorf("Adopt() after Shutdown() = %v", err)
		}
	})
}

func TestReleasingACallLetsItGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		changed := 0
		c := call(t, s, func(r *JoinRequest) { r.OnChange = func() { changed++ } })
		tell(t, s, updated(testCallID, graph.StateEstablished))
		before := changed
		s.Release("nobody")
		s.Release(testUID)
		synctest.Wait()
		select {
		case <-c.Done():
		default:
			t.Fatal("the call is still held")
		}
		if snap := c.Snapshot(); snap.End != nil || snap.Phase != PhaseEstablished || changed == before {
			t.Errorf("phase %s, end %+v, want it as it was, and everybody told", snap.Phase, snap.End)
		}
		if g.count("delete", testCallID) != 0 {
			t.Error("the call was hung up")
		}
		if _, err := s.Adopt(AdoptRequest{UID: testUID, CallID: testCallID}); err != nil {
			t.Errorf("Adopt() after it was released = %v", err)
		}
		stop(t, s)
	})
}

func TestWhatCannotBeReleasedIsHungUp(t *testing.T) {
	tests := map[string]struct {
		change func(*JoinRequest)
		create func(context.Context, int, *graph.Call) (*graph.Call, error)
		want   EndReason
	}{
		"its media is here": {change: func(r *JoinRequest) { r.Blob = testBlob }, want: EndPodStopped},
		"its id is not known": {
			create: func(ctx context.Context, _ int, _ *graph.Call) (*graph.Call, error) {
				time.Sleep(time.Second)
				return createdCall(testCallID), nil
			},
			want: EndPodStopped,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{create: tt.create}
				s := newTestServer(t, g)
				var changes []func(*JoinRequest)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				c := call(t, s, changes...)
				s.Release(testUID)
				pass(terminatedWait + 2*time.Second)
				wantEnd(t, c, tt.want)
				if g.count("delete", testCallID) != 1 {
					t.Error("the call was not hung up")
				}
				stop(t, s)
			})
		})
	}
}

func TestCallbacksOfCallsThatAreNotHeldHere(t *testing.T) {
	good := wire(t, testCallID, map[string]any{"state": "established"})
	tests := map[string]struct {
		path    string
		orphan  func(s *Server) Orphan // nil: media is hosted here
		code    int
		owner   string
		unread  bool
		hungUp  bool
		settled bool // the call is held afterwards
	}{
		"own address, media here":             {path: callbackPath, code: 202, hungUp: true},
		"another pod's, media here":           {path: otherPodPath, code: 404, unread: true},
		"own address, nobody's":               {path: callbackPath, orphan: func(*Server) Orphan { return Orphan{} }, code: 202, hungUp: true},
		"another pod's, nobody's":             {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{} }, code: 404, unread: true},
		"of a pod that is gone, nobody's":     {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{Abandoned: true} }, code: 202, hungUp: true},
		"another pod has it":                  {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{Owner: "reception-2"} }, code: 421, owner: "reception-2", unread: true},
		"another pod has it, own address":     {path: callbackPath, orphan: func(*Server) Orphan { return Orphan{Owner: "reception-2"} }, code: 421, owner: "reception-2", unread: true},
		"nobody can tell now":                 {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{Later: true} }, code: 503, unread: true},
		"this pod is said to have it":         {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{Owner: "reception-0"} }, code: 503, unread: true},
		"taken over, but not here":            {path: otherPodPath, orphan: func(*Server) Orphan { return Orphan{Adopted: true} }, code: 503, unread: true},
		"taken over for another pod's":        {path: otherPodPath, orphan: adoptIt, code: 202, settled: true},
		"taken over at this pod's own":        {path: callbackPath, orphan: adoptIt, code: 202, settled: true},
		"adopted meanwhile by somebody's ask": {path: otherPodPath, orphan: func(s *Server) Orphan { adoptIt(s); return Orphan{Owner: "reception-0"} }, code: 202, settled: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				var s *Server
				s = newTestServer(t, g, func(c *Config) {
					if tt.orphan != nil {
						c.Orphan = func(ctx context.Context, uid, pod string) Orphan {
							if uid != testUID || !strings.Contains(tt.path, pod) {
								t.Errorf("asked about %s of %s", uid, pod)
							}
							if at, ok := ctx.Deadline(); !ok || time.Until(at) > orphanTimeout {
								t.Error("it may take longer than a notification can wait")
							}
							return tt.orphan(s)
						}
					}
				})
				defer stop(t, s)
				body := &countingBody{Reader: strings.NewReader(good)}
				w := post(s, tt.path+testUID, "", func(r *http.Request) { r.Body = readCloser{body} })
				synctest.Wait()
				if w.Code != tt.code || w.Header().Get("Callfleet-Owner") != tt.owner {
					t.Errorf("answered %d with owner %q, want %d with %q", w.Code, w.Header().Get("Callfleet-Owner"), tt.code, tt.owner)
				}
				if tt.unread != (body.reads == 0) {
					t.Errorf("the body was read %d times", body.reads)
				}
				if got := g.count("delete", testCallID) == 1; got != tt.hungUp {
					t.Errorf("hung up: %t, want %t", got, tt.hungUp)
				}
				if c := s.holding(testUID); (c != nil) != tt.settled {
					t.Errorf("held: %t, want %t", c != nil, tt.settled)
				} else if c != nil {
					wantPhase(t, c, PhaseEstablished) // by the notification that asked for it
				}
			})
		})
	}
}

type readCloser struct{ *countingBody }

func (readCloser) Close() error { return nil }

func adoptIt(s *Server) Orphan {
	if _, err := s.Adopt(AdoptRequest{UID: testUID, CallID: testCallID}); err != nil {
		return Orphan{Later: true}
	}
	return Orphan{Adopted: true}
}

func TestOrphansAreAskedAboutOnceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var s *Server
		s = newTestServer(t, &fakeGraph{}, func(c *Config) {
			c.Orphan = func(context.Context, string, string) Orphan {
				asked++
				time.Sleep(time.Second)
				return adoptIt(s)
			}
		})
		codes := make(chan int, 10)
		for range cap(codes) {
			go func() {
				codes <- post(s, otherPodPath+testUID, wire(t, testCallID, map[string]any{"state": "established"})).Code
			}()
		}
		pass(2 * time.Second)
		for range cap(codes) {
			if got := <-codes; got != http.StatusAccepted {
				t.Errorf("answered %d", got)
			}
		}
		if asked != 1 {
			t.Errorf("asked %d times, want once for all", asked)
		}
		stop(t, s)
	})
}

func TestACallThatEndedHereIsNoOrphan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g, func(c *Config) {
			c.Orphan = func(context.Context, string, string) Orphan { t.Error("asked"); return Orphan{} }
		})
		defer stop(t, s)
		call(t, s)
		tell(t, s, deleted(testCallID, 200, 0))
		if w := post(s, callbackPath+testUID, wire(t, testCallID, map[string]any{"state": "terminated"})); w.Code != http.StatusAccepted {
			t.Errorf("answered %d", w.Code)
		}
		if g.count("delete", testCallID) != 0 {
			t.Error("a call that is over was hung up")
		}
	})
}
