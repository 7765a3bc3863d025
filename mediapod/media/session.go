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
			s.call.ears[i].formats.Store(section)
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
