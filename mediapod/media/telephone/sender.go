// SPDX-License-Identifier: Apache-2.0

package telephone

import (
	"errors"
	"fmt"
	"time"
)

const (
	// ends is how often the last packet of a press is sent (RFC 4733 section
	// 2.5.1.4), here 20 ms apart, so that a burst of losses does not take all.
	ends = 3
	// queued is how many keys can wait to be sent.
	queued = 64
	// volume is -10 dBm0 for each key: within the 0 to -36 dBm0 that every
	// receiver takes (ITU-T Q.24 annex A).
	volume = 10
)

// The shortest press and gap that telephones must recognise (ITU-T Q.24 table
// A-1), and a limit for what is a mistake.
const (
	MinPress = 40 * time.Millisecond
	MaxPress = 30 * time.Second
	MinGap   = 40 * time.Millisecond
)

// ErrQueueFull is returned when too many keys wait to be sent.
var ErrQueueFull = errors.New("64 keys are waiting to be sent already: send fewer, or wait until some are sent")

// Outgoing is what a packet of an event says; its sequence number is the next of
// the stream (RFC 4733 section 2.5.1.1).
type Outgoing struct {
	// Timestamp is that of the beginning of the press or its segment.
	Timestamp uint32
	// Marker is set on the first packet of a press.
	Marker  bool
	Payload [payloadBytes]byte
}

// Sender makes packets of keys. It is not safe for concurrent use.
type Sender struct {
	clockRate uint64
	step      uint64 // timestamp units of a packet

	queue       [queued]stroke
	first, size int

	pressing  bool
	timestamp uint32 // of the segment at hand
	begun     uint64 // units that the segments before it lasted
	elapsed   uint64 // units since the press began
	rest      int    // ticks until the next key
	last      Outgoing
	repeats   int // of last still to be sent
}

// stroke is a key to be sent.
type stroke struct {
	key   Key
	units uint64
	gap   int // ticks
}

// NewSender is a sender of events whose timestamps count at a rate in Hz: that of
// the audio in the same stream, 8000 or 48000.
func NewSender(clockRate int) *Sender {
	rate := uint64(max(clockRate, 50)) // one unit a packet
	return &Sender{clockRate: rate, step: rate * uint64(interval) / uint64(time.Second)}
}

// Press queues a key for a duration, and a gap after it, rounded up to 20 ms,
// before the next.
func (s *Sender) Press(key Key, duration, gap time.Duration) error {
	switch {
	case int(key) >= len(names):
		return fmt.Errorf("%d is no key: use 0 to 15, or 16 for the hook flash", key)
	case duration < MinPress || duration > MaxPress:
		return fmt.Errorf("a key cannot be pressed for %v: use %v to %v", duration, MinPress, MaxPress)
	case gap < MinGap || gap > MaxPress:
		return fmt.Errorf("the gap after a key cannot be %v: use %v to %v", gap, MinGap, MaxPress)
	case s.size == queued:
		return ErrQueueFull
	}
	s.queue[(s.first+s.size)%queued] = stroke{
		key:   key,
		units: uint64(duration) * s.clockRate / uint64(time.Second),
		gap:   int((gap + interval - 1) / interval),
	}
	s.size++
	return nil
}

// Busy is whether there is more to send.
func (s *Sender) Busy() bool { return s.pressing || s.repeats > 0 || s.size > 0 }

// Next is the packet to send now, if there is one. It is asked every 20 ms, with
// the timestamp that audio sent now would have. When there is one, no audio is
// sent: the far side plays the tone itself (RFC 4733 section 2.2).
func (s *Sender) Next(timestamp uint32) (o Outgoing, ok bool) {
	if !s.pressing && s.rest == 0 && s.size > 0 {
		s.pressing, s.timestamp, s.begun, s.elapsed, s.repeats = true, timestamp, 0, 0, 0
		return s.press(true), true
	}
	if s.pressing {
		return s.press(false), true
	}
	s.rest = max(s.rest-1, 0)
	if s.repeats > 0 {
		s.repeats--
		return s.last, true
	}
	return Outgoing{}, false
}

// press is the next packet of the press at hand.
func (s *Sender) press(marker bool) Outgoing {
	k := &s.queue[s.first]
	if s.elapsed-s.begun >= longest { // the segment before this packet was full
		s.begun += longest
		s.timestamp += longest
	}
	s.elapsed = min(s.elapsed+s.step, k.units)
	said := payload{code: uint8(k.key), volume: volume, duration: uint16(min(s.elapsed-s.begun, longest))}
	if k.key == Flash {
		said.volume = 0 // it has none (RFC 4733 section 2.3.3)
	}
	said.end = s.elapsed == k.units && s.elapsed-s.begun <= longest
	s.last = Outgoing{Timestamp: s.timestamp, Marker: marker, Payload: said.bytes()}
	if said.end {
		s.last.Marker = false // of the repetitions
		s.pressing, s.repeats, s.rest = false, ends-1, k.gap
		s.first, s.size = (s.first+1)%queued, s.size-1
	}
	return Outgoing{Timestamp: s.timestamp, Marker: marker, Payload: s.last.Payload}
}
