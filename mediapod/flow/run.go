// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// savedWithin is how long an Ask waits at most for the state to be written. Call handling never waits for an API server that is gone; a
// web server that is asked twice knows by the key.
const savedWithin = 2 * time.Second

// Asker sends webhooks.
type Asker interface {
	// Ask returns the answer or why there is none; it returns soon after the context has ended. It may be called from any goroutine.
	Ask(context.Context, Ask, Call) Answered
}

// Progress is where a flow is.
type Progress struct {
	// Step and Steps as FlowStatus has them.
	Step  string
	Steps int64
	// State for Resume; nil when the flow is over.
	State []byte
	// End and Message of a flow that is over.
	End     callfleetv1.FlowEnd
	Message string
}

// Config is what a flow runs with.
type Config struct {
	Machine *Machine
	// Stage makes the stage, which tells events by the function it is given: from any goroutine, and never blocked.
	Stage func(tell func(Event)) Stage
	Asker Asker
	Clock clock.WithTicker
	// Changed is told where the flow is, when that has changed. It must not block. It may be nil.
	Changed func(Progress)
	// Saved returns when the Progress that was told last is where another process finds it. Nil: it is nowhere.
	Saved func(context.Context) error
	// Trace is told what happens. It may be nil.
	Trace func(Entry)
}

// Run runs a flow in a call that was answered, until the flow is over or the context ends; then it is "" that it returns, and another
// process may go on. A machine that was begun before, to see whether the call is to be answered, goes on behind the prelude. HangUp and
// Redirect are carried out by the stage even though it is closed at once.
func Run(ctx context.Context, c Config) callfleetv1.FlowEnd {
	ctx, cancel := context.WithCancel(ctx)
	d := &driver{Config: c, ctx: ctx, inbox: inbox{wake: make(chan struct{}, 1)}}
	d.stage = c.Stage(d.inbox.tell)
	defer d.asks.Wait()
	defer d.stage.Close()
	defer cancel()
	return d.run()
}

// driver carries a machine from event to event. One goroutine runs it; those of asks tell what they got as stages do.
type driver struct {
	Config
	ctx   context.Context
	stage Stage
	inbox inbox
	asks  sync.WaitGroup
	last  []byte // state that was told
	told  bool
}

func (d *driver) run() callfleetv1.FlowEnd {
	m := d.Machine
	if !m.begun {
		d.carry(m.Begin(d.Clock.Now()))
	}
	if m.NeedsAnswer() {
		d.carry(m.Answered(d.Clock.Now()))
	}
	for m.End() == "" {
		var due <-chan time.Time
		var timer clock.Timer
		if deadline := m.Deadline(); !deadline.IsZero() {
			timer = d.Clock.NewTimer(deadline.Sub(d.Clock.Now()))
			due = timer.C()
		}
		select {
		case <-d.ctx.Done():
		case <-d.inbox.wake:
		case <-due:
		}
		if timer != nil {
			timer.Stop()
		}
		if d.ctx.Err() != nil {
			return ""
		}
		// What has happened comes before what has not: a key that was pressed in time counts.
		for e := d.inbox.next(); e != nil && m.End() == ""; e = d.inbox.next() {
			d.trace(EntryEvent, e)
			d.carry(m.Handle(d.Clock.Now(), e))
		}
		d.carry(m.Expire(d.Clock.Now()))
	}
	d.trace(EntryEnd, m.End())
	return m.End()
}

// carry tells where the flow is, and has done what is to be done. That comes first: what another process goes on from knows of every
// command, or it would be given under two IDs.
func (d *driver) carry(commands []Command) {
	for _, step := range d.Machine.Trail() {
		d.trace(EntryStep, step)
	}
	d.changed()
	for _, c := range commands {
		d.trace(EntryCommand, c)
		if ask, ok := c.(Ask); ok {
			call := d.Machine.call
			d.asks.Go(func() { d.ask(ask, call) })
			continue
		}
		d.stage.Do(c)
	}
}

func (d *driver) changed() {
	if d.Changed == nil {
		return
	}
	m := d.Machine
	p := Progress{Step: m.At(), Steps: m.Steps(), End: m.End(), Message: m.Message()}
	if p.End == "" {
		p.State = m.State()
	}
	if d.told && bytes.Equal(p.State, d.last) {
		return
	}
	d.last, d.told = p.State, true
	d.Changed(p)
}

// ask asks a web server, once it is known elsewhere that it is asked.
func (d *driver) ask(a Ask, c Call) {
	d.saved()
	if d.ctx.Err() != nil {
		return
	}
	answer := d.Asker.Ask(d.ctx, a, c)
	answer.ID = a.ID
	d.inbox.tell(answer)
}

func (d *driver) saved() {
	if d.Saved == nil {
		return
	}
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	written := make(chan struct{})
	d.asks.Go(func() {
		defer close(written)
		_ = d.Saved(ctx) // an API server that says no is one that is gone
	})
	timer := d.Clock.NewTimer(savedWithin)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-written:
	case <-timer.C():
	}
}

func (d *driver) trace(kind EntryKind, what any) {
	if d.Trace != nil {
		d.Trace(Entry{Kind: kind, Text: fmt.Sprint(what)})
	}
}

// inbox has events wait in the order in which they were told.
type inbox struct {
	mu     sync.Mutex
	events []Event
	wake   chan struct{} // capacity 1
}

func (b *inbox) tell(e Event) {
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// next is the first event that waits; nil if none does.
func (b *inbox) next() Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) == 0 {
		return nil
	}
	e := b.events[0]
	b.events[0] = nil
	if b.events = b.events[1:]; len(b.events) == 0 {
		b.events = nil
	}
	return e
}
