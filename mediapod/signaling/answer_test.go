// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

func TestAnswersThatFail(t *testing.T) {
	notFound := answer("answer call", http.StatusNotFound)
	tests := map[string]struct {
		errs     []error // of one try after the other; the last one stays
		get      func(string) (*graph.Call, error)
		slow     time.Duration
		want     EndReason
		answers  int
		rejected bool
		elsewhere,
		established bool
	}{
		"gone before it was answered": {errs: []error{notFound}, get: func(string) (*graph.Call, error) { return nil, errGone }, want: EndCallerGaveUp, answers: 1},
		"refused":                     {errs: []error{answer("answer call", http.StatusForbidden)}, want: EndPermissionMissing, answers: 1, rejected: true},
		"not understood":              {errs: []error{answer("answer call", http.StatusBadRequest)}, want: EndServiceError, answers: 1, rejected: true},
		"failing, then taken":         {errs: []error{answer("answer call", 503), answer("answer call", 503), nil}, answers: 3, established: true},
		"failing all the time":        {errs: []error{answer("answer call", 503)}, want: EndServiceError, answers: 30, rejected: true},
		"an earlier try was taken": {
			errs: []error{errLost, notFound}, answers: 2, established: true,
			get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablishing).Call, nil },
		},
		"another pod was quicker": {
			errs: []error{answer("answer call", http.StatusConflict)}, answers: 1, want: EndCallLost, elsewhere: true,
			get: func(id string) (*graph.Call, error) {
				c := updated(id, graph.StateEstablished).Call
				c.CallbackURI = "https://bots.example/voice/reception/pods/reception-1/calls/" + testUID
				return c, nil
			},
		},
		"unknown for a moment": {
			errs: []error{notFound, nil}, answers: 2, established: true,
			get: func(id string) (*graph.Call, error) { return updated(id, graph.StateIncoming).Call, nil },
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{get: tt.get, answer: func(_ context.Context, try int, _ graph.Answer) error {
					time.Sleep(tt.slow)
					return tt.errs[min(try, len(tt.errs))-1]
				}}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				pass(answerDeadline + time.Second)
				c := d.call(t)
				if got := c.Snapshot().Unanswered; got == tt.established {
					t.Errorf("unanswered: %t", got)
				}
				if got := g.count("answer", testCallID); got != tt.answers {
					t.Errorf("%d answers, want %d", got, tt.answers)
				}
				if got := g.count("reject as busy", testCallID) == 1; got != tt.rejected {
					t.Errorf("turned away: %t, want %t", got, tt.rejected)
				}
				if tt.established {
					tell(t, s, updated(testCallID, graph.StateEstablished))
					wantPhase(t, c, PhaseEstablished)
					return
				}
				snap := wantEnd(t, c, tt.want)
				if snap.End.Elsewhere != tt.elsewhere || g.count("delete", testCallID) != 0 {
					t.Errorf("end %+v, asked %v", snap.End, g.asked)
				}
			})
		})
	}
}

func TestAnAnswerAfterTheDeadlineIsTooLate(t *testing.T) {
	for name, tt := range map[string]struct {
		n    graph.Notification
		slow time.Duration
		want EndReason
	}{
		"policy recording, after its 5 s":  {n: recordedRing(testCallID), slow: policyDeadline, want: EndAnsweredTooLate},
		"policy recording, before its 5 s": {n: recordedRing(testCallID), slow: policyDeadline - time.Second, want: EndCallerGaveUp},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					answer: func(context.Context, int, graph.Answer) error {
						time.Sleep(tt.slow)
						return answer("answer call", http.StatusNotFound)
					},
					get: func(string) (*graph.Call, error) { return nil, errGone },
				}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				s.takeNewCalls([]graph.Notification{tt.n}, arrival{tenant: testTenant})
				synctest.Wait()
				pass(policyDeadline + time.Second)
				wantEnd(t, d.call(t), tt.want)
			})
		})
	}
}

