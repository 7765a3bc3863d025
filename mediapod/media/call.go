// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net"
	"net/url"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
)

// State is where a call's media stands.
type State string

// The states. A far side may come back after it was lost.
const (
	StateNew         State = "New"         // no far side yet
	StateConnected   State = "Connected"   // media can flow
	StateInterrupted State = "Interrupted" // nothing comes from the far side; it may restart ICE, or come anew
	StateLost        State = "Lost"        // the far side was there and is gone
	StateClosed      State = "Closed"      // by Close
)

// Behavior is what the bot does in the call from the start. Its zero value listens.
type Behavior struct {
	// Echo sends back what is heard, and what is seen.
	Echo bool
	// Play speaks a clip. It excludes Echo.
	Play *Play
}

// Play is a clip to speak once the call is connected.
type Play struct {
	Clip wav.Clip // at any sample rate
	Loop bool     // over and over, until the call ends
}

// CallOptions describes a call.
type CallOptions struct {
	// ID is in the WHIP URL, so it consists of letters, digits, "-", "_" and ".".
	ID       string
	Behavior Behavior
	// OnChange is called when State, Stats().Audio's Flowing or PlaybackDone, or what
	// of the video is shed may have changed. It must be cheap, may come from any
	// goroutine and must not call Close, which waits for those.
	OnChange func()
	// OnKey is called when the far side pressed a key or let it go. As with OnChange, it must be cheap.
	OnKey func(Key)
	// OnSpeaker is called when another voice of the far side's is the dominant one, with the number that its frames have,
	// and those before it, the last first. It must be cheap, and keeps nothing of the list.
	OnSpeaker func(source uint32, before []uint32)
	// Authorize judges who wants to listen in, by the token they show. It names them, or says ErrUnauthenticated,
	// ErrForbidden or ErrUnavailable. Without it nobody can.
	Authorize func(ctx context.Context, token string) (who string, err error)
	// OnListener is called when somebody has begun to listen in, or has stopped. As with OnChange, it must be cheap.
	OnListener func(who string, listening bool)
}

// Call is the media of one call.
type Call struct {
	engine   *Engine
	id       string
	token    string
	options  CallOptions
	behavior Behavior
	onChange func()

	ears         [maxAudioSections]ear // the first is the conversation's
	voice        voice
	vision       vision
	out          outbound
	speaking     atomic.Pointer[session] // while connected
	sending      atomic.Pointer[codec.Codec]
	roundTripMs  atomicFloat
	reportedLoss atomicFloat // share of what was sent, as the far side reports it
	muted        atomic.Bool
	onKey        atomic.Pointer[func(Key)]
	wasFlowing   bool // belongs to the engine's watcher
	wasDone      bool

	mu        sync.Mutex
	state     State
	session   *session             // the live one
	listeners map[string]*listener // by session
	closed    bool
}

// NewCall opens a WHIP resource for a call and waits for the far side.
func (e *Engine) NewCall(o CallOptions) (*Call, error) {
	if !validID(o.ID) {
		return nil, errors.New("a call's id has 1 to 128 letters, digits, \"-\", \"_\" or \".\"")
	}
	if o.Behavior.Echo && o.Behavior.Play != nil {
		return nil, errors.New("a call can either echo or play a clip; choose one")
	}
	c := &Call{
		engine: e, id: o.ID, token: rand.Text(), options: o, behavior: o.Behavior, state: StateNew,
		onChange: o.OnChange, listeners: map[string]*listener{},
	}
	if c.onChange == nil {
		c.onChange = func() {}
	}
	if o.OnKey != nil {
		c.onKey.Store(&o.OnKey)
	}
	c.voice.seat = e.clock.seat(c)
	c.vision.call, c.vision.seat = c, e.clock.seat(&c.vision)
	for i := range c.ears {
		c.ears[i].in.meter.level.Store(silent)
	}
	if play := o.Behavior.Play; play != nil {
		clip, err := NewClip(play.Clip)
		if err != nil {
			return nil, err
		}
		c.Play(clip, PlayOptions{Loop: play.Loop})
	}
	if err := e.add(c); err != nil {
		return nil, err
	}
	return c, nil
}

func validID(id string) bool {
	if len(id) < 1 || len(id) > 128 {
		return false
	}
	for _, r := range id {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		case r == '.' && id != "." && id != "..":
		default:
			return false
		}
	}
	return true
}

