// SPDX-License-Identifier: Apache-2.0

package video

import (
	"math/rand/v2"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// Relay gives the packets of streams that follow one another the numbers of one stream. A stream is taken up with a key
// frame, before which whoever sees it could decode nothing.
type Relay struct {
	started   bool
	source    uint32
	taken     bool   // the source's key frame has come
	first     uint16 // its sequence number, as it came
	sequence  uint16 // added to what comes
	timestamp uint32 // added to what comes

	lastSequence  uint16
	lastTimestamp uint32
	lastAt        time.Time
	packets       uint64 // of this source
}

// begin makes the numbers of a stream that goes out (RFC 3550 section 5.1: they start at random). The sequence keeps to
// the lower half, so that its first packets lost cannot upset SRTP's rollover counter (RFC 3711 section 3.3.1).
func (r *Relay) begin() {
	if !r.started {
		r.started = true
		r.lastSequence, r.lastTimestamp = uint16(rand.Uint32()>>17), rand.Uint32()
	}
}

// Switch leaves the source at hand: whichever comes next is taken up with a key frame.
func (r *Relay) Switch() { r.taken = false }

// Take renumbers a packet of a source in place. It is false for one that is not to be sent, and then wants says whether
// the source should be asked for a key frame.
func (r *Relay) Take(p *transport.Packet, source uint32, c Codec, at time.Time) (ok, wants bool) {
	if !r.taken || source != r.source {
		if !c.KeyStart(p.Payload) {
			return false, true
		}
		r.takeUp(p, source, at)
	}
	if r.packets < window && int16(p.Sequence-r.first) < 0 {
		return false, false // late, of before
	}
	r.packets++
	p.Sequence += r.sequence
	p.Timestamp += r.timestamp
	if int16(p.Sequence-r.lastSequence) > 0 {
		r.lastSequence, r.lastTimestamp, r.lastAt = p.Sequence, p.Timestamp, at
	}
	return true, false
}

func (r *Relay) takeUp(p *transport.Packet, source uint32, at time.Time) {
	r.begin()
	r.source, r.taken, r.first, r.packets = source, true, p.Sequence, 0
	r.sequence = r.lastSequence + 1 - p.Sequence
	r.timestamp = r.resume(at) - p.Timestamp
}

// resume is the timestamp of a moment, on from that of the last packet: later by at least one unit, and by no more than an
// hour, for the number of the units has 32 bits.
func (r *Relay) resume(at time.Time) uint32 {
	if r.lastAt.IsZero() {
		return r.lastTimestamp
	}
	passed := min(at.Sub(r.lastAt), time.Hour)
	return r.lastTimestamp + uint32(max(int64(passed.Seconds()*ClockRate), 1))
}

// Own numbers a packet that is made here, of a frame that is due at a moment. What is passed on after it goes on behind it.
func (r *Relay) Own(p *transport.Packet, newFrame bool, at time.Time) {
	r.begin()
	r.taken = false
	if newFrame {
		r.lastTimestamp = r.resume(at)
		r.lastAt = at
	}
	r.lastSequence++
	p.Sequence, p.Timestamp = r.lastSequence, r.lastTimestamp
}
