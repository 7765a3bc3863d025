// SPDX-License-Identifier: Apache-2.0

package video

import (
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

const (
	// window is how many packets may wait behind one that is missing: 2 s of 1 Mbit/s.
	window = 256
	// patience is how long a missing packet is waited for. A far side that is asked again (RFC 4585, generic NACK) needs
	// until the next asking, 100 ms, and a round trip.
	patience = 300 * time.Millisecond
)

// Frame is one picture as it was coded.
type Frame struct {
	Codec Codec
	// Data is valid until the next packet. Of H.264 it is an access unit as Annex B has it, key frames with their
	// parameter sets.
	Data []byte
	Key  bool
	// Timestamp is RTP's, in units of 1/90000 s.
	Timestamp uint32
	// Arrived is when the first packet did.
	Arrived time.Time
	// Width and Height in pixels, as the last key frame says; zero where none can be read from it.
	Width, Height int
}

// Assembler makes frames of the RTP packets of one stream, which may come late, twice or not at all. It hands out only
// what can be decoded: from a key frame on, and after a loss from the next key frame on.
//
// What it keeps is bounded: MaxFrame bytes of a frame, and 256 packets behind one that is missing.
type Assembler struct {
	codec Codec
	emit  func(*Frame)

	started  bool
	next     uint16 // sequence number
	held     *[window]heldPacket
	waiting  int       // packets that are held
	gapSince time.Time // how long the next one has been missing

	open    bool // a frame is being put together
	synced  bool // what comes can be decoded
	frame   Frame
	h264    h264Frame
	dropped uint64
}

// heldPacket waits for those before it.
type heldPacket struct {
	used    bool
	packet  transport.Packet
	at      time.Time
	payload []byte // kept for the next one
}

// NewAssembler makes an assembler that hands frames to a function.
func NewAssembler(c Codec, emit func(*Frame)) *Assembler {
	return &Assembler{codec: c, emit: emit, frame: Frame{Codec: c}}
}

// Waiting says that nothing can be handed out before the sender makes a key frame.
func (a *Assembler) Waiting() bool { return !a.synced && !a.open }

// Dropped is how many frames were begun and given up.
func (a *Assembler) Dropped() uint64 { return a.dropped }

// Push takes a packet. A frame that is complete with it is handed out before it returns.
func (a *Assembler) Push(p *transport.Packet, at time.Time) {
	if !a.started {
		a.started, a.next = true, p.Sequence
	}
	ahead := int(int16(p.Sequence - a.next))
	switch {
	case ahead < -window: // no packet is as late as that: the sender began anew
		a.forget()
		a.next, ahead = p.Sequence, 0
	case ahead < 0:
		return // it came before, or was given up
	case ahead >= window:
		a.skipTo(p.Sequence)
		ahead = 0
	}
	if ahead > 0 {
		a.hold(p, at)
		if at.Sub(a.gapSince) >= patience {
			a.skipGap()
			a.drain(at)
		}
		return
	}
	a.take(p, at)
	a.next++
	a.drain(at)
}

// hold keeps a packet for later.
func (a *Assembler) hold(p *transport.Packet, at time.Time) {
	if a.held == nil {
		a.held = new([window]heldPacket)
	}
	h := &a.held[p.Sequence%window]
	if h.used {
		return // twice
	}
	if a.waiting == 0 {
		a.gapSince = at
	}
	h.payload = append(h.payload[:0], p.Payload...)
	h.used, h.packet, h.at = true, *p, at
	h.packet.Payload = h.payload
	a.waiting++
}

// drain takes what is held and has nothing missing before it any more.
func (a *Assembler) drain(now time.Time) {
	for a.waiting > 0 {
		h := &a.held[a.next%window]
		if !h.used {
			a.gapSince = now // another one is missing, which is waited for anew
			return
		}
		h.used = false
		a.waiting--
		a.take(&h.packet, h.at)
		a.next++
	}
}

// skipGap gives up what is missing before the first that is held.
func (a *Assembler) skipGap() {
	a.lose()
	for a.waiting > 0 && !a.held[a.next%window].used {
		a.next++
	}
}

// skipTo gives up all that is missing before a sequence number.
func (a *Assembler) skipTo(sequence uint16) {
	for a.waiting > 0 {
		h := &a.held[a.next%window]
		if h.used {
			h.used = false
			a.waiting--
			a.take(&h.packet, h.at)
		} else if a.open || a.synced {
			a.lose()
		}
		a.next++
	}
	if a.next != sequence {
		a.lose()
		a.next = sequence
	}
}

// forget drops everything but the parameter sets.
func (a *Assembler) forget() {
	a.lose()
	for i := 0; a.waiting > 0 && i < window; i++ {
		if h := &a.held[i]; h.used {
			h.used = false
			a.waiting--
		}
	}
}

// lose gives up the frame at hand, and with it all until the next key frame.
func (a *Assembler) lose() {
	if a.open {
		a.dropped++
	}
	a.open, a.synced = false, false
}

// take takes the next packet of the sequence.
func (a *Assembler) take(p *transport.Packet, at time.Time) {
	if len(p.Payload) == 0 {
		return // senders fill up with padding alone while they measure the network
	}
	if a.open && p.Timestamp != a.frame.Timestamp {
		a.finish() // of which nothing said that it was the last
	}
	if !a.open {
		if !a.synced && !a.codec.KeyStart(p.Payload) {
			return
		}
		a.open = true
		a.frame.Data, a.frame.Key, a.frame.Timestamp, a.frame.Arrived = a.frame.Data[:0], false, p.Timestamp, at
		a.h264.begin()
	}
	if !a.add(p.Payload) || len(a.frame.Data) > MaxFrame {
		a.lose()
		return
	}
	if p.Marker { // RFC 7741 section 4.1, RFC 6184 section 5.1: the last packet of a picture
		a.finish()
	}
}

func (a *Assembler) add(payload []byte) (ok bool) {
	if a.codec == H264 {
		a.frame.Data, ok = a.h264.add(a.frame.Data, payload)
		return ok
	}
	data, start, ok := vp8Payload(payload)
	if !ok || start != (len(a.frame.Data) == 0) {
		return false
	}
	a.frame.Data = append(a.frame.Data, data...)
	return true
}

// finish hands the frame out.
func (a *Assembler) finish() {
	a.open = false
	f := &a.frame
	if a.codec == VP8 {
		f.Key = vp8Key(f.Data)
	} else {
		var picture bool
		if f.Data, f.Key, picture = a.h264.finish(f.Data); !picture {
			return
		}
	}
	if !f.Key && !a.synced || len(f.Data) == 0 {
		a.dropped++
		return
	}
	if f.Key {
		f.Width, f.Height = a.codec.Size(f.Data)
	}
	a.synced = true
	a.emit(f)
}
