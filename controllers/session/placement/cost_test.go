// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// TestSeatsAreCountedByWhatCallsTake plays stories of one pod "a", and says how many seats are taken at the end.
func TestSeatsAreCountedByWhatCallsTake(t *testing.T) {
	of := func(cost int32) []Pod { return []Pod{{Name: pod("a"), Capacity: 10, Cost: cost}} }
	at := func(version, to string, seats int32) Binding {
		b := bound("s", version, to)
		b.Seats = seats
		return b
	}
	cases := map[string]struct {
		story func(l *Ledger)
		want  int32
	}{
		"a reservation":             {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed) }, 3},
		"confirmed":                 {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed); l.Confirm(at("2", "a", 3)) }, 3},
		"released":                  {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed); l.Release("s") }, 0},
		"in doubt":                  {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed); l.Doubt("s", "") }, 3},
		"in doubt, and written":     {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed); l.Doubt("s", ""); l.Observe(at("2", "a", 3)) }, 3},
		"in doubt, and not":         {func(l *Ledger) { l.Reserve(session("s"), of(3), Packed); l.Doubt("s", ""); l.Observe(at("2", "", 0)) }, 0},
		"seen":                      {func(l *Ledger) { l.Observe(at("1", "a", 4)) }, 4},
		"seen, of an older writer":  {func(l *Ledger) { l.Observe(at("1", "a", 0)) }, 1},
		"seen, and taken again":     {func(l *Ledger) { l.Observe(at("1", "a", 4)); l.Reserve(session("s"), of(2), Packed) }, 4},
		"seen, and less afterwards": {func(l *Ledger) { l.Observe(at("1", "a", 4)); l.Observe(at("2", "a", 2)) }, 2},
		"gone":                      {func(l *Ledger) { l.Observe(at("1", "a", 4)); l.Forget("s") }, 0},
		"more than is left is not":  {func(l *Ledger) { l.Observe(at("1", "a", 8)); l.Reserve(session("t"), of(3), Packed) }, 8},
		"exactly what is left is":   {func(l *Ledger) { l.Observe(at("1", "a", 7)); l.Reserve(session("t"), of(3), Packed) }, 10},
		"a repeated write, the same": {func(l *Ledger) {
			l.Reserve(session("s"), of(8), Packed)
			l.Doubt("s", "")
			l.Reserve(session("s"), of(8), Packed)
		}, 8},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			tc.story(l)
			if got := l.Loads(of(1))[0].Taken; got != tc.want {
				t.Errorf("%d seats taken, want %d", got, tc.want)
			}
		})
	}
}

// The sums are kept beside what they are the sums of.
func TestTheSumsAreRight(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	l, version := NewLedger(), 0
	var pods []Pod
	for i := range 4 {
		pods = append(pods, Pod{Name: pod(fmt.Sprint("p", i)), Capacity: 12})
	}
	for range 20000 {
		uid := types.UID(fmt.Sprint("s", random.IntN(40)))
		version++
		s := Session{UID: uid, Name: pod(string(uid))}
		for i := range pods {
			pods[i].Cost = 1 + random.Int32N(3)
		}
		switch random.IntN(5) {
		case 0:
			l.Observe(Binding{Session: s, Version: fmt.Sprint(version)})
		case 1:
			p := pods[random.IntN(4)]
			l.Observe(Binding{Session: s, Version: fmt.Sprint(version), Pod: p.Name, Seats: p.Cost})
		default:
			if r, ok := l.Reserve(s, pods, Packed); ok {
				switch random.IntN(3) {
				case 0:
					l.Confirm(Binding{Session: s, Version: fmt.Sprint(version), Pod: r.Pod, Seats: r.Seats})
				case 1:
					l.Release(uid)
				default:
					l.Doubt(uid, fmt.Sprint(version))
				}
			}
		}
		for _, p := range pods {
			sum := int32(0)
			for _, n := range l.seats[p.Name] {
				sum += n
			}
			if sum != l.taken[p.Name] {
				t.Fatalf("pod %s: %d seats are taken, and the sum says %d", p.Name.Name, sum, l.taken[p.Name])
			}
		}
	}
}
