// SPDX-License-Identifier: Apache-2.0

package media

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio/tone"
	"github.com/callfleet/callfleet/mediapod/media/telephone"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// Key is a key of a telephone that the far side pressed or let go.
type Key struct {
	// Label is one of 0 to 9, *, #, A to D, and F for a flash of the hook.
	Label byte
	// Pressed is false when it is let go.
	Pressed bool
	// Lasted is how long it was down, once it is let go.
	Lasted time.Duration
}

// maxKeys is how many can be queued to be sent.
const maxKeys = 64

// keypad is what the bot presses. The queue is for all; the rest belongs to the goroutine that ticks.
type keypad struct {
	mu    sync.Mutex
	queue []press
	busy  atomic.Bool

	sender  *telephone.Sender // where the far side takes events
	payload uint8             // its type
	tones   *tone.Generator   // where it does not
}

// press is a key to be sent.
type press struct {
	key           telephone.Key
	duration, gap time.Duration
}

// SendKeys presses keys one after the other: as events (RFC 4733) where the far side takes them, else as their tones. While
// they are sent, what is being played waits.
func (c *Call) SendKeys(keys string, duration, gap time.Duration) error {
	if duration < telephone.MinPress || duration > telephone.MaxPress || gap < telephone.MinGap || gap > telephone.MaxPress {
		return fmt.Errorf("a key is pressed for %v to %v and followed by a pause of %v at least; not %v and %v",
			telephone.MinPress, telephone.MaxPress, telephone.MinGap, duration, gap)
	}
	var all []press
	for _, label := range keys {
		key, ok := telephone.ParseKey(label)
		if !ok {
			return fmt.Errorf("there is no key %q: send 0 to 9, *, #, A to D", label)
		}
		all = append(all, press{key, duration, gap})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	k := &c.voice.keypad
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(all) == 0 || len(k.queue)+len(all) > maxKeys {
		return fmt.Errorf("1 to %d keys can wait to be sent, and %d do", maxKeys, len(k.queue))
	}
	k.queue = append(k.queue, all...)
	k.busy.Store(true)
	c.voice.seat.start()
	return nil
}

// begin fits the keypad to a session.
func (k *keypad) begin(s *section) {
	k.sender, k.tones = nil, nil
	for payloadType, rate := range s.keys {
		if rate == s.formats[0].ClockRate { // RFC 4733 section 2.1: the clock of the audio beside it
			k.sender, k.payload = telephone.NewSender(int(rate)), payloadType
		}
	}
}

// next is the key that is due, if none is being sent.
func (k *keypad) next() (p press, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		k.busy.Store(false)
		return press{}, false
	}
	p = k.queue[0]
	k.queue = k.queue[:copy(k.queue, k.queue[1:])]
	return p, true
}

var errNoKeys = errors.New("no key is pressed")

// event is the packet of the key that is being pressed; errNoKeys if none is. It is nil in the pause after a key.
func (k *keypad) event(m *mouth) (*transport.Packet, error) {
	if k.sender == nil || !k.busy.Load() && !k.sender.Busy() {
		return nil, errNoKeys
	}
	if !k.sender.Busy() {
		p, ok := k.next()
		if !ok {
			return nil, errNoKeys
		}
		if err := k.sender.Press(p.key, p.duration, p.gap); err != nil {
			return nil, errNoKeys
		}
	}
	out, ok := k.sender.Next(m.p.Timestamp + m.format.TimestampStep)
	if !ok {
		m.rest()
		return nil, nil
	}
	return m.key(k.payload, &out), nil
}

// sound fills a frame with the tones of the keys that are pressed; false if none is.
func (k *keypad) sound(frame []int16) bool {
	if k.sender != nil || k.tones == nil && !k.busy.Load() {
		return false
	}
	for n := 0; n < len(frame); {
		if k.tones == nil {
			p, ok := k.next()
			if !ok {
				clear(frame[n:])
				return n > 0
			}
			how := tone.UsualKeys()
			how.Tone, how.Pause = p.duration, p.gap
			// The flash of a hook has no tone.
			if k.tones, _ = how.Generator(p.key.String()); k.tones == nil {
				continue
			}
		}
		m := k.tones.Fill(frame[n:])
		if n += m; n < len(frame) {
			k.tones = nil
		}
	}
	return true
}

// pressed takes what keys the far side pressed.
func (c *Call) pressed(events []telephone.Event) {
	for _, e := range events {
		c.key(Key{Label: e.Key.String()[0], Pressed: e.Down, Lasted: e.Lasted})
	}
}

func (c *Call) key(k Key) {
	if k.Pressed {
		c.voice.player.interrupt()
	}
	if told := c.onKey.Load(); told != nil {
		(*told)(k)
	}
}

// OnKey has somebody else be told when the far side presses a key or lets it go, from now on; nil: nobody. As with CallOptions.OnKey, it
// must be cheap.
func (c *Call) OnKey(told func(Key)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if told == nil {
		c.onKey.Store(nil)
		return
	}
	c.onKey.Store(&told)
	c.voice.seat.start() // keys may come as tones, which are heard by whoever listens
}