// TestAnAnswerThatWasTakenAfterItWasGivenUp leaves a call that nobody knows of, until it tells of itself.
func TestAnAnswerThatWasTakenAfterItWasGivenUp(t *testing.T) {
	for name, code := range map[string]int{"and is no incoming call any more": http.StatusNotFound, "and was answered already": http.StatusConflict} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					answer: func(ctx context.Context, _ int, _ graph.Answer) error { <-ctx.Done(); return ctx.Err() },
					reject: func(string) error { return answer("reject call", code) },
				}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				pass(answerDeadline + time.Second)
				wantEnd(t, d.call(t), EndServiceError)
				if w := post(s, callbackPath+testUID, wire(t, testCallID, map[string]any{"state": "established"})); w.Code != http.StatusAccepted {
					t.Errorf("answered %d", w.Code)
				}
				synctest.Wait()
				if g.count("delete", testCallID) != 1 {
					t.Errorf("the call was left alone: %v", g.asked)
				}
			})
		})
	}
}

// TestPolicyRecordingIsKnownByEitherSign, with its shorter deadline.
// TestACallThatMovesOnWasAnswered: the service took the answer and says so, and its reply is what is late.
func TestACallThatMovesOnWasAnswered(t *testing.T) {
	for name, leaves := range map[string]bool{"and goes on": false, "and is to end": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{answer: func(ctx context.Context, try int, _ graph.Answer) error {
					if try == 1 {
						time.Sleep(answerTimeout - time.Second)
						return answer("answer call", http.StatusServiceUnavailable)
					}
					<-ctx.Done()
					return ctx.Err()
				}}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				s.takeNewCalls([]graph.Notification{recordedRing(testCallID)}, arrival{tenant: testTenant})
				pass(answerTimeout - time.Second + answerRetry)
				c := d.call(t)
				tell(t, s, updated(testCallID, graph.StateEstablished))
				if leaves {
					c.HangUp(EndedByBot)
				}
				pass(policyDeadline)
				if got := g.count("delete", testCallID) > 0; got != leaves || g.count("reject as busy", testCallID) != 0 {
					t.Errorf("asked %v", g.asked)
				}
				if !leaves {
					wantPhase(t, c, PhaseEstablished)
				}
			})
		})
	}
}

func TestPolicyRecordingIsKnownByEitherSign(t *testing.T) {
	tests := map[string]struct {
		change func(*graph.Call)
		want   bool
	}{
		"both":                          {change: func(c *graph.Call) { c.ApplicationMetadata = recordingMetadata() }, want: true},
		"who is observed":               {change: func(*graph.Call) {}, want: true},
		"what the bot is told, no more": {change: func(c *graph.Call) { c.ApplicationMetadata, c.IncomingContext = recordingMetadata(), nil }, want: true},
		"neither":                       {change: func(c *graph.Call) { c.IncomingContext = nil }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{decide: answerIt}
				s := newTestServer(t, &fakeGraph{}, withDesk(d))
				defer stop(t, s)
				n := recordedRing(testCallID)
				tt.change(n.Call)
				s.takeNewCalls([]graph.Notification{n}, arrival{tenant: testTenant})
				synctest.Wait()
				within := answerDeadline
				if tt.want {
					within = policyDeadline
				}
				if c := d.call(t); d.seen[0].PolicyRecording != tt.want || c.plan.setting.answerWithin != within {
					t.Errorf("recording %t, to be answered within %s", d.seen[0].PolicyRecording, c.plan.setting.answerWithin)
				}
			})
		})
	}
}

func recordingMetadata() *graph.ApplicationMetadata {
	return &graph.ApplicationMetadata{BotData: graph.BotData{InviteReasons: []string{"policyBasedRecording"}}}
}

func TestTheCallerGivesUp(t *testing.T) {
	tests := map[string]func(t *testing.T, s *Server){
		"told at the call's own address": func(t *testing.T, s *Server) { tell(t, s, deleted(testCallID, 200, 0)) },
		"told at the webhook": func(t *testing.T, s *Server) {
			s.takeNewCalls([]graph.Notification{deleted(testCallID, 487, 0)}, arrival{tenant: testTenant})
		},
	}
	for name, giveUp := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				taken := make(chan struct{})
				g := &fakeGraph{answer: func(context.Context, int, graph.Answer) error { <-taken; return answer("answer call", 404) }}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				synctest.Wait()
				giveUp(t, s)
				synctest.Wait()
				close(taken)
				if end := wantEnd(t, d.call(t), EndCallerGaveUp).End; end.Failed {
					t.Errorf("end %+v, want no fault", end)
				}
			})
		})
	}
}

