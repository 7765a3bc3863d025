// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
)

func pod(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "voice", Name: name}
}

func session(uid string) Session {
	return Session{UID: types.UID(uid), Name: types.NamespacedName{Namespace: "voice", Name: uid}}
}

func bound(uid, version, to string) Binding {
	b := Binding{Session: session(uid), Version: version}
	if to != "" {
		b.Pod = pod(to)
	}
	return b
}

func TestPackedPicksTheFullestPodThatStillFits(t *testing.T) {
	load := func(name string, capacity, taken int32) Load {
		return Load{Pod: Pod{Name: pod(name), Capacity: capacity}, Taken: taken}
	}
	cases := map[string]struct {
		loads []Load
		want  string
	}{
		"no pods":                          {},
		"all full":                         {loads: []Load{load("a", 2, 2), load("b", 2, 3)}},
		"the fuller one":                   {loads: []Load{load("a", 5, 1), load("b", 5, 3), load("c", 5, 5)}, want: "b"},
		"the smallest gap in unequal pods": {loads: []Load{load("big", 100, 90), load("small", 4, 1)}, want: "small"},
		"by name when equal":               {loads: []Load{load("b", 5, 1), load("a", 5, 1)}, want: "a"},
		"over capacity is not free":        {loads: []Load{load("a", 1, 5), load("b", 5, 0)}, want: "b"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, ok := Choose(tc.loads, Packed)
			if ok != (tc.want != "") || got.Name.Name != tc.want {
				t.Errorf("got %q (%t), want %q", got.Name.Name, ok, tc.want)
			}
		})
	}
}

// TestLedgerCounts plays stories of one pod "a" with a seat or two, and says how many are taken at the end.
func TestLedgerCounts(t *testing.T) {
	one := []Pod{{Name: pod("a"), Capacity: 2}}
	reserve := func(t *testing.T, l *Ledger, uid string) {
		t.Helper()
		if _, ok := l.Reserve(session(uid), one, Packed); !ok {
			t.Fatalf("no seat for %s", uid)
		}
	}
	cases := map[string]struct {
		story func(t *testing.T, l *Ledger)
		want  int32
	}{
		"a reservation takes a seat": {func(t *testing.T, l *Ledger) { reserve(t, l, "s") }, 1},
		"a confirmed one stays taken though the watch lags": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Confirm(bound("s", "7", "a"))
			l.Observe(bound("s", "6", ""))
		}, 1},
		"a refused write gives it back": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Release("s")
		}, 0},
		"an unanswered write keeps it": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Doubt("s", "5")
			l.Observe(bound("s", "5", ""))
		}, 1},
		"doubt ends when the session moves on without it": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Doubt("s", "5")
			l.Observe(bound("s", "6", ""))
		}, 0},
		"doubt ends when the write is seen": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Doubt("s", "5")
			l.Observe(bound("s", "6", "a"))
		}, 1},
		"no doubt about a session that has moved on already": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Observe(bound("s", "6", ""))
			l.Doubt("s", "5")
		}, 0},
		"a watch event does not end a write that is under way": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", ""))
			reserve(t, l, "s")
			l.Observe(bound("s", "6", ""))
		}, 1},
		"a deleted session has none": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", "a"))
			l.Forget("s")
		}, 0},
		"late news of a deleted session is ignored": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", "a"))
			l.Forget("s")
			l.Observe(bound("s", "5", "a"))
			l.Confirm(bound("s", "6", "a"))
		}, 0},
		"versions compare as numbers": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "10", "a"))
			l.Observe(bound("s", "9", ""))
		}, 1},
		"a session that moves counts at both ends until the answer": {func(t *testing.T, l *Ledger) {
			l.Observe(bound("s", "5", "b"))
			reserve(t, l, "s")
			if got := l.Loads([]Pod{{Name: pod("b")}})[0].Taken; got != 1 {
				t.Errorf("the pod it leaves has %d taken, want 1", got)
			}
			l.Confirm(bound("s", "6", "a"))
			if got := l.Loads([]Pod{{Name: pod("b")}})[0].Taken; got != 0 {
				t.Errorf("the pod it left has %d taken, want 0", got)
			}
		}, 1},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLedger()
			tc.story(t, l)
			if got := l.Loads(one)[0].Taken; got != tc.want {
				t.Errorf("%d seats taken, want %d", got, tc.want)
			}
		})
	}
}

