// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func pressing(sequence int, tone graph.Tone) graph.Notification {
	return updated(testCallID, graph.StateEstablished, func(c *graph.Call) {
		c.ToneInfo = &graph.ToneInfo{SequenceID: graph.Sequence(sequence), Tone: tone}
	})
}

func TestKeysComeInTheirOrder(t *testing.T) {
	p := func(sequence int) step { return notify(pressing(sequence, graph.Tone(fmt.Sprint(sequence)))) }
	wait := func(m *machine, now time.Time) { tickUntil(m, now.Add(time.Second)) }
	tests := map[string]struct {
		adopted bool
		steps   []step
		want    string
	}{
		"in order":                     {steps: []step{p(1), p(2), p(3)}, want: "1 2 3"},
		"counted from zero":            {steps: []step{p(0), p(1), p(2)}, want: "0 1 2"},
		"twice":                        {steps: []step{p(1), p(1), p(2), p(1), p(2)}, want: "1 2"},
		"overtaken":                    {steps: []step{p(2), p(1), p(4), p(3)}, want: "1 2 3 4"},
		"overtaken, twice":             {steps: []step{p(3), p(3), p(2), p(1), p(3)}, want: "1 2 3"},
		"one is waited for":            {steps: []step{p(1), p(3)}, want: "1"},
		"one is lost":                  {steps: []step{p(1), p(3), p(5), wait, p(6)}, want: "1 3 5 6"},
		"one comes after it was lost":  {steps: []step{p(1), p(3), wait, p(2), p(4)}, want: "1 3 4"},
		"in the middle of many":        {adopted: true, steps: []step{p(41), p(42)}, want: "41 42"},
		"in the middle of many, wrong": {adopted: true, steps: []step{p(42), p(41), p(43)}, want: "42 43"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			set := meetingSetting()
			set.group = false
			if tt.adopted {
				set.origin, set.callID = originAdopted, testCallID
			}
			w := newFakeWorld()
			m := newMachine(w, set, start)
			m.begin(start)
			if !tt.adopted {
				created(testCallID)(m, start)
			}
			now := start
			for _, step := range tt.steps {
				now = now.Add(10 * time.Millisecond)
				step(m, now)
			}
			var got []string
			for _, k := range w.keys {
				got = append(got, string(k))
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if last := m.snapshot().LastTone; last == nil || string(last.Tone) != got[len(got)-1] {
				t.Errorf("last tone %v", last)
			}
		})
	}
}

func TestKeysInAnyOrderComeOutOnceAndSorted(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		w := newFakeWorld()
		set := meetingSetting()
		m := newMachine(w, set, start)
		m.begin(start)
		created(testCallID)(m, start)
		var order []int
		for i := 1; i <= 20; i++ {
			for range 1 + rnd.IntN(2) {
				order = append(order, i)
			}
		}
		rnd.Shuffle(len(order), func(i, j int) { // each overtakes a few
			if j-i < 6 && i-j < 6 {
				order[i], order[j] = order[j], order[i]
			}
		})
		now := start
		for _, i := range order {
			now = now.Add(20 * time.Millisecond)
			notify(pressing(i, graph.Tone(fmt.Sprintf("%02d", i))))(m, now)
		}
		tickUntil(m, now.Add(time.Minute))
		for i := 1; i < len(w.keys); i++ {
			if w.keys[i-1] >= w.keys[i] {
				t.Fatalf("seed %d: %v", seed, w.keys)
			}
		}
		if len(w.keys) != 20 {
			t.Fatalf("seed %d: %d keys of 20: %v", seed, len(w.keys), w.keys)
		}
	}
}

