// SPDX-License-Identifier: Apache-2.0

package telephone

import "time"

const (
	// silence is how long a press that does not end may go without a packet: ten
	// of them. RFC 4733 section 2.5.2 leaves the length to the receiver.
	silence = 200 * time.Millisecond
	// reordered is how late a packet of an earlier press may be. When nothing has
	// come for longer, another timestamp is another press, whether it lies ahead
	// or not: it may have wrapped, or begun anew.
	reordered = 2 * time.Second
	// recent is how many presses are remembered, so that what is left of them in
	// the network does not press the key again.
	recent = 8
)

// Event is a key that went down or up.
type Event struct {
	Key  Key
	Down bool
	// Lasted is how long the key was down, as far as is known when it goes up.
	Lasted time.Duration
}

// Packet is an RTP packet with the payload type of telephone-event (RFC 3550
// section 5.1).
type Packet struct {
	Timestamp uint32
	SSRC      uint32
	Marker    bool
	Payload   []byte
}

// Receiver makes key events of packets. It is not safe for concurrent use.
type Receiver struct {
	clockRate uint32

	ssrc     uint32
	started  bool
	arrival  time.Duration // of the last packet
	left     uint32        // the source before this one …
	leftAt   time.Duration // … and when it was left
	hasLeft  bool
	past     [recent]uint32 // timestamps of presses and their segments
	pasts    int
	current  press
	pressing bool // current has not gone up
}

// press is a key that was pressed, as far as has arrived.
type press struct {
	key       Key
	timestamp uint32 // of the segment at hand
	before    uint64 // what the segments before it lasted
	duration  uint16 // of the segment at hand
	ended     bool   // said by the sender
	arrival   time.Duration
}

// NewReceiver is a receiver of events whose timestamps count at a rate in Hz,
// 8000 or the rate of the audio (RFC 4733 section 2.1).
func NewReceiver(clockRate int) *Receiver {
	return &Receiver{clockRate: uint32(max(clockRate, 1))}
}

// Put takes a packet and when it arrived, and appends what keys did. It does not
// allocate if dst has room for two events. Packets that say nothing, or nothing
// new, are passed over.
func (r *Receiver) Put(dst []Event, p Packet, arrival time.Duration) []Event {
	dst = r.Expire(dst, arrival)
	var said payload
	if !said.parse(p.Payload) || int(said.code) >= len(names) {
		return dst
	}
	if !r.started || p.SSRC != r.ssrc {
		if r.hasLeft && p.SSRC == r.left && arrival-r.leftAt < reordered {
			return dst
		}
		dst = r.up(dst)
		r.left, r.leftAt, r.hasLeft = r.ssrc, arrival, r.started
		r.started, r.ssrc, r.pasts = true, p.SSRC, 0
	}
	rested := arrival - r.arrival
	r.arrival = arrival

	c := &r.current
	switch {
	case r.knows(p.Timestamp):
		if p.Timestamp != c.timestamp {
			return dst // left over from an earlier press
		}
	case r.pasts > 0 && r.continues(p, said):
		c.before += uint64(p.Timestamp - c.timestamp)
		c.timestamp, c.duration = p.Timestamp, 0
		r.remember(p.Timestamp)
	case r.pasts > 0 && int32(p.Timestamp-c.timestamp) < 0 && rested < reordered:
		return dst // older than what is known
	default:
		dst = r.up(dst)
		*c = press{key: Key(said.code), timestamp: p.Timestamp}
		r.pressing = true
		r.remember(p.Timestamp)
		dst = append(dst, Event{Key: c.key, Down: true})
	}
	c.arrival = arrival
	c.duration = max(c.duration, said.duration)
	if said.end {
		c.ended = true
		dst = r.up(dst)
	}
	return dst
}

// Expire lets a key go up of which nothing was heard for 200 ms: all that tells of
// its end was lost. It is to be called now and then while nothing arrives.
func (r *Receiver) Expire(dst []Event, now time.Duration) []Event {
	if r.pressing && now-r.current.arrival > silence {
		return r.up(dst)
	}
	return dst
}

// up ends the press at hand, if it has not.
func (r *Receiver) up(dst []Event) []Event {
	if !r.pressing {
		return dst
	}
	r.pressing = false
	c := &r.current
	ticks := c.before + uint64(c.duration)
	return append(dst, Event{Key: c.key, Lasted: time.Duration(ticks) * time.Second / time.Duration(r.clockRate)})
}

// continues is whether a packet with another timestamp is of the same press: a
// segment begins where one of the longest duration ended, with no marker (RFC 4733
// section 2.5.1.3). Some senders end a segment at the packet before.
func (r *Receiver) continues(p Packet, said payload) bool {
	c := &r.current
	tolerance := r.clockRate / 1000 * uint32(interval/time.Millisecond)
	after := p.Timestamp - c.timestamp
	return !p.Marker && !c.ended && Key(said.code) == c.key &&
		after <= longest+1 && after >= longest-min(tolerance, longest)
}

func (r *Receiver) knows(timestamp uint32) bool {
	for _, t := range r.past[:min(r.pasts, recent)] {
		if t == timestamp {
			return true
		}
	}
	return false
}

func (r *Receiver) remember(timestamp uint32) {
	r.past[r.pasts%recent] = timestamp
	r.pasts++
}
