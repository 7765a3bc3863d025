// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// session is one connection of a far side to a call: from its offer to its end.
type session struct {
	call *Call
	id   string // in the WHIP session URL

	transport transport.Session // set before anything can arrive on it
	agreed    atomic.Pointer[agreement]

	// These belong to the goroutine that receives.
	incoming transport.Packet
	echo     echo

	mu   sync.Mutex // guards transport while there is none, and
	etag string     // of the ICE session, RFC 9725 section 4.3.1

	up   atomic.Bool
	over atomic.Bool
	ends sync.Once
}

// agreement is what offer and answer came to.
type agreement struct {
	main     *section // the conversation's
	sections []section
}

func (a *agreement) section(number int) *section {
	for i := range a.sections {
		if a.sections[i].number == number {
			return &a.sections[i]
		}
	}
	return nil
}

// open answers the far side's offer.
func (s *session) open(ctx context.Context, offer string) (answer string, err error) {
	offered, err := read(offer)
	if err != nil {
		return "", err
	}
	if err := acceptable(offered); err != nil {
		return "", err
	}
	t, err := s.call.engine.backend.Open(s)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.transport = t
	s.mu.Unlock()
	if s.over.Load() { // closed meanwhile, by someone who saw no transport
		t.Close()
		return "", errClosed
	}
	if answer, err = t.Answer(ctx, offer); err != nil {
		return "", err
	}
	agreed, err := read(answer)
	if err != nil {
		return "", fmt.Errorf("reading our own answer: %w", err)
	}
	main := first(agreed)
	if main == nil || len(main.formats) == 0 {
		return "", fmt.Errorf("%w: no audio codec could be agreed on; offer %s with a direction of sendrecv, sendonly or recvonly", transport.ErrUnacceptable, codecNames())
	}
	s.agreed.Store(&agreement{main: main, sections: agreed})
	return answer, nil
}

// Receive implements transport.Sink. It is the inbound packet path.
func (s *session) Receive(track int, raw []byte, at time.Time) {
	p := &s.incoming
	agreed := s.agreed.Load()
	if agreed == nil || track != agreed.main.number || !p.Parse(raw) || s.over.Load() {
		return
	}
	f := agreed.main.format(p.PayloadType)
	if f == nil {
		return // not negotiated, such as telephone events
	}
	s.call.in.take(p, f, len(raw), at)
	if s.call.behavior.Echo {
		s.echo.turn(p)
		if !s.call.muted.Load() {
			s.send(p, at)
		}
	}
}

// Reception implements transport.Sink.
func (s *session) Reception(track int) (transport.Reception, bool) {
	agreed := s.agreed.Load()
	if agreed == nil || track != agreed.main.number {
		return transport.Reception{}, false
	}
	return s.call.in.reception()
}

// Reported implements transport.Sink.
func (s *session) Reported(int, float64) {}

// KeyFrameWanted implements transport.Sink.
func (s *session) KeyFrameWanted(int) {}

// send is the outbound packet path. A packet that cannot be sent is a packet
// lost; that the far side is gone is said elsewhere.
func (s *session) send(p *transport.Packet, at time.Time) {
	if s.transport.Send(s.agreed.Load().main.number, p) == nil {
		s.call.out.count(p, at)
	}
}

// speak is called by the clock.
func (s *session) speak(now time.Time) (finished bool) {
	pl := s.call.player
	for n := pl.due(now); n > 0 && !pl.done.Load(); n-- {
		s.send(pl.next(s.call.muted.Load()), now)
	}
	return pl.done.Load()
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
	s.call.connectedAt.Store(time.Now().UnixNano())
	if pl := s.call.player; pl != nil && !pl.done.Load() {
		pl.begin(formats[0], time.Now())
		s.call.engine.clock.add(s)
	}
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

// end releases everything and returns when nothing of the session runs any more.
func (s *session) end() {
	s.ends.Do(func() {
		s.over.Store(true)
		s.call.engine.clock.remove(s)
		s.mu.Lock()
		t := s.transport
		s.mu.Unlock()
		if t != nil {
			t.Close()
		}
		s.call.setState(s, StateLost)
	})
}

func (s *session) tag() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.etag
}

func (s *session) setTag(etag string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.etag = etag
}
