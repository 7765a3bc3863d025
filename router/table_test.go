// SPDX-License-Identifier: Apache-2.0

package router

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func names(targets []target) []string {
	var names []string
	for _, to := range targets {
		names = append(names, to.name)
	}
	return names
}

func TestNewCallsGoWhereThereIsRoom(t *testing.T) {
	clk := clocktesting.NewFakePassiveClock(time.Now())
	table := NewTable()
	table.clock = clk
	table.Set(mediaPod("reception-0", "10.0.0.1", 3))
	table.Set(mediaPod("reception-1", "10.0.0.2", 9))
	table.Set(mediaPod("reception-2", "10.0.0.3", 0))
	table.Set(mediaPod("reception-3", "10.0.0.4", 20, draining))
	table.Set(mediaPod("reception-4", "10.0.0.5", 20, notReady))
	table.Set(mediaPod("reception-5", "", 20))
	bot := Bot{"voice", "reception"}
	expect := func(what string, got []target, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, names(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("pods with room, most free first", table.withRoom(bot), "reception-1", "reception-0")
	expect("all that have an address, those that take calls first", table.reachable(bot)[:3], "reception-1", "reception-0", "reception-2")
	if got := table.reachable(bot); len(got) != 5 || got[0].addr != "10.0.0.2:9441" {
		t.Errorf("reachable: %v", got)
	}

	// A pod that drains still gets the notifications of its calls.
	if to, known := table.owner(bot, "reception-3"); to.addr != "10.0.0.4:9441" || !known {
		t.Errorf("owner of a draining pod's call = %v, %v", to, known)
	}
	if to, known := table.owner(bot, "reception-5"); to.addr != "" || !known {
		t.Errorf("owner without address = %v, %v", to, known)
	}
	if _, known := table.owner(bot, "reception-9"); known {
		t.Error("a pod that does not exist is known")
	}

	// Between two reports of a pod its seats are counted here.
	first := table.withRoom(bot)[0]
	for range 7 {
		table.asked(bot, first, true)
	}
	expect("after seven calls to one pod", table.withRoom(bot), "reception-0", "reception-1")
	table.asks(bot, first)
	expect("one on its way keeps nobody out", table.withRoom(bot), "reception-0", "reception-1")
	for range 2 {
		table.asked(bot, first, true)
	}
	expect("after nine", table.withRoom(bot), "reception-0")
	table.Set(mediaPod("reception-1", "10.0.0.2", 9))
	expect("a change of something else says nothing of seats", table.withRoom(bot), "reception-0")
	clk.SetTime(clk.Now().Add(reportLag + time.Millisecond))
	expect("calls that the pod would have reported by now have ended", table.withRoom(bot), "reception-1", "reception-0")
	table.asked(bot, first, true)
	table.Set(mediaPod("reception-1", "10.0.0.2", 1))
	expect("a report counts more than what was counted here", table.withRoom(bot), "reception-0", "reception-1")

	table.failed(bot, table.withRoom(bot)[0])
	expect("a pod that could not be reached comes last", table.withRoom(bot), "reception-1", "reception-0")
	clk.SetTime(clk.Now().Add(avoidFor))
	expect("for a while", table.withRoom(bot), "reception-0", "reception-1")

	table.Delete(mediaPod("reception-1", "10.0.0.2", 9))
	expect("after a pod is deleted", table.withRoom(bot), "reception-0")
	if table.knows(Bot{"other", "reception"}) || !table.knows(bot) {
		t.Error("bots of two namespaces are confused")
	}
	if table.serviceHosted(bot) {
		t.Error("the bot's media is its own")
	}
	table.Set(mediaPod("reception-6", "10.0.0.7", 1, hosted))
	if !table.serviceHosted(bot) {
		t.Error("the bot's media is the service's")
	}
}

// A bot that rejects or redirects most calls takes them without a seat, and its report does not change.
func TestCallsThatTakeNoSeatFillNoPod(t *testing.T) {
	clk := clocktesting.NewFakePassiveClock(time.Now())
	table := NewTable()
	table.clock = clk
	table.Set(mediaPod("reception-0", "10.0.0.1", 3))
	bot := Bot{"voice", "reception"}
	to := table.reachable(bot)[0]
	for i := range 20 {
		if len(table.withRoom(bot)) == 0 {
			t.Fatalf("after %d calls, one every two seconds, the pod counts as full", i)
		}
		table.asked(bot, to, true)
		clk.SetTime(clk.Now().Add(2 * time.Second))
	}
	if n := len(table.pods[bot]["reception-0"].sent); n > 3 {
		t.Errorf("%d calls are remembered, though most of them are long reported", n)
	}
}

// A pod that hangs costs the call that asks it a second: it is asked seldom, and by one call at a time.
func TestAPodThatSaysNothingIsAskedEverMoreSeldom(t *testing.T) {
	clk := clocktesting.NewFakePassiveClock(time.Now())
	table := NewTable()
	table.clock = clk
	table.Set(mediaPod("r-0", "10.0.0.1", 9))
	table.Set(mediaPod("r-1", "10.0.0.2", 1))
	bot := Bot{"voice", "reception"}
	wedged := table.withRoom(bot)[0]
	first := func() string { return table.withRoom(bot)[0].name }
	for _, away := range []time.Duration{5, 10, 20, 40, 80, 120, 120} {
		if first() != "r-0" {
			t.Fatalf("before it is avoided for %d s: %s comes first", away, first())
		}
		table.asks(bot, wedged)
		if away > 5 && first() != "r-1" {
			t.Error("while one call finds out whether it still hangs, others are sent there too")
		}
		clk.SetTime(clk.Now().Add(verdictTimeout))
		for range 3 { // calls that had been sent there side by side
			table.silent(bot, wedged)
		}
		table.asked(bot, wedged, false)
		clk.SetTime(clk.Now().Add(away*time.Second - time.Millisecond))
		if first() != "r-1" {
			t.Fatalf("it is asked first again before %d s are over", away)
		}
		clk.SetTime(clk.Now().Add(time.Millisecond))
	}
	table.spoke(bot, wedged)
	if first() != "r-0" || table.pods[bot]["r-0"].silences != 0 {
		t.Error("an answer does not clear it")
	}
	table.silent(bot, wedged)
	table.Set(mediaPod("r-0", "10.0.0.1", 9, notReady))
	table.Set(mediaPod("r-0", "10.0.0.1", 9))
	if first() != "r-0" {
		t.Error("a pod that became Ready anew is avoided for what it was before")
	}
}

func BenchmarkTableWithRoom(b *testing.B) {
	table := NewTable()
	for i := range 40 {
		table.Set(mediaPod("reception-"+string(rune('a'+i)), "10.0.0.1", int32(i)))
	}
	bot := Bot{"voice", "reception"}
	b.ReportAllocs()
	for b.Loop() {
		if len(table.withRoom(bot)) != 39 {
			b.Fatal("pods are missing")
		}
	}
}

func TestCallsThatTakeMoreSeatsNeedPodsThatHaveThem(t *testing.T) {
	recorded := func(mp *callfleetv1.MediaPod) {
		mp.Spec.Incoming = []callfleetv1.IncomingRule{{Action: callfleetv1.IncomingAnswer, Behavior: &callfleetv1.Behavior{Recording: &callfleetv1.RecordingBehavior{}}}}
	}
	table := NewTable()
	table.Set(mediaPod("reception-0", "10.0.0.1", 1, recorded))
	table.Set(mediaPod("reception-1", "10.0.0.2", 3, recorded))
	bot := Bot{"voice", "reception"}
	if got := names(table.withRoom(bot)); !slices.Equal(got, []string{"reception-1"}) {
		t.Errorf("asked: %v; a recorded call takes two seats", got)
	}
	table.asked(bot, table.withRoom(bot)[0], true)
	if got := names(table.withRoom(bot)); len(got) != 0 {
		t.Errorf("asked with one seat left: %v", got)
	}
}
