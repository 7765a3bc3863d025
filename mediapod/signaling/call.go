// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/graph"
)

// queueLength is how many requests with notifications may wait for one call.
// They take microseconds each; a full queue means that something is stuck.
const queueLength = 256

// ErrCallOver is the answer to a wish for a call that has ended, or is not held here any more.
var ErrCallOver = errors.New("the call is over")

// Call is one call. All that happens to it happens on one goroutine, in order.
type Call struct {
	server *Server
	log    logr.Logger
	plan   plan
	api    GraphAPI // with the tokens of the call's tenant

	queue   chan []graph.Notification
	answers chan func(now time.Time) // one task of each kind is under way at most, so that it is never full
	inputs  chan func(now time.Time) // from those who wait until they are taken
	wake    chan struct{}

	wanted     atomic.Pointer[EndReason]
	wants      atomic.Pointer[Wants]
	released   atomic.Bool
	overflowed atomic.Bool

	snapshot atomic.Pointer[Snapshot]
	done     chan struct{}

	tones      toneLog
	operations operations

	machine *machine // of the goroutine, as is
	wasIn   bool     // that the bot has been in the call
}

// plan is how a call begins.
type plan struct {
	uid     string
	setting setting
	request *graph.Call  // what Graph is sent to make the call
	answer  graph.Answer // or to answer it
	end     *End         // of a call that need not be tried
	// locate, if set, gives the blob of the answer.
	locate   func(context.Context) (string, error)
	onChange func()
	started  func(*Call)
}

