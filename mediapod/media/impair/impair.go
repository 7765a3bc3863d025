// SPDX-License-Identifier: Apache-2.0

// Package impair is a bad network for tests and benchmarks: it loses, delays,
// reorders and doubles packets as its seed says, without root and without netem.
// Nothing that serves calls uses it.
//
// Fate decides about one packet after the other and knows no packet; Link carries
// values along such decisions in simulated time; Relay does so with datagrams
// between two UDP sockets in real time.
package impair

import (
	"math/rand/v2"
	"time"
)

// Config says how bad the network is. The zero value is a perfect one.
type Config struct {
	// Seed makes it the same bad network every time.
	Seed uint64
	// LossPercent is the share of packets, of those that bursts leave, that are
	// lost one by one.
	LossPercent float64
	// BurstPercent is the share of packets that are lost in bursts, and
	// BurstPackets the length of each.
	BurstPercent float64
	BurstPackets int
	// Delay is what every packet takes, and Jitter what is added at most,
	// distributed evenly. Packets do not overtake each other for it: they queue.
	Delay, Jitter time.Duration
	// ReorderPercent is the share of packets that are overtaken: they leave the
	// queue and take Delay, Jitter and HoldBack. With a HoldBack longer than the
	// time between two packets, at least one overtakes.
	ReorderPercent float64
	HoldBack       time.Duration
	// DuplicatePercent is the share of what arrives that does so twice, at the same
	// time.
	DuplicatePercent float64
}

// Fate decides what becomes of each packet of one direction. It is not safe for
// concurrent use.
type Fate struct {
	config Config
	random *rand.Rand
	burst  int           // packets still to be lost of the one at hand
	last   time.Duration // arrival of the newest packet that was in the queue
}

// NewFate begins anew with the configuration's seed.
func NewFate(c Config) *Fate {
	return &Fate{config: c, random: rand.New(rand.NewPCG(c.Seed, 0))}
}

// Next appends when a packet sent at a time arrives: once, not at all, or twice.
// Packets are asked for in the order in which they are sent.
func (f *Fate) Next(dst []time.Duration, sent time.Duration) []time.Duration {
	// Every packet draws the same numbers, so that a change of one setting leaves
	// what the others do as it was.
	burst, loss, jitter, reorder, duplicate :=
		f.random.Float64(), f.percent(), f.random.Float64(), f.percent(), f.percent()

	c := &f.config
	if f.burst > 0 {
		f.burst--
		return dst
	}
	// Bursts begin only with packets that are in none. For them to hold b of all
	// packets, one in n*(1-b)/b of the others begins one.
	if b := c.BurstPercent / 100; b > 0 && burst*float64(max(c.BurstPackets, 1))*(1-b) < b {
		f.burst = max(c.BurstPackets, 1) - 1
		return dst
	}
	if loss < c.LossPercent {
		return dst
	}
	arrival := sent + c.Delay
	if reorder < c.ReorderPercent {
		arrival += c.Jitter + c.HoldBack
	} else {
		f.last = max(arrival+time.Duration(jitter*float64(c.Jitter)), f.last)
		arrival = f.last
	}
	if dst = append(dst, arrival); duplicate < c.DuplicatePercent {
		dst = append(dst, arrival)
	}
	return dst
}

// percent is a random number from 0 to below 100.
func (f *Fate) percent() float64 { return 100 * f.random.Float64() }
