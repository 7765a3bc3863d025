// SPDX-License-Identifier: Apache-2.0

package playout

import "sync/atomic"

// ringSlots is how many packets can arrive between two frames: more than a second
// of them, after which none of the first would be played anyway.
const ringSlots = 64

// usualPayload is what a buffer has room for from the start: 20 ms at 64 kbit/s.
// The few that need more keep it.
const usualPayload = 160

// arrived is a packet as it came. The payload is the slot's own, until the taker
// keeps it.
type arrived struct {
	sequence    uint16
	payloadType uint8
	marker      bool
	timestamp   uint32
	ssrc        uint32
	source      uint32
	arrival     int64
	payload     []byte
}

// ring hands packets from the one goroutine that puts to the one that takes. A
// slot belongs to the taker from the moment put advances until done returns it.
type ring struct {
	came, taken atomic.Uint64
	slots       [ringSlots]arrived
	spares      spares
}

// spares are the buffers of payloads that were played, on their way back to the
// goroutine that puts: there are as many as packets wait at the most, and not as
// many as there are slots to wait in.
type spares struct {
	given, used atomic.Uint64
	buffers     [ringSlots][]byte
}

// give hands a buffer back. It is called by the goroutine that takes.
func (s *spares) give(b []byte) {
	n := s.given.Load()
	if b == nil || n-s.used.Load() == ringSlots {
		return
	}
	s.buffers[n%ringSlots] = b
	s.given.Store(n + 1)
}

// get is a buffer that was handed back, or a new one. It is called by the goroutine
// that puts.
func (s *spares) get() []byte {
	n := s.used.Load()
	if n == s.given.Load() {
		return make([]byte, 0, usualPayload)
	}
	b := s.buffers[n%ringSlots]
	s.buffers[n%ringSlots] = nil
	s.used.Store(n + 1)
	return b
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
		s.payload = r.spares.get()
	}
	s.sequence, s.timestamp, s.ssrc, s.payloadType, s.marker = p.Sequence, p.Timestamp, p.SSRC, p.PayloadType, p.Marker
	s.source = p.Source
	s.arrival, s.payload = arrival, append(s.payload[:0], p.Payload...)
	r.came.Store(n + 1)
	return true
}

// next is the packet that was put first, or nil. The taker may keep its payload, and
// leave nil in its place; it gives the buffer back later.
func (r *ring) next() *arrived {
	if n := r.taken.Load(); n != r.came.Load() {
		return &r.slots[n%ringSlots]
	}
	return nil
}

// done gives the slot of next back.
func (r *ring) done() { r.taken.Add(1) }