func newCall(s *Server, p plan) *Call {
	c := &Call{
		server:  s,
		log:     s.log.WithValues("session", p.uid, "scenario", p.setting.scenario),
		plan:    p,
		api:     s.cfg.Graph(p.setting.tenant),
		queue:   make(chan []graph.Notification, queueLength),
		answers: make(chan func(time.Time), tasks),
		inputs:  make(chan func(time.Time)),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.machine = newMachine(surroundings{c}, p.setting, s.clock.Now())
	c.snapshot.Store(c.machine.snapshot())
	s.metrics.moved("", PhaseJoining)
	return c
}

// UID is the session's.
func (c *Call) UID() string { return c.plan.uid }

// Snapshot is the call as it is now.
func (c *Call) Snapshot() Snapshot { return *c.snapshot.Load() }

// Done is closed when the call has ended, or is not held here any more.
func (c *Call) Done() <-chan struct{} { return c.done }

// HangUp makes the bot leave, for a reason that becomes the reason of the end. It
// returns at once and may be called again; the first reason stands.
func (c *Call) HangUp(reason EndReason) {
	c.wanted.CompareAndSwap(nil, &reason)
	c.nudge()
}

func (c *Call) nudge() {
	select {
	case c.wake <- struct{}{}:
	default: // it is awake already, or about to be
	}
}

// offer puts notifications in the queue. The Server's lock is held for reading.
func (c *Call) offer(batch []graph.Notification) bool {
	select {
	case c.queue <- batch:
		return true
	default:
		c.overflowed.Store(true)
		c.nudge()
		return false
	}
}

// input has the call's goroutine do something, and reports whether it will.
func (c *Call) input(ctx context.Context, do func(now time.Time)) bool {
	select {
	case c.inputs <- do:
		return true
	case <-c.done:
	case <-ctx.Done():
	}
	return false
}

// note adds to the call's timeline.
func (c *Call) note(event, detail string) {
	c.input(context.Background(), func(now time.Time) { c.machine.event(now, event, detail) })
}

// run is the call's goroutine.
func (c *Call) run(ctx context.Context) {
	if c.plan.started != nil {
		c.plan.started(c)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := c.server.clock.NewTimer(time.Hour)
	defer timer.Stop()

	m, now := c.machine, c.server.clock.Now
	m.begin(now())
	if c.plan.end != nil {
		m.end(now(), *c.plan.end)
	}
	for {
		orders := m.orders(now())
		if m.ended() {
			break
		}
		// Before anything is sent, others see what it follows from: who persists media must have stopped by then.
		c.publish()
		for _, o := range orders {
			c.perform(ctx, o)
		}
		if next, ok := m.next(); ok {
			timer.Reset(next.Sub(now()))
		}
		select {
		case batch := <-c.queue:
			m.notified(now(), batch)
		case answer := <-c.answers:
			answer(now())
		case input := <-c.inputs:
			input(now())
		case <-timer.C():
			m.tick(now())
		case <-c.wake:
			c.takeWishes(now())
			if c.released.Load() && m.releasable() {
				c.letGo()
				return
			}
		case <-ctx.Done():
			m.leave(now(), EndPodStopped)
			m.giveUpLeaving(now())
		}
	}
	c.finish()
}

func (c *Call) takeWishes(now time.Time) {
	if w := c.wants.Swap(nil); w != nil {
		c.machine.want(now, *w)
	}
	if reason := c.wanted.Load(); reason != nil {
		c.machine.leave(now, *reason)
	}
	if c.released.Load() && !c.machine.releasable() {
		c.machine.leave(now, EndPodStopped)
	}
	if c.overflowed.Swap(false) {
		c.machine.missed(now)
	}
}

// finish tells everybody that the call is over. Nobody finds the call once its
// end can be seen, so that the next attempt for the session may begin at once.
func (c *Call) finish() {
	end := c.machine.snap.End
	over := c.machine.snap.CallID
	if c.machine.leaving.vain {
		over = "" // it may live on: should it tell of itself, it is hung up as a call that no session claims
	}
	c.server.forget(c, over)
	c.drain(func(n graph.Notification) outcome { return c.server.stray(n, c.plan.setting.tenant, true) })
	c.server.metrics.ends.WithLabelValues(string(end.Reason)).Inc()
	c.log.Info("call ended", "call", c.machine.snap.CallID, "reason", end.Reason, "message", end.Message)
	c.close()
}

// letGo stops holding a call that goes on: another process of the bot holds it from now on.
func (c *Call) letGo() {
	c.server.forget(c, "")
	c.drain(func(graph.Notification) outcome { return outcomeIgnored }) // whoever takes over asks Graph
	c.log.Info("call released", "call", c.machine.snap.CallID)
	c.machine.changed = true
	c.close()
}

// drain empties the queue.
func (c *Call) drain(take func(graph.Notification) outcome) {
	for {
		select {
		case batch := <-c.queue:
			for _, n := range batch {
				c.server.metrics.notifications[take(n)].Inc()
			}
		default:
			return
		}
	}
}

func (c *Call) close() {
	previous := c.store()
	c.server.metrics.moved(previous.Phase, "")
	close(c.done)
	if c.plan.onChange != nil {
		c.plan.onChange()
	}
}

// publish makes a change visible.
func (c *Call) publish() {
	if !c.machine.changed {
		return
	}
	previous := c.store()
	if phase := c.machine.snap.Phase; phase != previous.Phase {
		c.server.metrics.moved(previous.Phase, phase)
		if phase == PhaseEstablished && !c.wasIn {
			c.wasIn = true
			c.joined()
		}
		c.log.Info("call moved", "call", c.machine.snap.CallID, "phase", phase, "state", c.machine.snap.State)
	}
	if c.plan.onChange != nil {
		c.plan.onChange()
	}
}

// ways are how the bot gets into calls, as values of a metric's label.
var ways = map[origin]string{originJoined: "joined", originPlaced: "placed", originIncoming: "answered"}

// joined takes note of how long it took to get in. A call that was adopted was in before.
func (c *Call) joined() {
	if way, ok := ways[c.plan.setting.origin]; ok {
		c.server.metrics.join.WithLabelValues(way).Observe(c.machine.snap.Established.Sub(c.machine.snap.Created).Seconds())
	}
}

func (c *Call) store() (previous *Snapshot) {
	c.machine.changed = false
	return c.snapshot.Swap(c.machine.snapshot())
}

// surroundings is the server as a call's machine sees it.
type surroundings struct{ call *Call }

func (s surroundings) over(callID string) bool { return s.call.server.over.has(callID) }
func (s surroundings) stray(n graph.Notification) {
	s.call.server.stray(n, s.call.plan.setting.tenant, true)
}
func (s surroundings) turnAway()                      { s.call.server.turnAway(s.call) }
func (s surroundings) tone(t graph.ToneInfo)          { s.call.tones.add(t) }
func (s surroundings) operation(n graph.Notification) { s.call.operations.notified(n) }
func (s surroundings) transferFailed(r graph.ResultInfo) {
	s.call.operations.transferFailed(r)
}
func (s surroundings) notification(o outcome) { s.call.server.metrics.notifications[o].Inc() }
func (s surroundings) keepAliveFailed()       { s.call.server.metrics.keepAlive.Inc() }
func (s surroundings) answered(after time.Duration) {
	s.call.server.metrics.answer.Observe(after.Seconds())
}
