// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// keepAliveDeadline is how long the service lets a call live without hearing a
	// keepAlive (Graph, "call: keepAlive").
	keepAliveDeadline = 45 * time.Minute

	// reconcileEvery is how soon a call that is on its way in or out is looked at
	// when no notification tells how it goes: notifications get lost.
	reconcileEvery = 15 * time.Second

	// settleWait is how long an established call waits for the roster that tells
	// whether the bot is in the meeting or in its lobby; both are "established".
	settleWait = 500 * time.Millisecond

	// rosterWait is when the roster is asked for because it did not come; it may be
	// missing until somebody moves.
	rosterWait = 5 * time.Second
	// rosterTries bounds how often it is asked for: that of some calls stays empty.
	rosterTries = 3
)

// operation is something Graph is asked to do. A call has at most one of each
// kind under way.
type operation int

const (
	opCreate operation = iota
	opGet
	opKeepAlive
	opList
	opDelete
	operations
)

// timer is a reason to wake up. They are looked at in this order.
type timer int

const (
	timerRetryCreate timer = iota
	timerGiveUpCreate
	timerSettle
	timerRoster
	timerReconcile
	timerKeepAlive
	timerRetryDelete
	timerGiveUpLeaving
	timers
)

// world is what the machine knows of its surroundings.
type world interface {
	// over reports whether a call is known to have ended or to be hung up already.
	over(callID string) bool
	// stray is told of a notification about a call that is not this one.
	stray(n graph.Notification)
	// notification and keepAliveFailed count.
	notification(o outcome)
	keepAliveFailed()
}

// machine is all that one call knows and decides. It has no goroutine, no clock
// and no client: whoever runs it hands in what happened, one thing at a time, and
// starts the operations it asks for. No input takes it out of PhaseEnded.
type machine struct {
	world          world
	keepAliveEvery time.Duration

	snap     Snapshot // without what roster and timeline hold
	changed  bool
	timeline timeline
	roster   roster

	asked   []operation // to be started
	running [operations]bool
	news    [operations]int // counts notifications that tell what the operation would
	seen    [operations]int // news when the operation was asked for
	due     [timers]time.Time

	joining joining
	held    []graph.Notification // came before the call's id was known
	self    string               // the bot's participant id

	stateAt    time.Time // when the state became established
	rosterSeen bool
	rosterAsks int
	listAgain  bool // there was news of the roster while it was asked for
	admitted   bool // a roster showed the bot among the others

	alive         time.Time // last time the service certainly knew we live
	aliveFailures int

	leaving leaving
}

func newMachine(w world, keepAliveEvery time.Duration, scenarioID string, now time.Time) *machine {
	m := &machine{world: w, keepAliveEvery: keepAliveEvery}
	m.snap = Snapshot{Phase: PhaseJoining, ScenarioID: scenarioID, Created: now}
	m.joining.since = now
	m.event(now, EventJoining, "")
	return m
}

// snapshot is the state for others to read.
func (m *machine) snapshot() *Snapshot {
	s := m.snap
	s.Participants, s.ParticipantCount, s.InLobby = m.roster.listed(), m.roster.inCall, m.roster.inLobby
	s.Events = m.timeline.shared()
	return &s
}

func (m *machine) ended() bool { return m.snap.Phase == PhaseEnded }

func (m *machine) event(now time.Time, event, detail string) {
	m.timeline.add(now, event, detail)
	m.changed = true
}

func (m *machine) setPhase(phase Phase) {
	if m.snap.Phase != phase {
		m.snap.Phase = phase
		m.changed = true
	}
}

// start asks for an operation unless one of its kind is under way.
func (m *machine) start(op operation) {
	if m.running[op] {
		return
	}
	m.running[op] = true
	m.seen[op] = m.news[op]
	m.asked = append(m.asked, op)
}

// answered notes that an operation is over and reports whether what it brought
// can still be used: nothing newer has come by notification since it was asked for.
func (m *machine) answered(op operation) (current bool) {
	m.running[op] = false
	return m.seen[op] == m.news[op]
}

// takeAsked hands over the operations to be started.
func (m *machine) takeAsked() []operation {
	asked := m.asked
	m.asked = nil
	return asked
}

func (m *machine) wake(t timer, at time.Time) { m.due[t] = at }
func (m *machine) cancel(ts ...timer) {
	for _, t := range ts {
		m.due[t] = time.Time{}
	}
}

// next is when tick wants to be called; false for not at all.
func (m *machine) next() (time.Time, bool) {
	var next time.Time
	for _, at := range m.due {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, !next.IsZero()
}

// tick runs the timers that are due.
func (m *machine) tick(now time.Time) {
	for t := range timers {
		if at := m.due[t]; at.IsZero() || now.Before(at) {
			continue
		}
		m.cancel(t)
		switch t {
		case timerRetryCreate:
			m.create()
		case timerGiveUpCreate:
			m.giveUpCreate(now)
		case timerSettle:
			m.settle(now)
		case timerRoster:
			m.askRoster()
		case timerReconcile:
			m.start(opGet)
		case timerKeepAlive:
			m.start(opKeepAlive)
		case timerRetryDelete:
			m.start(opDelete)
		case timerGiveUpLeaving:
			m.giveUpLeaving(now)
		}
	}
}

// end is the only way into PhaseEnded.
func (m *machine) end(now time.Time, end End) {
	if m.ended() {
		return
	}
	m.setPhase(PhaseEnded)
	m.snap.End = &end
	m.snap.Ended = now
	m.snap.MediaActive = false
	detail := string(end.Reason)
	if r := m.snap.Result; r != nil {
		detail += " (" + codes(*r) + ")"
	}
	m.event(now, EventEnded, detail)
	m.due = [timers]time.Time{}
	m.asked = nil
	// What was held is about calls that this one will never be.
	for _, n := range m.held {
		m.world.stray(n)
	}
	m.held = nil
}

// gone is Graph's answer that it knows the call no more.
func (m *machine) gone(now time.Time) {
	switch {
	case m.leaving.reason != "":
		m.end(now, m.leaving.end())
	case m.snap.State.Rank() >= rankTerminating:
		m.terminate(now, nil)
	default:
		m.end(now, EndFor(EndCallLost))
	}
}
