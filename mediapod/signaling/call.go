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

const (
	// queueLength is how many requests with notifications may wait for one call.
	// They take microseconds each; a full queue means that something is stuck.
	queueLength = 256

	// createTimeout is what Graph gets for creating a call; it answers within two seconds.
	createTimeout = 30 * time.Second

	// requestTimeout is the same for everything else, retries of the client included.
	requestTimeout = 20 * time.Second
)

// Call is one call. All that happens to it happens on one goroutine, in order.
type Call struct {
	server  *Server
	log     logr.Logger
	req     JoinRequest
	request *graph.Call // what Graph is sent to make the call

	queue   chan []graph.Notification
	answers chan func(now time.Time) // one operation of each kind is under way at most, so that it is never full
	wake    chan struct{}

	wanted     atomic.Pointer[EndReason]
	overflowed atomic.Bool

	snapshot atomic.Pointer[Snapshot]
	done     chan struct{}

	machine *machine // of the goroutine
}

func newCall(s *Server, req JoinRequest, request *graph.Call) *Call {
	c := &Call{
		server:  s,
		log:     s.log.WithValues("session", req.UID, "scenario", req.ScenarioID),
		req:     req,
		request: request,
		queue:   make(chan []graph.Notification, queueLength),
		answers: make(chan func(time.Time), operations),
		wake:    make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	c.machine = newMachine(surroundings{s}, s.cfg.KeepAliveEvery, req.ScenarioID, s.clock.Now())
	c.snapshot.Store(c.machine.snapshot())
	s.metrics.moved("", PhaseJoining)
	return c
}

// Snapshot is the call as it is now.
func (c *Call) Snapshot() Snapshot { return *c.snapshot.Load() }

// Done is closed when the call has ended.
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

// run is the call's goroutine. An end given is that of a call that need not be tried.
func (c *Call) run(ctx context.Context, end *End) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	timer := c.server.clock.NewTimer(time.Hour)
	defer timer.Stop()

	m, now := c.machine, c.server.clock.Now
	if end != nil {
		m.end(now(), *end)
	} else {
		m.create()
	}
	for {
		for _, op := range m.takeAsked() {
			c.perform(ctx, op)
		}
		if m.ended() {
			break
		}
		c.publish()
		if next, ok := m.next(); ok {
			timer.Reset(next.Sub(now()))
		}
		select {
		case batch := <-c.queue:
			m.notified(now(), batch)
		case answer := <-c.answers:
			answer(now())
		case <-timer.C():
			m.tick(now())
		case <-c.wake:
			if reason := c.wanted.Load(); reason != nil {
				m.leave(now(), *reason)
			}
			if c.overflowed.Swap(false) {
				m.missed()
			}
		case <-ctx.Done():
			m.leave(now(), EndPodStopped)
			m.giveUpLeaving(now())
		}
	}
	c.finish()
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
	for {
		select {
		case batch := <-c.queue:
			for _, n := range batch {
				c.server.metrics.notifications[c.server.stray(n, true)].Inc()
			}
			continue
		default:
		}
		break
	}
	c.server.metrics.ends.WithLabelValues(string(end.Reason)).Inc()
	c.log.Info("call ended", "call", c.machine.snap.CallID, "reason", end.Reason, "message", end.Message)
	previous := c.store()
	c.server.metrics.moved(previous.Phase, "")
	close(c.done)
	if c.req.OnChange != nil {
		c.req.OnChange()
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
		c.log.Info("call moved", "call", c.machine.snap.CallID, "phase", phase, "state", c.machine.snap.State)
	}
	if c.req.OnChange != nil {
		c.req.OnChange()
	}
}

func (c *Call) store() (previous *Snapshot) {
	c.machine.changed = false
	return c.snapshot.Swap(c.machine.snapshot())
}

// perform carries out an operation beside the queue and puts its answer into it.
func (c *Call) perform(ctx context.Context, op operation) {
	id, scenario, m, api := c.machine.snap.CallID, c.req.ScenarioID, c.machine, c.server.cfg.Graph
	timeout := requestTimeout
	if op == opCreate {
		timeout = createTimeout
	}
	c.server.group.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		switch op {
		case opCreate:
			call, err := c.create(ctx)
			c.answers <- func(now time.Time) { m.created(now, call, err) }
		case opGet:
			call, err := api.GetCall(ctx, scenario, id)
			c.failed("get call", err)
			c.answers <- func(now time.Time) { m.got(now, call, err) }
		case opKeepAlive:
			err := api.KeepAlive(ctx, scenario, id)
			c.failed("keep call alive", err)
			c.answers <- func(now time.Time) { m.keptAlive(now, err) }
		case opList:
			list, err := api.ListParticipants(ctx, scenario, id)
			c.failed("list participants", err)
			c.answers <- func(now time.Time) { m.listed(now, list, err) }
		case opDelete:
			err := api.DeleteCall(ctx, scenario, id)
			c.failed("hang up", err)
			c.answers <- func(now time.Time) { m.deleted(now, err) }
		}
	})
}

func (c *Call) create(ctx context.Context) (*graph.Call, error) {
	began := c.server.clock.Now()
	call, err := c.server.cfg.Graph.CreateCall(ctx, c.req.ScenarioID, c.request)
	if err == nil && (call == nil || call.ID == "") {
		err = errors.New("create call: the answer names no call")
	}
	result := "ok"
	if err != nil {
		result = "failed"
	}
	c.server.metrics.create.WithLabelValues(result).Observe(c.server.clock.Since(began).Seconds())
	c.failed("create call", err)
	return call, err
}

// failed logs what Graph did not do; what follows from it is the machine's business.
func (c *Call) failed(what string, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		c.log.Info("a request to Graph failed", "request", what, "error", err.Error())
	}
}

// surroundings is the server as a call's machine sees it.
type surroundings struct{ server *Server }

func (s surroundings) over(callID string) bool    { return s.server.over.has(callID) }
func (s surroundings) stray(n graph.Notification) { s.server.stray(n, true) }
func (s surroundings) notification(o outcome)     { s.server.metrics.notifications[o].Inc() }
func (s surroundings) keepAliveFailed()           { s.server.metrics.keepAlive.Inc() }
