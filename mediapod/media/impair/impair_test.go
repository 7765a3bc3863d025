// SPDX-License-Identifier: Apache-2.0

package impair

import (
	"math"
	"slices"
	"testing"
	"time"
)

const packetTime = 20 * time.Millisecond

// outcome is what became of packets sent every 20 ms.
type outcome struct {
	order        []int           // numbers of the packets as they arrived
	delays       []time.Duration // of each of those
	lost         []bool          // by number
	doubled      int
	overtaken    int // arrived after one that was sent later
	longestBurst int
}

func send(c Config, n int) outcome {
	o := outcome{lost: make([]bool, n)}
	link := NewLink[int](c)
	arrived := make([]int, n)
	newest := -1
	receive := func(until time.Duration) {
		for {
			i, at, ok := link.Receive(until)
			if !ok {
				return
			}
			o.order = append(o.order, i)
			o.delays = append(o.delays, at-time.Duration(i)*packetTime)
			if arrived[i]++; arrived[i] == 2 {
				o.doubled++
			}
			if i < newest && arrived[i] == 1 {
				o.overtaken++
			}
			newest = max(newest, i)
		}
	}
	for i := range n {
		link.Send(i, time.Duration(i)*packetTime)
		receive(time.Duration(i) * packetTime)
	}
	receive(math.MaxInt64)
	run := 0
	for i := range n {
		if o.lost[i] = arrived[i] == 0; o.lost[i] {
			run++
		} else {
			run = 0
		}
		o.longestBurst = max(o.longestBurst, run)
	}
	return o
}

func (o outcome) lossPercent() float64 {
	lost := 0
	for _, l := range o.lost {
		if l {
			lost++
		}
	}
	return 100 * float64(lost) / float64(len(o.lost))
}

func TestNetworkIsAsBadAsAskedFor(t *testing.T) {
	const n = 50000
	percent := func(k int) float64 { return 100 * float64(k) / n }
	tests := map[string]struct {
		config                       Config
		loss, doubled, overtaken     float64 // percent
		minDelay, maxDelay, variance time.Duration
	}{
		"perfect":           {},
		"delay":             {config: Config{Delay: 50 * time.Millisecond}, minDelay: 50 * time.Millisecond, maxDelay: 50 * time.Millisecond},
		"random loss":       {config: Config{LossPercent: 5}, loss: 5},
		"bursts":            {config: Config{BurstPercent: 2, BurstPackets: 3}, loss: 2},
		"everything lost":   {config: Config{LossPercent: 100}, loss: 100},
		"duplicates":        {config: Config{DuplicatePercent: 3}, doubled: 3},
		"jitter in a queue": {config: Config{Jitter: 60 * time.Millisecond}, maxDelay: 60 * time.Millisecond},
		"reordering": {config: Config{ReorderPercent: 1, HoldBack: 30 * time.Millisecond},
			overtaken: 1, maxDelay: 30 * time.Millisecond},
		"all of it": {config: Config{LossPercent: 5, BurstPercent: 2, BurstPackets: 3, Delay: 10 * time.Millisecond, Jitter: 60 * time.Millisecond,
			ReorderPercent: 1, HoldBack: 30 * time.Millisecond, DuplicatePercent: 1},
			loss: 6.9, overtaken: 0.93, doubled: 0.93, minDelay: 10 * time.Millisecond, maxDelay: 100 * time.Millisecond},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.config.Seed = 7
			o := send(tc.config, n)
			near := func(what string, got, want float64) {
				t.Helper()
				if math.Abs(got-want) > 0.12*want {
					t.Errorf("%s %.2f %%, want %.2f %%", what, got, want)
				}
			}
			near("lost", o.lossPercent(), tc.loss)
			near("doubled", percent(o.doubled), tc.doubled)
			near("overtaken", percent(o.overtaken), tc.overtaken)
			if len(o.delays) == 0 {
				return
			}
			least, most := slices.Min(o.delays), slices.Max(o.delays)
			if least < tc.minDelay || most > tc.maxDelay || most < tc.maxDelay*98/100 {
				t.Errorf("delays from %v to %v, want %v to %v", least, most, tc.minDelay, tc.maxDelay)
			}
		})
	}
}

func TestBurstsHaveTheirLength(t *testing.T) {
	o := send(Config{Seed: 1, BurstPercent: 0.1, BurstPackets: 4}, 50000)
	run := 0
	for i, lost := range append(o.lost, false) {
		if lost {
			run++
			continue
		}
		if run%4 != 0 { // two in a row are possible
			t.Errorf("%d packets lost before packet %d, want bursts of 4", run, i)
		}
		run = 0
	}
	if o.longestBurst < 4 {
		t.Error("no burst")
	}
}

func TestSeedRepeatsTheNetwork(t *testing.T) {
	c := Config{Seed: 3, LossPercent: 5, BurstPercent: 2, BurstPackets: 3, Jitter: 60 * time.Millisecond,
		ReorderPercent: 1, HoldBack: 30 * time.Millisecond, DuplicatePercent: 1}
	first, again := send(c, 2000), send(c, 2000)
	if !slices.Equal(first.order, again.order) || !slices.Equal(first.delays, again.delays) {
		t.Error("the same seed gave another network")
	}
	c.Seed++
	if other := send(c, 2000); slices.Equal(first.order, other.order) {
		t.Error("another seed gave the same network")
	}
}

func TestSettingsDoNotDisturbEachOther(t *testing.T) {
	c := Config{Seed: 3, LossPercent: 5}
	before := send(c, 2000)
	c.Jitter, c.ReorderPercent, c.DuplicatePercent = 40*time.Millisecond, 2, 2
	if after := send(c, 2000); !slices.Equal(before.lost, after.lost) {
		t.Error("jitter, reordering and duplicates changed which packets are lost")
	}
}

func TestPacketsArriveOnlyWhenTheyDo(t *testing.T) {
	link := NewLink[string](Config{Delay: 30 * time.Millisecond})
	if _, ok := link.Next(); ok {
		t.Error("something is on a link on which nothing was put")
	}
	link.Send("a", 0)
	link.Send("b", 0)
	if at, ok := link.Next(); !ok || at != 30*time.Millisecond {
		t.Errorf("next at %v, %v", at, ok)
	}
	if p, _, ok := link.Receive(30*time.Millisecond - 1); ok {
		t.Errorf("%q arrived early", p)
	}
	for _, want := range []string{"a", "b"} {
		if p, at, ok := link.Receive(time.Second); !ok || p != want || at != 30*time.Millisecond {
			t.Errorf("received %q at %v, %v, want %q", p, at, ok, want)
		}
	}
	if p, _, ok := link.Receive(time.Hour); ok {
		t.Errorf("%q arrived although it was never sent", p)
	}
}
