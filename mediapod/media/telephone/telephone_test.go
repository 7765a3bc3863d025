// SPDX-License-Identifier: Apache-2.0

package telephone

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// dialled is a key and how long it is pressed.
type dialled struct {
	key    Key
	lasts  time.Duration
	pauses time.Duration
}

// dial sends keys over a network and returns what came of it.
func dial(t *testing.T, keys []dialled, clockRate int, network impair.Config) (events []Event) {
	t.Helper()
	s, r := NewSender(clockRate), NewReceiver(clockRate)
	link := impair.NewLink[Packet](network)
	step := uint32(clockRate / 50)
	timestamp := uint32(0xFFFF8000) // wraps soon
	var now time.Duration
	for len(keys) > 0 || s.Busy() {
		for len(keys) > 0 && s.Press(keys[0].key, keys[0].lasts, keys[0].pauses) == nil {
			keys = keys[1:]
		}
		if o, ok := s.Next(timestamp); ok {
			link.Send(Packet{Timestamp: o.Timestamp, SSRC: 7, Marker: o.Marker, Payload: o.Payload[:]}, now)
		}
		for p, at, ok := link.Receive(now); ok; p, at, ok = link.Receive(now) {
			events = r.Put(events, p, at)
		}
		events = r.Expire(events, now)
		timestamp += step
		now += interval
	}
	for p, at, ok := link.Receive(now + time.Hour); ok; p, at, ok = link.Receive(now + time.Hour) {
		events = r.Put(events, p, at)
	}
	return r.Expire(events, now+time.Hour)
}

// pressed writes out the keys that went down, and checks that each went up before
// the next.
func pressed(t *testing.T, events []Event) string {
	t.Helper()
	var keys strings.Builder
	for i, e := range events {
		if e.Down != (i%2 == 0) || i%2 == 1 && e.Key != events[i-1].Key {
			t.Fatalf("event %d is %+v after %+v", i, e, events[max(i-1, 0)])
		}
		if e.Down {
			keys.WriteString(e.Key.String())
		}
	}
	if len(events)%2 != 0 {
		t.Errorf("the last key did not go up")
	}
	return keys.String()
}

func random(n int, seed uint64) (keys []dialled, label string) {
	r := rand.New(rand.NewPCG(seed, 0))
	for range n {
		k := dialled{Key(r.IntN(16)), time.Duration(50+r.IntN(451)) * time.Millisecond, time.Duration(40+r.IntN(200)) * time.Millisecond}
		keys = append(keys, k)
		label += k.key.String()
	}
	return keys, label
}

func Test1000DigitsOverABadNetworkAreAllHeardOnce(t *testing.T) {
	networks := map[string]impair.Config{
		"none":                {},
		"loss and reordering": {LossPercent: 5, ReorderPercent: 5, HoldBack: 50 * time.Millisecond},
		"and jitter and bursts and duplicates": {LossPercent: 5, BurstPercent: 2, BurstPackets: 3, Jitter: 60 * time.Millisecond,
			ReorderPercent: 5, HoldBack: 90 * time.Millisecond, DuplicatePercent: 5},
	}
	for name, network := range networks {
		for _, rate := range []int{8000, 48000} {
			t.Run(fmt.Sprint(name, ", ", rate, " Hz"), func(t *testing.T) {
				for seed := range uint64(3) {
					network.Seed = seed
					keys, want := random(1000, seed)
					events := dial(t, keys, rate, network)
					if got := pressed(t, events); got != want {
						t.Fatalf("seed %d: got %d keys\n%s, want\n%s", seed, len(got), got, want)
					}
					if network.LossPercent > 0 {
						continue
					}
					for i, k := range keys {
						if off := events[2*i+1].Lasted - k.lasts; off > 0 || off < -time.Millisecond {
							t.Errorf("key %d lasted %v, want %v", i, events[2*i+1].Lasted, k.lasts)
						}
					}
				}
			})
		}
	}
}

// A segment is at most 8.2 s at 8000 Hz and 1.4 s at 48000 Hz.
func TestLongPressIsOne(t *testing.T) {
	for _, rate := range []int{8000, 48000} {
		for _, lasts := range []time.Duration{1350 * time.Millisecond, 1365 * time.Millisecond, 1370 * time.Millisecond, 3 * time.Second, 8190 * time.Millisecond, 8200 * time.Millisecond, 20 * time.Second} {
			for _, loss := range []float64{0, 10} {
				keys := []dialled{{5, lasts, 100 * time.Millisecond}, {5, 60 * time.Millisecond, 100 * time.Millisecond}}
				events := dial(t, keys, rate, impair.Config{Seed: 2, LossPercent: loss})
				if got := pressed(t, events); got != "55" {
					t.Errorf("%d Hz, %v, %v %% lost: got %s", rate, lasts, loss, got)
				} else if off := events[1].Lasted - lasts; off > 0 || loss == 0 && off < -time.Millisecond {
					t.Errorf("%d Hz, %v, %v %% lost: lasted %v", rate, lasts, loss, events[1].Lasted)
				}
			}
		}
	}
}

func TestKeysHaveLabels(t *testing.T) {
	for i, label := range names {
		k, ok := ParseKey(label)
		if !ok || k != Key(i) || k.String() != string(label) {
			t.Errorf("%c is key %d, %v, labelled %v", label, k, ok, k)
		}
	}
	if k, ok := ParseKey('d'); !ok || k != 15 {
		t.Errorf("d is key %d, %v", k, ok)
	}
	for _, label := range "E x+" {
		if k, ok := ParseKey(label); ok {
			t.Errorf("%c is key %v", label, k)
		}
	}
	if got := Key(17).String(); got != "?" {
		t.Errorf("key 17 is labelled %s", got)
	}
}
