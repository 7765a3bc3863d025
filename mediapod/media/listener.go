// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"sync"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// maxListeners of one call.
const maxListeners = 8

// listener is the connection of somebody who listens in: who hears both sides, and is heard by none.
type listener struct {
	connection
	who string

	// It belongs to the goroutine that ticks.
	mouth   *mouth
	passing passing
	// lanes are guarded by the vision's lock.
	lanes []*lane

	patience sync.Mutex  // guards
	parting  *time.Timer // while nothing comes from them
}

// open answers the listener's offer.
func (l *listener) open(ctx context.Context, offer string) (answer string, err error) {
	return l.connection.open(ctx, offer, l)
}

// Receive implements transport.Sink: nobody hears a listener.
func (l *listener) Receive(int, []byte, time.Time) {}

// Reception implements transport.Sink.
func (l *listener) Reception(int) (transport.Reception, bool) { return transport.Reception{}, false }

// Reported implements transport.Sink.
func (l *listener) Reported(track int, lost float64) {
	if agreed := l.agreed.Load(); agreed != nil && track == agreed.main.number {
		l.missed.report(lost)
	}
}

// Measured implements transport.Sink.
func (l *listener) Measured(time.Duration) {}

// KeyFrameWanted implements transport.Sink.
func (l *listener) KeyFrameWanted(track int) {
	l.call.vision.keyFrameWanted(func() *lane { return l.lane(track) })
}

// Connected implements transport.Sink.
func (l *listener) Connected() {
	if !l.over.Load() && !l.up.Swap(true) {
		l.call.admit(l)
	}
}

// Interrupted implements transport.Sink. Nobody waits for a listener but the place they take.
func (l *listener) Interrupted() {
	l.patience.Lock()
	defer l.patience.Unlock()
	l.parting = time.AfterFunc(l.call.engine.cfg.patience.Failed, func() { l.Gone("nothing comes from it any more") })
}

// Resumed implements transport.Sink.
func (l *listener) Resumed() {
	l.patience.Lock()
	defer l.patience.Unlock()
	if l.parting != nil {
		l.parting.Stop()
	}
}

// Gone implements transport.Sink.
func (l *listener) Gone(string) {
	if !l.over.Load() {
		l.call.engine.background.Go(l.end)
	}
}

// end implements party.
func (l *listener) end() {
	l.connection.end(func() { l.call.dismiss(l) })
	l.Resumed() // no timer is left behind
}

// admit has a listener hear the call from now on.
func (c *Call) admit(l *listener) {
	c.mu.Lock()
	if c.closed || c.listeners[l.id] != l {
		c.mu.Unlock()
		return
	}
	c.hearLocked(l, true)
	c.vision.admit(l)
	c.mu.Unlock()
	c.engine.log.Info("somebody listens in", "session", c.id, "who", l.who)
	c.onListener(l.who, true)
}

// dismiss returns when the listener is sent nothing any more.
func (c *Call) dismiss(l *listener) {
	c.mu.Lock()
	delete(c.listeners, l.id)
	heard := c.hearLocked(l, false)
	c.mu.Unlock()
	c.voice.seat.pass()
	c.vision.dismiss(l)
	if heard {
		c.engine.log.Info("a listener is gone", "session", c.id, "who", l.who)
		c.onListener(l.who, false)
	}
}

func (c *Call) onListener(who string, listening bool) {
	if c.options.OnListener != nil {
		c.options.OnListener(who, listening)
	}
}

// hearLocked adds a listener to those who are sent the call, or takes one away. It says whether there was one to take.
func (c *Call) hearLocked(l *listener, on bool) bool {
	var list []*listener
	found := false
	if old := c.voice.listeners.Load(); old != nil {
		for _, other := range *old {
			if other == l {
				found = true
			} else {
				list = append(list, other)
			}
		}
	}
	switch {
	case on && !found:
		list = append(list, l)
		c.voice.wants.Add(1)
		c.voice.seat.start()
	case !on && found:
		c.voice.wants.Add(-1)
	default:
		return found
	}
	c.voice.listeners.Store(&list)
	return found
}

// ListenURL is the WHEP URL for those who listen in, with a token of their own.
func (c *Call) ListenURL() string { return c.address(whepPrefix) }

// Listeners is how many listen in.
func (c *Call) Listeners() int {
	if list := c.voice.listeners.Load(); list != nil {
		return len(*list)
	}
	return 0
}

// tellListeners sends a frame to those who listen in: the far side's packets where they will do, or both sides mixed. One
// encoder serves all that have the same codec, as the one of them needs it who misses most.
func (v *voice) tellListeners(list []*listener, main *ear) {
	mixed := v.mixBoth()
	for i, l := range list {
		if l.mouth == nil {
			l.mouth = newMouth(l.agreed.Load().main.formats[0])
		}
		if v.passable(main, l.mouth.format.Name) {
			l.pass(main.taken())
			continue
		}
		before := l.passing.end(l.mouth)
		var p *transport.Packet
		if first := firstOf(list[:i], l.mouth.format.Name); first != nil {
			p = l.mouth.wrap(first.mouth.encoded)
		} else {
			l.mouth.adapt(mostMissed(list[i:], l.mouth.format.Name))
			if before {
				l.mouth.warm(v.monitor)
			}
			p = l.mouth.say(mixed)
		}
		if p != nil {
			l.send(p)
		}
	}
}

// warm begins a stream behind what was passed on, with an encoder that has heard the end of that.
func (m *mouth) warm(heard *monitor) {
	for i := range warmUp {
		m.encode(heard.recent[(heard.frames+i)%warmUp][:])
	}
}

// mostMissed is the most that one misses of those who take a codec, in percent.
func mostMissed(list []*listener, codec string) (percent int) {
	for _, l := range list {
		if l.agreed.Load().main.formats[0].Name == codec {
			percent = max(percent, l.missed.percent())
		}
	}
	return percent
}

// firstOf is the listener that has encoded for a codec.
func firstOf(list []*listener, codec string) *listener {
	for _, l := range list {
		if l.mouth.format.Name == codec {
			return l
		}
	}
	return nil
}
