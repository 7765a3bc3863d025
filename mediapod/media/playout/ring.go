// SPDX-License-Identifier: Apache-2.0

package playout

import "sync/atomic"

// ringSlots is how many packets can arrive between two frames: more than a second
// of them, after which none of the first would be played anyway.
const ringSlots = 64

// usualPayload is what a slot has room for from the start: 20 ms at 64 kbit/s.
// The few that need more keep it.
const usualPayload = 160

// arrived is a packet as it came. The payload is the slot's own.
type arrived struct {
	sequence    uint16
	payloadType uint8
	marker      bool
	timestamp   uint32
	ssrc        uint32
	arrival     int64
	payload     []byte
}

// ring hands packets from the one goroutine that puts to the one that takes. A
// slot belongs to the taker from the moment put advances until done returns it.
type ring struct {
	came, taken atomic.Uint64
	slots       [ringSlots]arrived
}

// put is false if the ring is full: the packet is dropped, as the ones before it
// are what the taker needs first.
func (r *ring) put(p *Packet, arrival int64) bool {
	n := r.came.Load()
	if n-r.taken.Load() == ringSlots {
		return false
	}
	s := &r.slots[n%ringSlots]
	if s.payload == nil {
		s.payload = make([]byte, 0, usualPayload)
	}
	s.sequence, s.timestamp, s.ssrc, s.payloadType, s.marker = p.Sequence, p.Timestamp, p.SSRC, p.PayloadType, p.Marker
	s.arrival, s.payload = arrival, append(s.payload[:0], p.Payload...)
	r.came.Store(n + 1)
	return true
}

// next is the packet that was put first, or nil. The taker may exchange its
// payload for another buffer.
func (r *ring) next() *arrived {
	if n := r.taken.Load(); n != r.came.Load() {
		return &r.slots[n%ringSlots]
	}
	return nil
}

// done gives the slot of next back.
func (r *ring) done() { r.taken.Add(1) }