// Endpoint is the WHIP URL for the far side and the bearer token it must show.
func (c *Call) Endpoint() (whipURL, token string) {
	return c.address(whipPrefix), c.token
}

func (c *Call) address(prefix string) string {
	p := c.engine.public.Load()
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(p.host, strconv.Itoa(int(p.port))), Path: prefix + c.id}
	return u.String()
}

// State is where the call's media stands.
func (c *Call) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// SetMuted makes the bot say nothing: a clip plays on unheard, an echo stays away.
func (c *Call) SetMuted(muted bool) { c.muted.Store(muted) }

// Close ends the call and returns when nothing of it runs any more. OnChange may
// be called a last time meanwhile.
func (c *Call) Close() {
	c.mu.Lock()
	var parties []party
	if c.session != nil {
		parties = append(parties, c.session)
	}
	for _, l := range c.listeners {
		parties = append(parties, l)
	}
	c.closed, c.session = true, nil
	changed := c.state != StateClosed
	c.state = StateClosed
	c.mu.Unlock()
	for _, p := range parties {
		p.end()
	}
	c.voice.seat.stop()
	c.StopPlaying()
	c.vision.close()
	c.engine.remove(c)
	if changed {
		c.onChange()
	}
}

// party is one end of a call: the far side, or somebody who listens in.
type party interface {
	open(ctx context.Context, offer string) (answer string, err error)
	// end releases everything and returns when nothing of the connection runs any more.
	end()
}

var (
	errBusy    = errors.New("the call has a session already")
	errClosed  = errors.New("the call has ended")
	errCrowded = errors.New("too many listen in already")
)

// connect answers the offer of a far side with a new session.
func (c *Call) connect(ctx context.Context, offer string) (*connection, string, error) {
	s := &session{connection: newConnection(c)}
	c.mu.Lock()
	var err error
	var stale *session
	switch {
	case c.closed:
		err = errClosed
	case c.session != nil && c.state != StateInterrupted:
		err = errBusy
	default: // who comes anew, as a far side that crashed does, need not wait for what it left behind to be given up
		stale, c.session = c.session, s // the place is taken while the answer is made
		if stale != nil {
			c.state = StateLost
		}
	}
	c.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	if stale != nil {
		stale.end()
		c.onChange()
	}
	answer, err := s.open(ctx, offer)
	if err != nil {
		c.mu.Lock()
		if c.session == s {
			c.session = nil
		}
		c.mu.Unlock()
		s.end()
		return nil, "", err
	}
	return &s.connection, answer, nil
}

// listen answers the offer of somebody who wants to listen in.
func (c *Call) listen(ctx context.Context, who, offer string) (*connection, string, error) {
	l := &listener{connection: newConnection(c), who: who}
	c.mu.Lock()
	var err error
	switch {
	case c.closed:
		err = errClosed
	case len(c.listeners) >= maxListeners:
		err = errCrowded
	default:
		c.listeners[l.id] = l
	}
	c.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	answer, err := l.open(ctx, offer)
	if err != nil {
		l.end()
		return nil, "", err
	}
	return &l.connection, answer, nil
}

// far is the far side's session, if it has that id.
func (c *Call) far(id string) (*connection, party) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil || c.session.id != id {
		return nil, nil
	}
	return &c.session.connection, c.session
}

// listening is the session of somebody who listens in, if it has that id and is theirs.
func (c *Call) listening(id, who string) (*connection, party) {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.listeners[id]
	if l == nil || l.who != who {
		return nil, nil
	}
	return &l.connection, l
}

// setState follows a session that is the call's.
func (c *Call) setState(s *session, state State) {
	c.mu.Lock()
	changed := c.session == s && !c.closed
	if changed {
		c.state = state
		if state == StateLost {
			c.session = nil
		}
	}
	c.mu.Unlock()
	if changed {
		c.onChange()
	}
}

func (c *Call) authorized(token string) bool {
	return subtle.ConstantTimeCompare([]byte(token), []byte(c.token)) == 1
}

// notice reports changes that no event announces. It is called by the engine's
// watcher.
func (c *Call) notice(now time.Time) {
	shedding := c.vision.look(now, c.engine.Shedding())
	a := c.statsAt(now).Audio
	if shedding || a.Flowing != c.wasFlowing || a.PlaybackDone != c.wasDone {
		c.wasFlowing, c.wasDone = a.Flowing, a.PlaybackDone
		c.onChange()
	}
}
