// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/callfleet/callfleet/graph"
)

func TestEstablishedWithoutARosterIsBelievedAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := []graph.Participant{bot(), person(1)}
		g := &fakeGraph{list: func(string) ([]graph.Participant, error) { return list, nil }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		established := time.Now()
		tell(t, s, updated(testCallID, graph.StateEstablished))
		wantPhase(t, c, PhaseJoining)
		pass(settleWait)
		wantPhase(t, c, PhaseEstablished)
		if got := c.Snapshot().Established; !got.Equal(established) {
			t.Errorf("established at %s, want %s, when the service said so", got, established)
		}
		pass(rosterWait)
		if got := c.Snapshot().ParticipantCount; got != 2 || g.count("list", testCallID) != 1 {
			t.Errorf("%d participants after %d requests, want the roster asked for once", got, g.count("list", testCallID))
		}
	})
}

func TestTheRosterIsNotAskedForEndlessly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(5 * time.Minute)
		if got := g.count("list", testCallID); got != rosterTries {
			t.Errorf("the roster was asked for %d times, want %d", got, rosterTries)
		}
	})
}

func TestPartialRostersMakeTheWholeBeAskedFor(t *testing.T) {
	delta := rosterOf(testCallID, person(2))
	delta.Delta, delta.Sequence = true, 7
	one := rosterOf(testCallID, person(2))
	one.Resource.ID = person(2).ID
	for name, n := range map[string]graph.Notification{"delta": delta, "one participant": one} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
					return []graph.Participant{bot(), person(1), person(2)}, nil
				}}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				establish(t, s)
				tell(t, s, n)
				if got := c.Snapshot().ParticipantCount; got != 3 {
					t.Errorf("%d participants, want the 3 of the whole roster", got)
				}
			})
		})
	}
}

func TestARosterThatOvertakesTheQuestionStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := make(chan struct{})
		g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
			<-reply
			return []graph.Participant{bot(), person(1)}, nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(rosterWait) // the question is out
		tell(t, s, rosterOf(testCallID, bot(), person(1), person(2)))
		close(reply)
		synctest.Wait()
		if got := c.Snapshot().ParticipantCount; got != 3 {
			t.Errorf("%d participants, want the 3 of the notification", got)
		}
	})
}

func TestAChangeDuringTheQuestionIsNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := make(chan struct{})
		g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
			<-reply
			return []graph.Participant{bot(), person(1)}, nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(rosterWait)
		delta := rosterOf(testCallID, person(2))
		delta.Delta = true
		tell(t, s, delta)
		close(reply)
		synctest.Wait()
		if got := c.Snapshot().ParticipantCount; got != 3 || g.count("list", testCallID) != 1 {
			t.Errorf("%d participants after %d questions, want 3 after 1", got, g.count("list", testCallID))
		}
	})
}

func TestNewsOfOneDuringTheQuestionMakeItBeAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		reply := make(chan struct{})
		g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
			if asked++; asked == 1 {
				<-reply
				return []graph.Participant{bot(), person(1)}, nil
			}
			return []graph.Participant{bot(), person(1), person(2)}, nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(rosterWait)
		one := rosterOf(testCallID, person(2))
		one.Resource.ID = person(2).ID
		tell(t, s, one)
		close(reply)
		synctest.Wait()
		if got := c.Snapshot().ParticipantCount; got != 3 || asked != 2 {
			t.Errorf("%d participants after %d questions, want 3 after 2", got, asked)
		}
	})
}

func TestLostNotificationsDoNotMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{get: func(id string) (*graph.Call, error) {
			return updated(id, graph.StateEstablished, withAudio(graph.MediaActive)).Call, nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		pass(reconcileEvery + settleWait)
		wantPhase(t, c, PhaseEstablished)
		if !c.Snapshot().MediaActive {
			t.Error("what GET says about audio was not taken")
		}
	})
}

func TestWhatWasLostInTheCallIsFoundWithTheNextKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{
			get:  func(id string) (*graph.Call, error) { return updated(id, graph.StateHold).Call, nil },
			list: func(string) ([]graph.Participant, error) { return []graph.Participant{bot()}, nil },
		}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		pass(defaultKeepAlive)
		if snap := c.Snapshot(); snap.State != graph.StateHold || snap.ParticipantCount != 1 {
			t.Errorf("state %s with %d participants, want what Graph says: on hold, alone", snap.State, snap.ParticipantCount)
		}
	})
}

