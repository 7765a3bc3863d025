// SPDX-License-Identifier: Apache-2.0

package playout

// storeSlots is how many packets wait at most, and how far they can be apart. It
// is more than MaxDelay of packets of 10 ms.
const storeSlots = 64

// packet is one that waits to be played.
type packet struct {
	present  bool
	sequence int64
	at       int64 // place on the timeline of its first sample
	marker   bool
	source   uint32
	format   uint8 // the payload type
	decoder  Decoder
	payload  []byte
}

// store holds the packets that wait, each at its sequence number modulo the size:
// what is missing, doubled or next needs no search and no sorting.
type store struct {
	slots  [storeSlots]packet
	spares *spares // where buffers go
	next   int64   // everything before it was played or given up
	newest int64   // nothing after it has come
	played uint64  // bit i: packet next-1-i was played
}

// begin is told of the first packet of all. Those sent just before it may still
// come.
func (s *store) begin(sequence int64) {
	s.next, s.newest = sequence-storeSlots/2, sequence
}

// put keeps a packet, and its payload's buffer.
func (s *store) put(sequence, at int64, d Decoder, a *arrived, stats *counters) {
	if sequence < s.next {
		if behind := s.next - 1 - sequence; behind < 64 && s.played>>behind&1 == 1 {
			stats.duplicates.Add(1)
		} else {
			stats.late.Add(1)
		}
		return
	}
	for s.next <= sequence-storeSlots && s.first() != nil { // full: the oldest go
		s.drop(s.first())
		stats.discarded.Add(1)
	}
	s.advance(max(s.next, sequence-storeSlots+1), false)
	slot := &s.slots[sequence%storeSlots]
	if slot.present {
		stats.duplicates.Add(1)
		return
	}
	slot.present, slot.sequence, slot.at, slot.decoder = true, sequence, at, d
	slot.marker, slot.source, slot.format = a.marker, a.source, a.payloadType
	slot.payload, a.payload = a.payload, nil
	s.newest = max(s.newest, sequence)
}

// first is the packet to be played next, or nil.
func (s *store) first() *packet { return s.from(s.next) }

// after is the packet to be played after p, or nil.
func (s *store) after(p *packet) *packet { return s.from(p.sequence + 1) }

func (s *store) from(sequence int64) *packet {
	for ; sequence <= s.newest; sequence++ {
		if p := &s.slots[sequence%storeSlots]; p.present {
			return p
		}
	}
	return nil
}

// take removes a packet that is played. Its payload is not valid any more; the rest is until the next put.
func (s *store) take(p *packet) {
	s.remove(p)
	s.advance(p.sequence, false)
	s.advance(p.sequence+1, true)
}

// drop removes a packet that is not going to be played.
func (s *store) drop(p *packet) {
	s.remove(p)
	s.advance(p.sequence+1, false)
}

func (s *store) remove(p *packet) {
	s.spares.give(p.payload)
	p.present, p.payload = false, nil
}

// advance gives up everything before a sequence number; played is said of all.
func (s *store) advance(next int64, played bool) {
	if by := next - s.next; by > 0 {
		s.played <<= by
		if played {
			s.played |= 1
		}
		s.next = next
	}
}
