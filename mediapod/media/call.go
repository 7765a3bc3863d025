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
)

// State is where a call's media stands.
type State string

// The states. A far side may come back after it was lost.
const (
	StateNew       State = "New"       // no far side yet
	StateConnected State = "Connected" // media can flow
	StateLost      State = "Lost"      // the far side was there and is gone
	StateClosed    State = "Closed"    // by Close
)

// CallOptions describes a call.
type CallOptions struct {
	// ID is in the WHIP URL, so it consists of letters, digits, "-", "_" and ".".
	ID       string
	Behavior Behavior
	// OnChange is called when State or Stats().Audio's Flowing or PlaybackDone may
	// have changed. It must be cheap, may come from any goroutine and must not call
	// Close, which waits for those.
	OnChange func()
}

// Call is the media of one call.
type Call struct {
	engine   *Engine
	id       string
	token    string
	behavior Behavior
	player   *player // nil when nothing is to be played
	onChange func()

	in          inbound
	out         outbound
	sending     atomic.Pointer[codec.Codec]
	roundTripMs atomicFloat
	connectedAt atomic.Int64 // UnixNano
	muted       atomic.Bool
	wasFlowing  bool // belongs to the engine's watcher
	wasDone     bool

	mu      sync.Mutex
	state   State
	session *session // the live one
	closed  bool
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
		engine: e, id: o.ID, token: rand.Text(), behavior: o.Behavior, state: StateNew,
		onChange: o.OnChange,
	}
	if c.onChange == nil {
		c.onChange = func() {}
	}
	c.in.level.Store(silent)
	if o.Behavior.Play != nil {
		pl, err := newPlayer(*o.Behavior.Play)
		if err != nil {
			return nil, err
		}
		c.player = pl
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
	p := c.engine.public.Load()
	u := url.URL{Scheme: "https", Host: net.JoinHostPort(p.host, strconv.Itoa(int(p.port))), Path: endpointPath(c.id)}
	return u.String(), c.token
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
	s := c.session
	c.closed, c.session = true, nil
	changed := c.state != StateClosed
	c.state = StateClosed
	c.mu.Unlock()
	if s != nil {
		s.end()
	}
	c.engine.remove(c)
	if changed {
		c.onChange()
	}
}

// errBusy is a second far side at a call that has one; errClosed is one too late.
var (
	errBusy   = errors.New("the call has a session already")
	errClosed = errors.New("the call has ended")
)

// connect answers the offer of a far side with a new session.
func (c *Call) connect(ctx context.Context, offer string) (s *session, answer string, err error) {
	s = &session{call: c, id: rand.Text(), etag: newTag()}
	c.mu.Lock()
	switch {
	case c.closed:
		err = errClosed
	case c.session != nil:
		err = errBusy
	default:
		c.session = s // the place is taken while the answer is made
	}
	c.mu.Unlock()
	if err != nil {
		return nil, "", err
	}
	if answer, err = s.open(ctx, offer); err != nil {
		c.mu.Lock()
		if c.session == s {
			c.session = nil
		}
		c.mu.Unlock()
		s.end()
		return nil, "", err
	}
	return s, answer, nil
}

// live is the session of that id, if it is the call's.
func (c *Call) live(id string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil || c.session.id != id {
		return nil
	}
	return c.session
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
	a := c.statsAt(now).Audio
	if a.Flowing != c.wasFlowing || a.PlaybackDone != c.wasDone {
		c.wasFlowing, c.wasDone = a.Flowing, a.PlaybackDone
		c.onChange()
	}
}
