// SPDX-License-Identifier: Apache-2.0

package media

import (
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/mediapod/media/playout"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// While the bot says nothing, those who listen in are passed the far side's packets as they came, if they take its codec: in
// full band and with no loss of a second coding. What is passed on is what is being played out, in its order and at its
// time, so that what is mixed when the bot speaks goes on where that ended: within the 20 ms that packets and frames are apart.

const (
	// passAfter is how many frames the bot has said nothing before packets are passed on again: a second. By then the
	// far side's encoder and ours have heard the same for so long that the listener's decoder notices little of the change.
	passAfter = 50
	// passWithin is how many frames may bring nothing before both sides are mixed again: half a second. Opus sends every 400
	// ms what its pauses sound like; a far side that sends less leaves them to us.
	passWithin = 25
	// warmUp is how many frames our encoder is given before its first packet, of what was passed on meanwhile: what it
	// predicts the next frame from is then about what the listener's decoder has.
	warmUp = 4
	// astray is how far what is passed on may be from the frames' own time before it is put there again, in frames: its
	// sender's clock is another.
	astray = 10
)

// passable: all that was played out in this frame is in a codec, and none of it has to be mixed with what the bot says.
func (v *voice) passable(e *ear, codec string) bool {
	if v.silent < passAfter || v.unheard > passWithin {
		return false
	}
	s, taken := e.formats.Load(), e.taken()
	for i := range taken {
		if s == nil {
			return false
		}
		if f := s.format(taken[i].PayloadType); f == nil || f.Name != codec {
			return false
		}
	}
	if c := e.in.codec.Load(); len(taken) == 0 && (c == nil || c.Name != codec) {
		return false
	}
	return true
}

// passing numbers packets that came as those of a stream of ours.
type passing struct {
	on        bool
	timestamp uint32 // added to what came
	next      uint32 // timestamp behind the last packet
	out       transport.Packet
}

// pass sends what was played out in this frame.
func (l *listener) pass(all []playout.Taken) {
	m, p := l.mouth, &l.passing
	m.encoder = nil
	step := m.format.TimestampStep
	for i := range all {
		in := &all[i]
		came := uint32(in.Place * int64(m.format.ClockRate) / audio.SampleRate)
		anew := !p.on
		if off := int32(came + p.timestamp - m.p.Timestamp - step); anew || off > astray*int32(step) || off < -astray*int32(step) {
			p.timestamp = m.p.Timestamp + step - came
			if behind := p.next - (came + p.timestamp); p.on && int32(behind) > 0 {
				p.timestamp += behind // never back
			}
			anew = true
		}
		m.p.Sequence++
		if !anew && in.Missing < astray {
			m.p.Sequence += uint16(max(in.Missing, 0)) // what was lost is to be seen as lost
		}
		p.on = true
		p.out = transport.Packet{
			PayloadType: m.format.payloadType, Marker: in.Marker || m.pause,
			Sequence: m.p.Sequence, Timestamp: came + p.timestamp, Payload: in.Payload,
		}
		m.pause = false
		p.next = p.out.Timestamp + uint32(int64(in.Samples)*int64(m.format.ClockRate)/audio.SampleRate)
		l.send(&p.out)
	}
	m.p.Timestamp += step
}

// end ends passing on: the next frame is said behind what was passed. It says whether there was any.
func (p *passing) end(m *mouth) bool {
	if !p.on {
		return false
	}
	if int32(p.next-m.p.Timestamp-m.format.TimestampStep) > 0 {
		m.p.Timestamp = p.next - m.format.TimestampStep
	}
	*p = passing{}
	return true
}
