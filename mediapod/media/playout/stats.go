// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Stats counts since New. Samples are of 1/16000 s.
type Stats struct {
	// ConcealedSamples were made up in place of ones that were sent; pauses of a
	// sender are not among them. RecoveredSamples came out of the packet after
	// theirs.
	ConcealedSamples, RecoveredSamples uint64
	// AcceleratedSamples were left out to shorten the delay, and ExpandedSamples
	// put in to make it longer.
	AcceleratedSamples, ExpandedSamples uint64
	// Late packets came after their time, Duplicates again; Discarded ones had no
	// or too much payload, a type or place that is none, or there was no room or
	// no time for them.
	Late, Duplicates, Discarded uint64
	// Delay is what a packet that the network was fast with waits from its arrival
	// until its first sample is played, and Target what it should.
	Delay, Target time.Duration
}

type counters struct {
	concealed, recovered, accelerated, expanded atomic.Uint64
	late, duplicates, discarded                 atomic.Uint64
	delay, target                               atomic.Int64 // samples
}

// Stats may be called from any goroutine.
func (p *Playout) Stats() Stats {
	c := &p.stats
	return Stats{
		ConcealedSamples:   c.concealed.Load(),
		RecoveredSamples:   c.recovered.Load(),
		AcceleratedSamples: c.accelerated.Load(),
		ExpandedSamples:    c.expanded.Load(),
		Late:               c.late.Load(),
		Duplicates:         c.duplicates.Load(),
		Discarded:          c.discarded.Load(),
		Delay:              inTime(c.delay.Load()),
		Target:             inTime(c.target.Load()),
	}
}

// publish tells of the delay, while something is played that has one. The frame at
// hand has been taken from pcm already.
func (p *Playout) publish() {
	p.stats.target.Store(p.delays.target(p.min, p.max))
	if p.gap == 0 {
		p.stats.delay.Store(p.offset() + audio.FrameSamples - p.delays.low)
	}
}
