// SPDX-License-Identifier: Apache-2.0

package playout

import "github.com/callfleet/callfleet/audio"

// The limits of RFC 3550 appendix A.1: a sequence number further ahead than a
// minute of audio, or further back than two seconds, is the sender starting anew,
// if the next one confirms it.
const (
	maxDropout  = 3000
	maxMisorder = 100
	noSuspect   = 1 << 16
)

const (
	// farOff is how far a timestamp that jumped may be from the time it stands
	// for before it is taken for one that counts from somewhere else.
	farOff = 200 * ms
	// paused is how long nothing has come when a sender may have stopped its
	// timestamps too.
	paused = 500 * ms
	// straggling is how long packets may still come from a source that was left.
	straggling = 200 * ms
)

type verdict int

const (
	placed   verdict = iota
	stale            // of a source that was left, or from before a restart
	unusable         // of no negotiated type, or in no order
)

// timeline gives every packet a 64-bit sequence number and a place in time, both
// of which go on when the sender's own wrap, jump or begin anew.
type timeline struct {
	started bool
	ssrc    uint32
	source  uint32
	// Of the packet with the highest sequence number: as it came …
	rtpSequence  uint16
	rtpTimestamp uint32
	// … and unwrapped.
	sequence int64
	ticks    int64 // since the last restart
	arrival  int64

	origin  int64  // place of tick 0
	first   int64  // sequence number of the first packet since the last restart
	suspect uint32 // the number that would confirm a restart of the sender

	restarted bool
	left      uint32 // the source before this one …
	leftAt    int64  // … and when it was left
	hasLeft   bool

	current format    // of the packet placed last
	formats [4]format // those seen of this source
	known   int       // how many, with those that were replaced
}

// format is a payload type of the source at hand.
type format struct {
	payloadType uint8
	decoder     Decoder
	clockRate   int64
}

// place says where a packet belongs. lasts is how many samples a packet has.
func (t *timeline) place(a *arrived, d *delays, lasts int64, lookup func(uint8) (Decoder, int)) (sequence, at int64, v verdict) {
	renewed := !t.started || a.ssrc != t.ssrc
	if renewed && t.hasLeft && a.ssrc == t.left && a.arrival-t.leftAt < straggling {
		return 0, 0, stale
	}
	f, ok := t.format(a.payloadType, renewed || a.source != t.source, lookup)
	if !ok {
		return 0, 0, unusable
	}
	t.source = a.source
	if renewed {
		t.left, t.leftAt, t.hasLeft = t.ssrc, a.arrival, t.started
		t.current = f
		return t.restart(a, d, lasts)
	}

	ahead := a.sequence - t.rtpSequence // modulo 2^16
	ticks := t.ticks + int64(int32(a.timestamp-t.rtpTimestamp))
	switch sameRate := f.clockRate == t.current.clockRate; {
	case ahead > 0 && ahead < maxDropout:
		last := t.placeOf(t.ticks)
		t.current = f
		if !sameRate || t.strange(ticks, int64(ahead), a.arrival, d, lasts) {
			t.current, t.origin, t.ticks = f, last, 0
			return t.restart(a, d, lasts)
		}
		t.suspect = noSuspect
		t.sequence, t.ticks = t.sequence+int64(ahead), ticks
		t.rtpSequence, t.rtpTimestamp, t.arrival = a.sequence, a.timestamp, a.arrival
		return t.sequence, t.placeOf(ticks), placed

	case -ahead <= maxMisorder:
		sequence = t.sequence - int64(-ahead)
		if !sameRate || t.restarted && sequence < t.first {
			return 0, 0, stale // its timestamp belongs to another count
		}
		t.current = f
		return sequence, t.placeOf(ticks), placed

	case uint32(a.sequence) == t.suspect: // two in a row
		return t.restart(a, d, lasts)
	}
	t.suspect = uint32(a.sequence + 1)
	return 0, 0, unusable
}

// strange is whether the timestamp of a packet with a higher sequence number has
// another meaning than the ones before.
func (t *timeline) strange(ticks, ahead, arrival int64, d *delays, lasts int64) bool {
	if ticks <= t.ticks {
		return true
	}
	transit := arrival - t.placeOf(ticks)
	if jump := t.placeOf(ticks) - t.placeOf(t.ticks); jump > (ahead+1)*lasts || jump*4 < ahead*lasts {
		return transit < d.low-farOff || transit > d.high+farOff
	}
	return arrival-t.arrival > paused && transit > d.low+span
}

// restart begins a new count at this packet. It is taken to have arrived in time,
// which also puts it behind all that came before.
func (t *timeline) restart(a *arrived, d *delays, lasts int64) (sequence, at int64, v verdict) {
	at = a.arrival
	if t.started {
		at = max(a.arrival-d.low, t.placeOf(t.ticks)+lasts)
	} else {
		t.sequence = storeSlots // so that those before the first are positive
	}
	t.restarted = t.started
	t.started, t.ssrc, t.suspect = true, a.ssrc, noSuspect
	t.sequence++
	t.first, t.origin, t.ticks = t.sequence, at, 0
	t.rtpSequence, t.rtpTimestamp, t.arrival = a.sequence, a.timestamp, a.arrival
	return t.sequence, at, placed
}

// placeOf is the place on the timeline of a count of ticks.
func (t *timeline) placeOf(ticks int64) int64 {
	return t.origin + ticks*audio.SampleRate/t.current.clockRate
}

// format finds a payload type among those seen of the source, or asks for its
// decoder. A new source has none yet, nor has another speaker.
func (t *timeline) format(payloadType uint8, renewed bool, lookup func(uint8) (Decoder, int)) (f format, ok bool) {
	if !renewed {
		for _, f := range t.formats[:min(t.known, len(t.formats))] {
			if f.payloadType == payloadType {
				return f, true
			}
		}
	}
	decoder, rate := lookup(payloadType)
	if decoder == nil || rate <= 0 {
		return format{}, false
	}
	if renewed {
		t.known = 0
	}
	f = format{payloadType, decoder, int64(rate)}
	t.formats[t.known%len(t.formats)] = f
	t.known++
	return f, true
}