// What signalling adds to the time that the service takes for a key: nothing where notifications come in order, and, for one that
// overtook others, the time until those are there, half a second at most.
func TestAKeyIsHandedOnAsSoonAsThoseBeforeItAreThere(t *testing.T) {
	const keys = 300
	for name, tc := range map[string]struct {
		spread time.Duration // by which notifications are late, each by another part of it
		lost   int           // in a hundred
	}{
		"in order":        {},
		"out of order":    {spread: 450 * time.Millisecond},
		"and with losses": {spread: 450 * time.Millisecond, lost: 3},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, &fakeGraph{})
				defer stop(t, s)
				c := call(t, s)
				tell(t, s, updated(testCallID, graph.StateEstablished))
				begun, rnd := time.Now(), rand.New(rand.NewPCG(4, 0))
				arrived := map[int]time.Duration{} // by the number of the key
				at, last := time.Duration(0), time.Duration(0)
				for n := 1; n <= keys; n++ {
					at += 120*time.Millisecond + time.Duration(rnd.Int64N(int64(300*time.Millisecond)))
					if rnd.IntN(100) < tc.lost && n < keys {
						continue
					}
					arrived[n] = at
					if tc.spread > 0 {
						arrived[n] += time.Duration(rnd.Int64N(int64(tc.spread)))
					}
					last = max(last, arrived[n])
					time.AfterFunc(arrived[n], func() { s.deliver(testUID, []graph.Notification{pressing(n, graph.Tone(fmt.Sprint(n)))}) })
				}
				told, number := map[int]time.Duration{}, 0
				for range arrived {
					tone, _, err := c.NextTone(t.Context(), len(told))
					if err != nil {
						t.Fatal(err)
					}
					var n int
					if _, err := fmt.Sscan(string(tone.Tone), &n); err != nil || n <= number {
						t.Fatalf("key %s is told behind key %d", tone.Tone, number)
					}
					number, told[n] = n, time.Since(begun)
				}
				var added []time.Duration
				ready := time.Duration(0) // when all up to a key were there
				for _, n := range slices.Sorted(maps.Keys(arrived)) {
					if ready = max(ready, arrived[n]); tc.lost == 0 && told[n] != ready {
						t.Errorf("key %d was there after %v, those before it too after %v, and it was told after %v", n, arrived[n], ready, told[n])
					}
					added = append(added, told[n]-arrived[n])
				}
				slices.Sort(added)
				t.Logf("from a notification to its event: median %v, 99 %% %v, most %v", added[len(added)/2], added[len(added)*99/100], added[len(added)-1])
				if most := added[len(added)-1]; most > toneWait {
					t.Errorf("a key waited %v", most)
				}
			})
		})
	}
}

func TestWaitingForKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, &fakeGraph{})
		defer stop(t, s)
		c := call(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished), pressing(1, "tone1"))
		ask := func(position int) (graph.Tone, int, error) {
			tone, at, err := c.NextTone(t.Context(), position)
			return tone.Tone, at, err
		}
		if tone, at, err := ask(0); tone != "tone1" || at != 0 || err != nil {
			t.Errorf("NextTone(0) = %s, %d, %v", tone, at, err)
		}
		time.AfterFunc(time.Second, func() { s.deliver(testUID, []graph.Notification{pressing(2, "pound")}) })
		if tone, at, err := ask(1); tone != "pound" || at != 1 || err != nil {
			t.Errorf("NextTone(1) = %s, %d, %v", tone, at, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := c.NextTone(ctx, 2); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("NextTone() without a key = %v", err)
		}
		for i := range maxTonesKept {
			tell(t, s, pressing(3+i, "star"))
		}
		if tone, at, err := ask(0); tone != "star" || at != 2 || err != nil || c.Tones() != maxTonesKept+2 {
			t.Errorf("NextTone(0) = %s, %d, %v after %d keys, want the oldest that is remembered", tone, at, err, c.Tones())
		}
		tell(t, s, deleted(testCallID, 200, 0))
		if _, _, err := ask(c.Tones()); !errors.Is(err, ErrCallOver) {
			t.Errorf("NextTone() after the end = %v", err)
		}
		for _, e := range c.Snapshot().Events {
			if strings.Contains(e.Event+e.Detail, "pound") || strings.Contains(e.Detail, "star") {
				t.Errorf("a key is in the timeline: %+v", e)
			}
		}
	})
}
