// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// session is one connection of a far side to a call: from its offer to its end.
type session struct {
	call *Call
	id   string // in the WHIP session URL

	transport transport // set before anything can arrive on it
	formats   atomic.Pointer[[]format]

	// These belong to the goroutine that receives.
	incoming packet
	echo     echo

	mu   sync.Mutex // guards transport while there is none, and
	etag string     // of the ICE session, RFC 9725 section 4.3.1

	up   atomic.Bool
	over atomic.Bool
	ends sync.Once
}

// open answers the far side's offer.
func (s *session) open(ctx context.Context, offer string) (answer string, err error) {
	offered, sections, err := audioFormats(offer)
	switch {
	case err != nil:
		return "", err
	case sections != 1:
		return "", fmt.Errorf("%w: it has %d audio sections; offer one", errUnacceptable, sections)
	case len(offered) == 0:
		return "", fmt.Errorf("%w: it has no audio codec that the bot speaks; offer G722, PCMU or PCMA", errUnacceptable)
	}
	t, err := s.call.engine.dial(s)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	s.transport = t
	s.mu.Unlock()
	if s.over.Load() { // closed meanwhile, by someone who saw no transport
		t.close()
		return "", errClosed
	}
	if answer, err = t.answer(ctx, offer); err != nil {
		return "", err
	}
	agreed, _, err := audioFormats(answer)
	if err != nil {
		return "", fmt.Errorf("reading our own answer: %w", err)
	}
	if len(agreed) == 0 {
		return "", fmt.Errorf("%w: no audio codec could be agreed on; offer G722, PCMU or PCMA with a direction of sendrecv, sendonly or recvonly", errUnacceptable)
	}
	s.formats.Store(&agreed)
	return answer, nil
}

// receive is the inbound packet path.
func (s *session) receive(raw []byte, at time.Time) {
	p := &s.incoming
	if !p.parse(raw) || s.over.Load() {
		return
	}
	f := s.format(p.payloadType)
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

func (s *session) format(payloadType uint8) *format {
	if formats := s.formats.Load(); formats != nil {
		for i := range *formats {
			if (*formats)[i].payloadType == payloadType {
				return &(*formats)[i]
			}
		}
	}
	return nil
}

// send is the outbound packet path. A packet that cannot be sent is a packet
// lost; that the far side is gone is said elsewhere.
func (s *session) send(p *packet, at time.Time) {
	if s.transport.send(p) == nil {
		s.call.out.count(p, at)
	}
}

// speak is called by the clock.
func (s *session) speak(now time.Time) (finished bool) {
	pl := s.call.player
	for range pl.due(now) {
		s.send(pl.next(s.call.muted.Load()), now)
	}
	return pl.done.Load()
}

func (s *session) measured(roundTrip time.Duration) {
	s.call.roundTripMs.Store(roundTrip.Seconds() * 1000)
}

// connected starts what the bot has to say.
func (s *session) connected() {
	if s.over.Load() || s.up.Swap(true) {
		return
	}
	formats := *s.formats.Load()
	s.call.sending.Store(&formats[0].Codec)
	s.call.connectedAt.Store(time.Now().UnixNano())
	if pl := s.call.player; pl != nil && !pl.done.Load() {
		pl.begin(formats[0], time.Now())
		s.call.engine.clock.add(s)
	}
	s.call.setState(s, StateConnected)
	s.call.engine.log.V(1).Info("far side connected", "call", s.call.id, "codec", formats[0].Name)
}

// gone ends the session, not from within the transport that says so.
func (s *session) gone(reason string) {
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
			t.close()
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