func TestReserveRepeatsTheWriteInDoubt(t *testing.T) {
	l := NewLedger()
	pods := []Pod{{Name: pod("a"), Capacity: 1}, {Name: pod("b"), Capacity: 1}}
	l.Observe(bound("s", "5", ""))
	first, _ := l.Reserve(session("s"), pods, Packed)
	l.Doubt("s", "5")
	again, ok := l.Reserve(session("s"), pods, Packed)
	if !ok || again != first {
		t.Errorf("got %v (%t) after doubt about %v: a second seat was taken", again, ok, first)
	}
}

func TestOneSessionOfABotInAMeeting(t *testing.T) {
	pods := []Pod{{Name: pod("a"), Capacity: 9}}
	in := func(uid string, shared bool) Session {
		s := session(uid)
		s.Meeting, s.Shared = "standup", shared
		return s
	}
	l := NewLedger()
	if _, ok := l.Reserve(in("first", false), pods, Packed); !ok {
		t.Fatal("the first found no seat")
	}
	got, ok := l.Reserve(in("second", false), pods, Packed)
	if diff := cmp.Diff(Reservation{Rival: in("first", false).Name}, got); ok || diff != "" {
		t.Errorf("the second got in (%t): %s", ok, diff)
	}
	if _, ok := l.Reserve(in("third", true), pods, Packed); !ok {
		t.Error("one that allows duplicates did not get in")
	}
	l.Release("first")
	l.Release("third")
	if _, ok := l.Reserve(in("second", false), pods, Packed); !ok {
		t.Error("the second did not get in when the others had left")
	}
}

func TestACallWithoutPodKeepsTheMeeting(t *testing.T) {
	pods := []Pod{{Name: pod("a"), Capacity: 9}}
	l := NewLedger()
	first, second := session("first"), session("second")
	first.Meeting, second.Meeting = "standup", "standup"
	l.Observe(Binding{Session: first, Version: "1", Inside: true})
	if _, ok := l.Reserve(second, pods, Packed); ok {
		t.Error("the second got in while the first's call goes on")
	}
	first.Shared = true
	if _, ok := l.Reserve(first, pods, Packed); !ok {
		t.Fatal("the first found no pod to go on in")
	}
	l.Release("first")
	if _, ok := l.Reserve(second, pods, Packed); ok {
		t.Error("the second got in because the first found no pod")
	}
	l.Observe(Binding{Session: first, Version: "2"})
	if _, ok := l.Reserve(second, pods, Packed); !ok {
		t.Error("the second did not get in when the first's call was over")
	}
}

func TestBehindAndHolds(t *testing.T) {
	l := NewLedger()
	if l.Behind("s", "1") || l.Holds("s") {
		t.Error("an unknown session is behind, or holds a seat")
	}
	if l.Observe(bound("s", "7", "a")) {
		t.Error("the first version was known before")
	}
	if !l.Observe(bound("s", "7", "a")) || !l.Behind("s", "6") || l.Behind("s", "7") || l.Behind("s", "8") || !l.Holds("s") {
		t.Error("version 7 was not understood")
	}
}

func TestTombstonesAreBounded(t *testing.T) {
	var stones tombstones
	for i := range 3 * tombstoneCount {
		stones.add(types.UID(fmt.Sprint(i)))
	}
	if len(stones.set) != tombstoneCount || len(stones.ring) != tombstoneCount {
		t.Errorf("%d and %d are kept, want %d", len(stones.set), len(stones.ring), tombstoneCount)
	}
	if !stones.has(types.UID(fmt.Sprint(3*tombstoneCount-1))) || stones.has("0") {
		t.Error("not the last ones are kept")
	}
}

func TestConcurrentReservationsNeverOversell(t *testing.T) {
	l := NewLedger()
	pods := []Pod{{Name: pod("a"), Capacity: 10}, {Name: pod("b"), Capacity: 7}}
	var wg sync.WaitGroup
	won := make(chan string, 200)
	for i := range 200 {
		wg.Go(func() {
			uid := fmt.Sprintf("s%d", i)
			if r, ok := l.Reserve(session(uid), pods, Packed); ok {
				l.Confirm(bound(uid, "1", r.Pod.Name))
				won <- uid
			}
		})
	}
	wg.Wait()
	if len(won) != 17 {
		t.Errorf("%d seats were given, want 17", len(won))
	}
	for i, want := range []int32{10, 7} {
		if got := l.Loads(pods)[i].Taken; got != want {
			t.Errorf("pod %s has %d taken, want %d", pods[i].Name.Name, got, want)
		}
	}
}