func TestARosterThatComesLateCanStillTellOfTheLobby(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, &fakeGraph{})
		defer stop(t, s)
		c := join(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished))
		pass(settleWait)
		wantPhase(t, c, PhaseEstablished)
		tell(t, s, rosterOf(testCallID, waiting(bot())))
		wantPhase(t, c, PhaseInLobby)
		if got := c.Snapshot().Established; !got.IsZero() {
			t.Errorf("established at %s while in the lobby", got)
		}
		pass(time.Minute)
		tell(t, s, rosterOf(testCallID, bot(), person(1)))
		wantPhase(t, c, PhaseEstablished)
		if got := c.Snapshot().Established; !got.Equal(time.Now()) {
			t.Errorf("established at %s, want %s, when the bot was admitted", got, time.Now())
		}
	})
}

func TestNotificationsPutTheQuestionOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		join(t, s)
		for range 5 {
			pass(reconcileEvery - time.Second)
			tell(t, s, updated(testCallID, graph.StateEstablishing))
		}
		if got := g.count("get", testCallID); got != 0 {
			t.Errorf("the call was asked for %d times although notifications came", got)
		}
		pass(reconcileEvery)
		if got := g.count("get", testCallID); got != 1 {
			t.Errorf("the call was asked for %d times after silence, want once", got)
		}
	})
}

func TestAnAnswerDoesNotUndoANotificationThatOvertookIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reply := make(chan struct{})
		g := &fakeGraph{get: func(id string) (*graph.Call, error) {
			<-reply
			return updated(id, graph.StateEstablished, withAudio(graph.MediaInactive)).Call, nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		pass(reconcileEvery) // the question is out
		tell(t, s, updated(testCallID, graph.StateEstablished, withAudio(graph.MediaActive)))
		close(reply)
		synctest.Wait()
		if !c.Snapshot().MediaActive {
			t.Error("an old answer switched the audio off")
		}
	})
}

func TestKeepAlive(t *testing.T) {
	tests := map[string]struct {
		alive func(now time.Time, began time.Time) error
		after time.Duration
		ended EndReason
		asked int
	}{
		"every ten minutes": {
			alive: func(time.Time, time.Time) error { return nil },
			after: time.Hour + time.Minute, asked: 6,
		},
		"gone": {
			alive: func(time.Time, time.Time) error { return answer("keep call alive", 404) },
			after: defaultKeepAlive, ended: EndCallLost, asked: 1,
		},
		"failing for half an hour": {
			alive: func(now, began time.Time) error {
				if now.Before(began.Add(40 * time.Minute)) {
					return answer("keep call alive", 503)
				}
				return nil
			},
			// After 10 min: 15 s, 30 s, 1, 2 and 4 min, then 4 min each up to 41:45.
			after: 42 * time.Minute, asked: 12,
		},
		"failing until the service gives up": {
			alive: func(time.Time, time.Time) error { return answer("keep call alive", 503) },
			after: keepAliveDeadline + terminatedWait, ended: EndKeepAliveTimeout, asked: 13,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				g := &fakeGraph{alive: func(string) error { return tt.alive(time.Now(), began) }}
				reg := prometheus.NewRegistry()
				s := newTestServer(t, g, func(c *Config) { c.Registerer = reg })
				defer stop(t, s)
				c := join(t, s)
				establish(t, s)
				pass(tt.after)
				if got := g.count("keepAlive", testCallID); got != tt.asked {
					t.Errorf("%d keepAlives, want %d", got, tt.asked)
				}
				if tt.ended == "" {
					wantPhase(t, c, PhaseEstablished)
					return
				}
				if end := wantEnd(t, c, tt.ended).End; !end.Failed {
					t.Errorf("end %+v, want a fault", end)
				}
			})
		})
	}
}

func TestKeepAliveFailuresAreToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		g := &fakeGraph{alive: func(string) error {
			if time.Since(began) < 20*time.Minute {
				return answer("keep call alive", 503)
			}
			return nil
		}}
		reg := prometheus.NewRegistry()
		s := newTestServer(t, g, func(c *Config) { c.Registerer = reg })
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		pass(25 * time.Minute)
		var told []string
		for _, e := range eventsOf(c.Snapshot()) {
			if e == EventKeepAliveFailed || e == EventKeepAliveRestored {
				told = append(told, e)
			}
		}
		if diff := cmp.Diff([]string{EventKeepAliveFailed, EventKeepAliveRestored}, told); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if got := testutil.ToFloat64(s.metrics.keepAlive); got < 2 {
			t.Errorf("%v failures counted, want each", got)
		}
	})
}