func TestHangingUpWhileAnswering(t *testing.T) {
	tests := map[string]struct {
		err      error
		hungUp   bool
		rejected bool
	}{
		"the answer is taken": {hungUp: true},
		"the answer fails":    {err: answer("answer call", 503), rejected: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				now := make(chan struct{})
				g := &fakeGraph{answer: func(context.Context, int, graph.Answer) error { <-now; return tt.err }}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				synctest.Wait()
				c := d.call(t)
				c.HangUp(EndedByBot)
				synctest.Wait()
				wantPhase(t, c, PhaseLeaving)
				close(now)
				pass(terminatedWait)
				wantEnd(t, c, EndedByBot)
				if got := g.count("delete", testCallID) == 1; got != tt.hungUp {
					t.Errorf("hung up: %t, want %t", got, tt.hungUp)
				}
				if got := g.count("reject as busy", testCallID) == 1; got != tt.rejected {
					t.Errorf("rejected: %t, want %t", got, tt.rejected)
				}
			})
		})
	}
}

// The answer is on its way when the time for it is over, and the service has taken it: the caller would hear nobody until the
// call says something.
func TestACallThatWasAnsweredAfterAllIsHungUp(t *testing.T) {
	tests := map[string]struct {
		state  graph.CallState
		other  bool // it is another pod's
		hungUp bool
	}{
		"it goes on":               {state: graph.StateEstablished, hungUp: true},
		"another pod answered it":  {state: graph.StateEstablished, other: true},
		"it rings on, says Graph":  {state: graph.StateIncoming},
		"it is gone in the moment": {},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{
					answer: func(ctx context.Context, _ int, _ graph.Answer) error { <-ctx.Done(); return ctx.Err() },
					reject: func(string) error { return answer("reject call", 409) },
				}
				g.get = func(id string) (*graph.Call, error) {
					if tt.state == "" {
						return nil, answer("get call", 404)
					}
					uri := g.answers[0].CallbackURI
					if tt.other {
						uri += "x"
					}
					return &graph.Call{ID: id, State: tt.state, CallbackURI: uri}, nil
				}
				d := &desk{decide: answerIt}
				s := newTestServer(t, g, withDesk(d))
				defer stop(t, s)
				post(s, newCallPath, ring(t, testCallID))
				pass(answerDeadline + time.Minute)
				wantEnd(t, d.call(t), EndServiceError)
				if got := g.count("delete", testCallID) == 1; got != tt.hungUp || g.count("reject as busy", testCallID) != 1 {
					t.Errorf("hung up: %t, want %t; asked %v", got, tt.hungUp, g.asked)
				}
			})
		})
	}
}

// TestThePlaceOfTheMediaIsAskedForWithEachTry: who makes it may not be able to at once, and may have another one the next time.
func TestThePlaceOfTheMediaIsAskedForWithEachTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent []string
		g := &fakeGraph{answer: func(_ context.Context, _ int, a graph.Answer) error {
			sent = append(sent, a.MediaConfig.Blob)
			if len(sent) == 1 {
				return answer("answer call", http.StatusServiceUnavailable)
			}
			return nil
		}}
		tries := 0
		d := &desk{decide: func(in Incoming) Decision {
			decision := answerIt(in)
			decision.Answer.Blob, decision.Answer.Locate = "", func(ctx context.Context) (string, error) {
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("nothing bounds how long the answer may wait")
				}
				if tries++; tries == 1 {
					return "", errors.New("the platform is starting")
				}
				return fmt.Sprint("blob-", tries), nil
			}
			return decision
		}}
		s := newTestServer(t, g, withDesk(d))
		defer stop(t, s)
		post(s, newCallPath, ring(t, testCallID))
		pass(answerDeadline)
		if want := []string{"blob-2", "blob-3"}; !slices.Equal(sent, want) {
			t.Errorf("answered with %q, want %q", sent, want)
		}
		tell(t, s, updated(testCallID, graph.StateEstablished))
		wantPhase(t, d.call(t), PhaseEstablished)
	})
}
