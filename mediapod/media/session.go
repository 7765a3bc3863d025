// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// session is the connection of the far side, whom the call is with.
type session struct {
	connection

	// These belong to the goroutine that receives.
	incoming transport.Packet
	echo     echo
}

// open answers the far side's offer.
func (s *session) open(ctx context.Context, offer string) (answer string, err error) {
	if answer, err = s.connection.open(ctx, offer, s); err != nil {
		return "", err
	}
	all := s.agreed.Load()
	for _, section := range all.sections {
		if i, section := all.ear(section.number); section != nil {
			s.call.ears[i].meet(section)
		}
	}
	s.call.vision.agree(all)
	return answer, nil
}

// Receive implements transport.Sink. It is the inbound packet path.
func (s *session) Receive(track int, raw []byte, at time.Time) {
	p := &s.incoming
	agreed := s.agreed.Load()
	if agreed == nil || !p.Parse(raw) || s.over.Load() {
		return
	}
	if n, section := agreed.view(track); section != nil {
		s.call.vision.receive(s, n, section, p, len(raw), at)
		return
	}
	i, section := agreed.ear(track)
	if section == nil {
		return
	}
	ear, f := &s.call.ears[i], section.format(p.PayloadType)
	if f == nil {
		if rate := section.keys[p.PayloadType]; rate > 0 {
			// Their timestamp is that of the press: it tells nothing of jitter.
			ear.in.count(p, 0, len(raw), at)
			s.call.pressed(ear.press(p, rate, at))
		}
		return // or not negotiated
	}
	s.call.pressed(ear.expire(at))
	ear.hear(p, f, i > 0, len(raw), at)
	if s.call.behavior.Echo && i == 0 {
		s.echo.turn(p, f.TimestampStep)
		if !s.call.muted.Load() {
			s.say(p, at)
		}
	}
}

// Reception implements transport.Sink.
func (s *session) Reception(track int) (transport.Reception, bool) {
	if agreed := s.agreed.Load(); agreed != nil {
		if i, section := agreed.ear(track); section != nil {
			return s.call.ears[i].in.reception()
		}
		if n, section := agreed.view(track); section != nil {
			return s.call.vision.reception(n)
		}
	}
	return transport.Reception{}, false
}

// Reported implements transport.Sink.
func (s *session) Reported(track int, lost float64) {
	agreed := s.agreed.Load()
	if agreed == nil {
		return
	}
	if track == agreed.main.number {
		s.call.reportedLoss.Store(lost)
		s.missed.report(lost)
	} else if n, section := agreed.view(track); section != nil {
		s.call.vision.reported(n, lost)
	}
}

// KeyFrameWanted implements transport.Sink.
func (s *session) KeyFrameWanted(track int) {
	if agreed := s.agreed.Load(); agreed != nil {
		if n, section := agreed.view(track); section != nil {
			s.call.vision.keyFrameWanted(func() *lane { return s.call.vision.lanes[n] })
		}
	}
}

// say is the outbound packet path.
func (s *session) say(p *transport.Packet, at time.Time) {
	if s.send(p) {
		s.call.out.count(p, at)
	}
}

// Measured implements transport.Sink.
func (s *session) Measured(roundTrip time.Duration) {
	s.call.roundTripMs.Store(roundTrip.Seconds() * 1000)
}

// Connected implements transport.Sink. It starts what the bot has to say.
func (s *session) Connected() {
	if s.over.Load() || s.up.Swap(true) {
		return
	}
	formats := s.agreed.Load().main.formats
	s.call.sending.Store(&formats[0].Codec)
	s.call.speaking.Store(s)
	s.call.voice.seat.start()
	s.call.vision.connect(s)
	s.call.setState(s, StateConnected)
	s.call.engine.log.V(1).Info("far side connected", "call", s.call.id, "codec", formats[0].Name)
}

// Interrupted implements transport.Sink. The session stays, for the far side may restart ICE (RFC 9725 section 4.3.3): as
// long as the call is open, or until another far side comes in its place. How long that may last is for the call's owner
// to say, who alone knows what a call without sound is worth.
func (s *session) Interrupted() {
	if s.over.Load() {
		return
	}
	if !s.up.Load() { // it broke before anything could be said: there is nothing to go on with
		s.Gone("it broke while it was set up")
		return
	}
	s.call.engine.log.V(1).Info("nothing comes from the far side any more", "call", s.call.id)
	s.call.setState(s, StateInterrupted)
}

// Resumed implements transport.Sink.
func (s *session) Resumed() {
	if s.over.Load() {
		return
	}
	s.call.engine.log.V(1).Info("the far side is heard again", "call", s.call.id)
	s.call.setState(s, StateConnected)
}

// Gone implements transport.Sink. It ends the session, not from within the transport that says so.
func (s *session) Gone(reason string) {
	if s.over.Load() {
		return
	}
	s.call.engine.log.V(1).Info("far side gone", "call", s.call.id, "reason", reason)
	s.call.engine.background.Go(s.end)
}

// end implements party.
func (s *session) end() {
	s.connection.end(func() {
		s.call.speaking.CompareAndSwap(s, nil)
		s.call.voice.seat.pass()
		s.call.vision.part(s)
	})
	s.call.setState(s, StateLost)
}
