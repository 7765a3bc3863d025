// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// connection is one WebRTC connection to a call, whoever is at its other end: from the offer to its end.
type connection struct {
	call *Call
	id   string // in the session's URL

	transport transport.Session // set before anything can arrive on it
	agreed    atomic.Pointer[agreement]

	mu   sync.Mutex // guards transport while there is none, and
	etag string     // of the ICE session, RFC 9725 section 4.3.1

	missed missed // of what is said

	up   atomic.Bool
	over atomic.Bool
	ends sync.Once
}

func newConnection(c *Call) connection {
	return connection{call: c, id: rand.Text(), etag: newTag()}
}

// agreement is what offer and answer came to.
type agreement struct {
	main     *section // the conversation's
	sections []section
}

// ear is which of the call's ears hears a section of audio.
func (a *agreement) ear(number int) (int, *section) {
	ear := 0
	for i := range a.sections {
		switch s := &a.sections[i]; {
		case s.kind != kindAudio:
		case s.number == number:
			return ear, s
		default:
			ear++
		}
	}
	return 0, nil
}

// open answers an offer. What happens on the connection is reported to the sink.
func (c *connection) open(ctx context.Context, offer string, sink transport.Sink) (answer string, err error) {
	codecs := c.call.engine.codecs
	offered, err := read(offer, codecs)
	if err != nil {
		return "", err
	}
	if err := acceptable(offered, codecs); err != nil {
		return "", err
	}
	t, err := c.call.engine.backend.Open(sink)
	if err != nil {
		return "", err
	}
	c.mu.Lock()
	c.transport = t
	c.mu.Unlock()
	if c.over.Load() { // closed meanwhile, by someone who saw no transport
		t.Close()
		return "", errClosed
	}
	if answer, err = t.Answer(ctx, offer); err != nil {
		return "", err
	}
	agreed, err := read(answer, codecs)
	if err != nil {
		return "", fmt.Errorf("reading our own answer: %w", err)
	}
	carryOver(offered, agreed)
	main := first(agreed)
	if main == nil || len(main.formats) == 0 {
		return "", fmt.Errorf("%w: no audio codec could be agreed on; offer %s with a direction of sendrecv, sendonly or recvonly", transport.ErrUnacceptable, codecNames(codecs))
	}
	c.agreed.Store(&agreement{main: main, sections: agreed})
	// What we would like to be sent; the transport repeats what it was offered.
	return sdp.WithParameters(answer, codec.Opus.Name, codec.Opus.Fmtp)
}

// send sends audio. A packet that cannot be sent is a packet lost; that the other end is gone is said elsewhere.
func (c *connection) send(p *transport.Packet) (ok bool) {
	return c.transport.Send(c.agreed.Load().main.number, p) == nil
}

// end releases everything and returns when nothing of the connection runs any more. What was there before the transport
// goes is let go of in between.
func (c *connection) end(letGo func()) {
	c.ends.Do(func() {
		c.over.Store(true)
		letGo()
		c.mu.Lock()
		t := c.transport
		c.mu.Unlock()
		if t != nil {
			t.Close()
		}
	})
}

func (c *connection) tag() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.etag
}

func (c *connection) setTag(etag string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.etag = etag
}
