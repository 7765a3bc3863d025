// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func TestHangUpEndsWhenTheServiceSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		c.HangUp(EndedByBot)
		c.HangUp(EndMediaLost) // the first reason stands
		synctest.Wait()
		wantPhase(t, c, PhaseLeaving)
		tell(t, s, updated(testCallID, graph.StateTerminating), deleted(testCallID, 200, 7000))
		snap := wantEnd(t, c, EndedByBot)
		if snap.End.Failed || g.count("delete", testCallID) != 1 {
			t.Errorf("end %+v after %d hang-ups, want no fault and one", snap.End, g.count("delete", testCallID))
		}
		if diff := cmp.Diff(&graph.ResultInfo{Code: 200, Subcode: 7000}, snap.Result); diff != "" {
			t.Errorf("result (-want +got):\n%s", diff)
		}
	})
}

func TestHangUpDoesNotDependOnTheNotification(t *testing.T) {
	tests := map[string]struct {
		del   func(try int) error
		after time.Duration
		tries int
		says  string
	}{
		"taken, and no notification": {del: func(int) error { return nil }, after: terminatedWait, tries: 1},
		"gone already":               {del: func(int) error { return answer("hang up", 404) }, tries: 1},
		"failing, then taken": {
			del: func(try int) error {
				if try < 3 {
					return answer("hang up", 503)
				}
				return nil
			},
			after: 3*time.Second + terminatedWait, tries: 3,
		},
		"failing all the time": {del: func(int) error { return answer("hang up", 503) }, after: leaveWindow, tries: 6, says: "did not confirm"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{del: func(_ context.Context, try int, _ string) error { return tt.del(try) }}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				establish(t, s)
				c.HangUp(EndTimeReached)
				synctest.Wait()
				if tt.after > 0 {
					wantPhase(t, c, PhaseLeaving)
				}
				pass(tt.after)
				snap := wantEnd(t, c, EndTimeReached)
				if !strings.Contains(snap.End.Message, tt.says) || (tt.says == "" && strings.Contains(snap.End.Message, "confirm")) {
					t.Errorf("message %q, want %q in it", snap.End.Message, tt.says)
				}
				if got := g.count("delete", testCallID); got != tt.tries {
					t.Errorf("%d hang-ups, want %d", got, tt.tries)
				}
			})
		})
	}
}

func TestHangUpWhileTheCallIsBeingMadeLeavesNoGhost(t *testing.T) {
	tests := map[string]struct {
		create func(answerNow <-chan struct{}) (*graph.Call, error)
		then   []graph.Notification
		hungUp bool
	}{
		"answer comes later": {
			create: func(now <-chan struct{}) (*graph.Call, error) { <-now; return createdCall(testCallID), nil },
			hungUp: true,
		},
		"answer is lost, the call tells of itself": {
			create: func(now <-chan struct{}) (*graph.Call, error) { <-now; return nil, errLost },
			then:   []graph.Notification{updated(testCallID, graph.StateEstablished)},
			hungUp: true,
		},
		"refused": {
			create: func(now <-chan struct{}) (*graph.Call, error) { <-now; return nil, answer("create call", 403) },
		},
		"throttled": {
			create: func(now <-chan struct{}) (*graph.Call, error) { <-now; return nil, answer("create call", 429) },
		},
		"failed": {
			create: func(now <-chan struct{}) (*graph.Call, error) { <-now; return nil, answer("create call", 503) },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answerNow := make(chan struct{})
				g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return tt.create(answerNow) }}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				c.HangUp(EndSessionDeleted)
				synctest.Wait()
				wantPhase(t, c, PhaseLeaving)
				close(answerNow)
				synctest.Wait()
				tell(t, s, tt.then...)
				pass(lostWait)
				wantEnd(t, c, EndSessionDeleted)
				if got := g.count("delete", testCallID) > 0; got != tt.hungUp {
					t.Errorf("hung up: %t, want %t", got, tt.hungUp)
				}
				if got := g.count("create", ""); got != 1 {
					t.Errorf("%d requests to create the call, want no more after the wish to leave", got)
				}
			})
		})
	}
}

func TestHangUpBetweenTriesEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, answer("create call", 429) }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		c.HangUp(EndedByBot)
		synctest.Wait()
		wantEnd(t, c, EndedByBot)
	})
}

func TestACallThatTellsOfItselfTooLateIsHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, errLost }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		pass(lostWait)
		wantEnd(t, c, EndServiceError)
		s.takeCallback(t.Context(), testUID, testTenant, []graph.Notification{updated(testCallID, graph.StateEstablished)})
		synctest.Wait()
		if got := g.count("delete", testCallID); got != 1 {
			t.Errorf("%d hang-ups, want the ghost hung up", got)
		}
	})
}

func TestCallsNobodyClaimsAreHungUpOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{del: func(_ context.Context, try int, _ string) error {
			if try == 1 {
				return answer("hang up", 503)
			}
			return nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		for range 3 {
			s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{updated(otherCall, graph.StateEstablished), rosterOf(otherCall, bot())})
		}
		pass(time.Minute)
		s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{updated(otherCall, graph.StateTerminating), deleted(otherCall, 200, 7000)})
		pass(time.Minute)
		if got := g.count("delete", otherCall); got != 2 {
			t.Errorf("%d requests to hang up, want 2: one that failed and one that did not", got)
		}
	})
}

func TestCallsThatAreOverAreLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{deleted(otherCall, 200, 0), updated(otherCall, graph.StateEstablished)})
		c := join(t, s)
		tell(t, s, deleted(testCallID, 200, 5003))
		wantEnd(t, c, EndMeetingEnded)
		s.takeCallback(t.Context(), testUID, testTenant, []graph.Notification{updated(testCallID, graph.StateEstablished), rosterOf(testCallID)})
		pass(time.Minute)
		if i := slices.IndexFunc(g.asked, func(a string) bool { return strings.HasPrefix(a, "delete") }); i >= 0 {
			t.Errorf("asked %v, want nothing hung up", g.asked)
		}
	})
}

func TestACallHeldUnderAnotherSessionIsNotHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		s.takeCallback(t.Context(), "nobody", testTenant, []graph.Notification{updated(strings.ToUpper(testCallID), graph.StateEstablished)})
		synctest.Wait()
		wantPhase(t, c, PhaseEstablished)
		if got := g.count("delete", strings.ToUpper(testCallID)); got != 0 {
			t.Error("a call that is held was hung up for a notification at another session's address")
		}
	})
}

func TestIncomingCallsAreRejectedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		incoming := updated(otherCall, graph.StateIncoming, func(c *graph.Call) { c.CallChainID = "their-chain" })
		incoming.ChangeType = graph.Created
		s.takeNewCalls([]graph.Notification{incoming, incoming}, arrival{tenant: testTenant})
		synctest.Wait()
		s.takeNewCalls([]graph.Notification{deleted(otherCall, 0, 0), updated(testCallID, graph.StateEstablished)}, arrival{tenant: testTenant})
		synctest.Wait()
		if diff := cmp.Diff([]string{"reject as forbidden " + otherCall}, g.asked); diff != "" {
			t.Errorf("asked (-want +got):\n%s", diff)
		}
		if !g.scenario["their-chain"] {
			t.Errorf("scenario ids %v, want that of the caller's chain", g.scenario)
		}
	})
}

// TestACallWhoseHangUpWasNeverConfirmedIsNotForgotten: Graph was away for longer than hanging up is tried, and the bot
// is still in the meeting. What the call tells then is taken as the chance to end it.
func TestACallWhoseHangUpWasNeverConfirmedIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		g := &fakeGraph{del: func(context.Context, int, string) error {
			if away {
				return answer("hang up", 503)
			}
			return nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		c.HangUp(EndedByBot)
		<-c.Done()
		away = false
		before := g.count("delete", testCallID)
		for range 2 {
			s.takeCallback(t.Context(), testUID, testTenant, []graph.Notification{rosterOf(testCallID, bot(), person(1))})
			synctest.Wait()
		}
		if tries := g.count("delete", testCallID) - before; tries != 1 {
			t.Errorf("hung up %d times after Graph was back, want once", tries)
		}
	})
}

func TestHangUpRemote(t *testing.T) {
	refused := answer("hang up", 403)
	tests := map[string]struct {
		errs  []error
		tries int
		want  error
	}{
		"taken":               {errs: []error{nil}, tries: 1},
		"gone":                {errs: []error{answer("hang up", 404)}, tries: 1},
		"failing, then taken": {errs: []error{answer("hang up", 503), errLost, nil}, tries: 3},
		"failing":             {errs: []error{refused}, tries: hangUpTries, want: refused},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{del: func(_ context.Context, try int, _ string) error { return tt.errs[min(try, len(tt.errs))-1] }}
				s := newTestServer(t, g)
				defer stop(t, s)
				err := s.HangUpRemote(t.Context(), "", otherCall, "old")
				if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
					t.Errorf("HangUpRemote() = %v, want %v", err, tt.want)
				}
				if got := g.count("delete", otherCall); got != tt.tries {
					t.Errorf("%d tries, want %d", got, tt.tries)
				}
			})
		})
	}
}

func TestShutdownHangsUpAllCallsAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 20
		var n int
		g := &fakeGraph{
			create: func(context.Context, int, *graph.Call) (*graph.Call, error) {
				n++
				return createdCall(fmt.Sprintf("call-%d", n)), nil
			},
			del: func(context.Context, int, string) error {
				time.Sleep(2 * time.Second)
				return nil
			},
		}
		s := newTestServer(t, g)
		held := make([]*Call, calls)
		for i := range held {
			held[i] = join(t, s, func(r *JoinRequest) { r.UID = fmt.Sprint("session-", i) })
		}
		began := time.Now()
		stop(t, s)
		if took := time.Since(began); took > 2*time.Second+terminatedWait {
			t.Errorf("%d calls took %s to hang up, want them all at once", calls, took)
		}
		for _, c := range held {
			if end := wantEnd(t, c, EndPodStopped).End; !end.Retryable {
				t.Errorf("end %+v, want the session to go on elsewhere", end)
			}
		}
	})
}

func TestShutdownWaitsNoLongerThanItMay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{del: func(ctx context.Context, _ int, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		s := newTestServer(t, g)
		c := join(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		began := time.Now()
		if err := s.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown() = %v, want %v", err, context.DeadlineExceeded)
		}
		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("Shutdown() took %s, want the 3s it was given", took)
		}
		wantEnd(t, c, EndPodStopped)
	})
}
