// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math/rand/v2"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/telephone"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// mouth makes the packets of one outgoing stream of audio. It belongs to the goroutine that ticks.
type mouth struct {
	format  format
	encoder codec.Encoder // nil until something is said: that of Opus takes 44 KB
	p       transport.Packet
	payload [codec.MaxPayloadBytes]byte
	encoded []byte           // the last frame, empty if the codec had no packet for it
	event   transport.Packet // of a key
	pause   bool             // nothing was sent for the frame before
	rested  int64            // frames, since something was said
	lost    int              // percent, that the encoder is to be prepared for
}

// restsForGood is how many frames nothing is said before Opus's encoder is let go of: ten seconds. Most bots say little, and
// a new encoder costs less than the packet it begins with. Other codecs' are small, and go on where they were, as the far
// side's decoder does.
const restsForGood = int64(10 * time.Second / audio.FrameDuration)

// newMouth begins a stream. RFC 3550 section 5.1: sequence and timestamp start at random. The sequence keeps to the lower
// half, so that its first packets lost cannot upset SRTP's rollover counter (RFC 3711 section 3.3.1).
func newMouth(f format) *mouth {
	return &mouth{
		format: f, pause: true,
		p: transport.Packet{PayloadType: f.payloadType, Sequence: uint16(rand.Uint32() >> 17), Timestamp: rand.Uint32()},
	}
}

// say makes the packet of a frame, valid until the next one; nil if the codec has none for it.
func (m *mouth) say(frame []int16) *transport.Packet {
	m.encode(frame)
	return m.wrap(m.encoded)
}

func (m *mouth) encode(frame []int16) {
	if m.encoder == nil {
		m.encoder = m.format.NewEncoder()
		if a, ok := m.encoder.(codec.LossAdapter); ok && m.lost > 0 {
			a.AdaptToLoss(float64(m.lost))
		}
	}
	m.rested = 0
	m.encoded = m.encoder.Encode(m.payload[:0], frame)
}

// adapt has what is said from now on survive the loss of so many packets in a hundred.
func (m *mouth) adapt(lostPercent int) {
	if lostPercent == m.lost {
		return
	}
	m.lost = lostPercent
	if a, ok := m.encoder.(codec.LossAdapter); ok {
		a.AdaptToLoss(float64(lostPercent))
	}
}

// wrap makes a packet of a payload that was encoded before; nil of none.
func (m *mouth) wrap(payload []byte) *transport.Packet {
	m.p.Timestamp += m.format.TimestampStep
	if len(payload) == 0 { // discontinuous transmission: time goes on, the sequence does not
		m.pause = true
		return nil
	}
	m.p.PayloadType = m.format.payloadType
	m.p.Marker, m.pause = m.pause, false // RFC 3551 section 4.1: the first packet after a pause
	m.p.Sequence++
	m.p.Payload = payload
	return &m.p
}

// rest lets a frame's time pass with nothing sent.
func (m *mouth) rest() { m.skip(1) }

// skip lets the time of frames pass that are left out.
func (m *mouth) skip(frames int64) {
	m.p.Timestamp += uint32(frames) * m.format.TimestampStep
	m.pause = true
	if m.rested += frames; m.rested >= restsForGood && m.format.Name == codec.Opus.Name {
		m.encoder = nil
	}
}

// key makes a packet of a key that is pressed. It is of the same stream, with the time at which the press began.
func (m *mouth) key(payloadType uint8, e *telephone.Outgoing) *transport.Packet {
	m.rest()
	m.event = m.p
	m.p.Sequence++
	m.event.Sequence = m.p.Sequence
	m.event.PayloadType, m.event.Marker, m.event.Timestamp = payloadType, e.Marker, e.Timestamp
	m.event.Payload = append(m.payload[:0], e.Payload[:]...)
	return &m.event
}
