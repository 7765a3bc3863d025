// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	here    = laneKey{Bot{"voice", "reception"}, laneUnproven}
	there   = laneKey{Bot{"voice", "sales"}, laneUnproven}
	flooder = netip.MustParseAddr("192.0.2.1")
	other   = netip.MustParseAddr("192.0.2.2")
)

func narrow(change func(*laneLimit)) *lanes {
	limit := laneLimit{inFlight: 2, waiting: 3, everywhere: 100, patience: time.Second}
	if change != nil {
		change(&limit)
	}
	return newLanes(map[laneClass]laneLimit{laneUnproven: limit})
}

func TestLaneServesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := narrow(nil)
		var mu sync.Mutex
		var order []int
		for i := range 6 {
			go func() {
				ok := l.enter(t.Context(), here, other)
				if ok {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
				} else if i != 5 {
					t.Errorf("request %d was turned away", i)
				}
			}()
			synctest.Wait()
		}
		if len(order) != 2 {
			t.Fatalf("%v are under way, want two", order)
		}
		if !l.enter(t.Context(), there, other) {
			t.Error("a full lane of one bot keeps another bot's requests out")
		}
		for want := range 4 {
			if order[want] != want {
				t.Fatalf("served as %v", order)
			}
			l.leave(here, other)
			synctest.Wait()
		}
		l.leave(here, other)
		l.leave(there, other)
		if len(order) != 5 || l.count(laneUnproven) != 0 || len(l.lanes) != 0 {
			t.Errorf("served %v; %d still counted in %d lanes", order, l.count(laneUnproven), len(l.lanes))
		}
	})
}

func TestLaneLosesPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := narrow(func(limit *laneLimit) { limit.inFlight = 1 })
		if !l.enter(t.Context(), here, flooder) {
			t.Fatal("an empty lane is full")
		}
		start := time.Now()
		if l.enter(t.Context(), here, other) || time.Since(start) != time.Second {
			t.Errorf("a turn that does not come was waited for %s", time.Since(start))
		}
		gone, hangUp := context.WithCancel(t.Context())
		hangUp()
		if l.enter(gone, here, other) {
			t.Error("a sender that hung up got a place")
		}
		l.leave(here, flooder)
		if l.count(laneUnproven) != 0 || len(l.lanes) != 0 {
			t.Error("places leak")
		}
	})
}

func TestOneSourceLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := narrow(func(limit *laneLimit) { limit.perSource = 3 })
		admitted := make(chan bool, 11)
		for range 10 {
			go func() { admitted <- l.enter(t.Context(), here, flooder) }()
		}
		synctest.Wait()
		if got := l.count(laneUnproven); got != 3 {
			t.Errorf("one address holds %d places, want 3", got)
		}
		go func() { admitted <- l.enter(t.Context(), here, other) }()
		synctest.Wait()
		if got := l.count(laneUnproven); got != 4 {
			t.Errorf("another address finds no place: %d are taken", got)
		}
		// Two of the flooder's are under way; its third and the other's wait, and follow as those leave.
		for _, source := range []netip.Addr{flooder, flooder, flooder, other} {
			l.leave(here, source)
			synctest.Wait()
		}
		if l.count(laneUnproven) != 0 || len(l.lanes) != 0 {
			t.Error("places leak")
		}
	})
}

// Whoever floods waits for itself: another address's request comes next but for those before it in its own queue.
func TestAddressesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := narrow(func(limit *laneLimit) { limit.inFlight, limit.waiting = 1, 100 })
		var mu sync.Mutex
		var order []netip.Addr
		enter := func(from netip.Addr) {
			go func() {
				if l.enter(t.Context(), here, from) {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, from)
				}
			}()
			synctest.Wait()
		}
		for range 20 {
			enter(flooder)
		}
		enter(other)
		enter(other)
		for i := range 22 {
			l.leave(here, order[i])
			synctest.Wait()
		}
		if len(order) != 22 || order[1] != flooder || order[2] != other || order[3] != flooder || order[4] != other {
			t.Errorf("served in this order: %v", order)
		}
		if l.count(laneUnproven) != 0 || len(l.lanes) != 0 {
			t.Error("places leak")
		}
	})
}

func TestAQueueThatOthersFilledTakesAFewOfEachAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := narrow(func(limit *laneLimit) { limit.inFlight, limit.waiting, limit.assured = 1, 5, 2 })
		enter := func(n int, from netip.Addr) {
			for range n {
				go l.enter(t.Context(), here, from)
			}
			synctest.Wait()
		}
		enter(20, flooder)
		if got := l.count(laneUnproven); got != 1+5 {
			t.Fatalf("%d places are taken, want one under way and the queue full", got)
		}
		enter(10, other)
		if got := l.count(laneUnproven); got != 1+5+2 {
			t.Errorf("%d places are taken, want two more for the other address", got)
		}
		time.Sleep(2 * time.Second) // all lose patience
		l.leave(here, flooder)
		if l.count(laneUnproven) != 0 || len(l.lanes) != 0 {
			t.Error("places leak")
		}
	})
}

func TestBoundEverywhere(t *testing.T) {
	l := narrow(func(limit *laneLimit) { limit.everywhere = 1 })
	if !l.enter(t.Context(), here, other) || l.enter(t.Context(), there, other) {
		t.Error("the bound over all bots does not hold")
	}
	if len(l.lanes) != 1 {
		t.Error("a lane was made for a request that was turned away")
	}
}

func TestSourceOf(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1234": "192.0.2.7", "[::ffff:192.0.2.7]:1": "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "2001:db8:1:2::", "[fe80::1%eth0]:1": "fe80::",
	} {
		if got := sourceOf(remote); got.String() != want {
			t.Errorf("sourceOf(%s) = %s, want %s", remote, got, want)
		}
	}
	if sourceOf("pipe").IsValid() {
		t.Error("no address became one")
	}
}
