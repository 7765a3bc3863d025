// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"slices"
	"sort"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func deltaOf(number int, participants ...graph.Participant) graph.Notification {
	n := rosterOf(testCallID, participants...)
	n.Delta, n.Sequence = true, int64(number)
	return n
}

func gone(p graph.Participant) graph.Participant {
	p.RemovedState = &graph.RemovedState{Reason: "Removed"}
	return p
}

func idsOf(list []graph.Participant) []string {
	ids := make([]string, len(list))
	for i, p := range list {
		ids[i] = p.ID
	}
	sort.Strings(ids)
	return ids
}

func TestTheRosterFollowsChanges(t *testing.T) {
	tests := map[string]struct {
		steps []graph.Notification
		list  []graph.Participant // what Graph answers
		want  []graph.Participant
		asked int
	}{
		"the first is the whole": {steps: []graph.Notification{deltaOf(1, bot(), person(1))}, want: []graph.Participant{bot(), person(1)}},
		"people come and go": {
			steps: []graph.Notification{deltaOf(1, bot(), person(1)), deltaOf(2, person(2)), deltaOf(3, gone(person(1)), person(3))},
			want:  []graph.Participant{bot(), person(2), person(3)},
		},
		"twice, and late": {
			steps: []graph.Notification{deltaOf(1, bot(), person(1)), deltaOf(2, gone(person(1))), deltaOf(2, gone(person(1))), deltaOf(1, bot(), person(1))},
			want:  []graph.Participant{bot()},
		},
		"after a whole one": {steps: []graph.Notification{rosterOf(testCallID, bot(), person(1)), deltaOf(1, person(2))}, want: []graph.Participant{bot(), person(1), person(2)}},
		"a gap": {
			steps: []graph.Notification{deltaOf(1, bot(), person(1)), deltaOf(3, person(3))},
			list:  []graph.Participant{bot(), person(2), person(3)}, want: []graph.Participant{bot(), person(2), person(3)}, asked: 1,
		},
		"it begins with a gap": {
			steps: []graph.Notification{deltaOf(4, person(3))},
			list:  []graph.Participant{bot(), person(3)}, want: []graph.Participant{bot(), person(3)}, asked: 1,
		},
		"somebody without an id": {
			steps: []graph.Notification{deltaOf(1, bot(), person(1)), deltaOf(2, graph.Participant{})},
			list:  []graph.Participant{bot(), person(1), person(2)}, want: []graph.Participant{bot(), person(1), person(2)}, asked: 1,
		},
		"somebody leaves who was never there": {steps: []graph.Notification{deltaOf(1, bot()), deltaOf(2, gone(person(1)))}, want: []graph.Participant{bot()}},
		"everybody leaves, and the list is asked for": {
			steps: []graph.Notification{deltaOf(1, bot(), person(1)), deltaOf(2, gone(person(1)))},
			want:  []graph.Participant{bot()},
		},
		"a whole one that was overtaken, by its numbers": {
			steps: []graph.Notification{rosterOf(testCallID, numbered(bot(), 1), numbered(person(1), 9)), rosterOf(testCallID, numbered(bot(), 1))},
			list:  []graph.Participant{numbered(bot(), 1)}, want: []graph.Participant{numbered(bot(), 1)}, asked: 1,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{list: func(string) ([]graph.Participant, error) { return tt.list, nil }}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				tell(t, s, updated(testCallID, graph.StateEstablished))
				for _, n := range tt.steps {
					tell(t, s, n)
				}
				pass(settleWait)
				snap := c.Snapshot()
				if diff := cmp.Diff(idsOf(tt.want), idsOf(snap.Participants)); diff != "" || snap.ParticipantCount != len(tt.want) {
					t.Errorf("%d participants (-want +got):\n%s", snap.ParticipantCount, diff)
				}
				if got := g.count("list", testCallID); got != tt.asked {
					t.Errorf("the roster was asked for %d times, want %d", got, tt.asked)
				}
				wantPhase(t, c, PhaseEstablished)
			})
		})
	}
}

func TestARosterNothingIsHeardOfIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{list: func(string) ([]graph.Participant, error) { return []graph.Participant{bot()}, nil }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		establish(t, s)
		pass(rosterRefresh)
		if got := c.Snapshot().ParticipantCount; got != 1 {
			t.Errorf("%d participants, want the bot alone: that the other one left was lost", got)
		}
	})
}

// TestChangesInAnyOrderEndInTheTruth plays a meeting to a call whose notifications get lost, come twice and overtake each other. Once
// it is quiet, the roster must be what is true.
func TestChangesInAnyOrderEndInTheTruth(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) {
			rnd := newLuck(seed, 3)
			var mu sync.Mutex // of the truth
			truth := map[string]graph.Participant{testSelf: bot()}
			listed := func() []graph.Participant {
				mu.Lock()
				defer mu.Unlock()
				var list []graph.Participant
				for _, p := range truth {
					list = append(list, p)
				}
				slices.SortFunc(list, func(a, b graph.Participant) int { return compareText(a.ID, b.ID) })
				return list
			}
			g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
				list := listed()
				time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond) // it is old when it comes
				return list, nil
			}}
			s := newTestServer(t, g)
			defer stop(t, s)
			c := join(t, s)
			tell(t, s, updated(testCallID, graph.StateEstablished))
			counter := 1
			s.deliver(testUID, []graph.Notification{deltaOf(1, numbered(bot(), 1))})
			for number := 2; number < 40; number++ {
				counter++
				p := numbered(person(rnd.IntN(8)), counter)
				mu.Lock()
				if _, there := truth[p.ID]; there && rnd.IntN(2) == 0 {
					delete(truth, p.ID)
					p = gone(p)
				} else {
					p.IsMuted = rnd.IntN(2) == 0
					truth[p.ID] = p
				}
				mu.Unlock()
				n := deltaOf(number, p)
				for range rnd.IntN(3) { // lost, once or twice
					time.AfterFunc(time.Duration(rnd.IntN(1500))*time.Millisecond, func() { s.deliver(testUID, []graph.Notification{n}) })
				}
				pass(time.Duration(rnd.IntN(700)) * time.Millisecond)
			}
			pass(rosterRefresh + 10*time.Second)
			if diff := cmp.Diff(idsOf(listed()), idsOf(c.Snapshot().Participants)); diff != "" {
				t.Errorf("seed %d: participants (-true +told):\n%s", seed, diff)
			}
		})
		if t.Failed() {
			t.Fatal(fmt.Sprint("seed ", seed))
		}
	}
}
