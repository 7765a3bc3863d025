// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

// turn is where one speaker's samples end and another's begin.
type turn struct {
	before, after uint32
	at            int // the index in pcm of the first of the latter's
}

// Taken is a packet that a frame was made of, or that the one after it is going to be.
type Taken struct {
	// At is when its first sample could have been played at the soonest, by the clock that Frame is told: what waiting
	// for slower packets adds is not in it.
	At time.Duration
	// Place is that of its first sample on the timeline, which goes on over wraps, restarts and changes of the source.
	Place   int64
	Samples int
	// Missing is how many packets before it did not come, those that it held a copy of among them; not those that were left
	// out here, to catch up.
	Missing     int64
	Source      uint32
	PayloadType uint8
	Marker      bool
	Payload     []byte
}

// mostTaken is how many are told of for a frame. Those of 2.5 ms that a frame and the longest look ahead take are fewer.
const mostTaken = 32

// Taken lists what the last frame took, in the order of the stream, each once. It is valid until the next frame.
func (p *Playout) Taken() []Taken { return p.taken }

// Sources tells whose the last frame is: the first samples, as many as turn, are the one's, and the rest the other's.
func (p *Playout) Sources() (first, then uint32, turn int) {
	frame := p.head - audio.FrameSamples
	return p.turn.before, p.turn.after, min(max(p.turn.at-frame, 0), audio.FrameSamples)
}

// Delay is how much later the last frame was played than it could have been at the soonest. In a pause it is what it was
// before.
func (p *Playout) Delay() time.Duration { return inTime(p.stats.delay.Load()) }

// note adds a packet to what was taken, and keeps its buffer until the next frame.
func (p *Playout) note(next *packet, samples int, missing int64) {
	if len(p.taken) < mostTaken {
		p.taken = append(p.taken, Taken{
			At: inTime(next.at + p.delays.low), Place: next.at, Samples: samples, Missing: missing,
			Source: next.source, PayloadType: next.format, Marker: next.marker, Payload: next.payload,
		})
		next.payload = nil
	}
}

// giveBack lets what was taken for the last frame go.
func (p *Playout) giveBack() {
	for i := range p.taken {
		p.ring.spares.give(p.taken[i].Payload)
		p.taken[i].Payload = nil
	}
	p.taken = p.taken[:0]
}

// turnTo is told whose the samples are that are appended next. It says whether somebody else's were before.
func (p *Playout) turnTo(source uint32) bool {
	if source == p.turn.after {
		return false
	}
	if p.turn.at > p.head { // somebody in between, for less than a frame: there are only two sides of a turn
		clear(p.pcm[p.turn.at:])
	} else {
		p.turn.before, p.turn.at = p.turn.after, len(p.pcm)
	}
	p.turn.after, p.broken = source, false // nothing is continued
	return true
}

// turning is whether two speakers are within reach of what would mix them: what was played last, and what is ready.
func (p *Playout) turning() bool { return p.turn.at > p.head-past }

// fadeIn begins softly at an index: the other speaker's beginning may be missing.
func (p *Playout) fadeIn(from int) {
	begin := p.pcm[from:min(from+joining, len(p.pcm))]
	for i := range begin {
		begin[i] = int16(int(begin[i]) * i / joining)
	}
}
