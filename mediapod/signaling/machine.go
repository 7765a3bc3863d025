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

	// settleWait is how long an established call waits for the roster that tells
	// whether the bot is in the meeting or in its lobby; both are "established".
	settleWait = 500 * time.Millisecond
)

// task is something Graph is asked to do. A call has at most one of each kind
// under way.
type task int

const (
	taskCreate task = iota
	taskAnswer
	taskGet
	taskKeepAlive
	taskList
	taskDelete
	taskMute // or unmute
	taskShare
	taskRecord
	taskInvite
	taskWithdraw
	tasks
)

// order is a task to be started, with what the machine has to say about it.
type order struct {
	task task

	muted       bool
	role        graph.ScreenSharingRole
	recording   graph.RecordingStatus
	invitee     graph.InvitationParticipantInfo
	participant string // id
}

// timer is a reason to wake up. They are looked at in this order.
type timer int

const (
	timerRetryCreate timer = iota
	timerGiveUpCreate
	timerRetryAnswer
	timerGiveUpAnswer
	timerRinging
	timerSettle
	timerRoster
	timerReconcile
	timerKeepAlive
	timerTone
	timerPursue
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
	// turnAway disposes of an incoming call that could not be answered.
	turnAway()
	// tone is given the keys pressed, in their order.
	tone(t graph.ToneInfo)
	// operation is given what is said about operations.
	operation(n graph.Notification)
	// transferFailed is told that a transfer was asked for and the call is the bot's again.
	transferFailed(r graph.ResultInfo)
	// notification, keepAliveFailed and answered count.
	notification(o outcome)
	keepAliveFailed()
	answered(after time.Duration)
}

// machine is all that one call knows and decides. It has no goroutine, no clock
// and no client: whoever runs it hands in what happened, one thing at a time, and
// starts the tasks it asks for. No input takes it out of PhaseEnded.
type machine struct {
	world world
	setting

	snap     Snapshot // without what roster, timeline and wants hold
	changed  bool
	timeline timeline
	roster   roster

	asked   []order // to be started
	running [tasks]bool
	news    [tasks]int // counts notifications that tell what the task would
	seen    [tasks]int // news when the task was asked for
	due     [timers]time.Time

	joining   joining
	answering answering
	held      []graph.Notification // came before the call's id was known
	self      string               // the bot's participant id

	stateAt    time.Time // when the state became established
	movedAt    time.Time // when the state last changed
	rosterSeen bool
	rosterAsks int
	listAgain  bool // there was news of the roster while it was asked for
	admitted   bool // a roster showed the bot among the others

	lookedAt      time.Time // when all was asked for
	alive         time.Time // last time the service certainly knew we live
	aliveFailures int

	tones     tones
	wants     wants
	transfers transfers
	sharing   sharing
	leaving   leaving
}

func newMachine(w world, s setting, now time.Time) *machine {
	m := &machine{world: w, setting: s}
	m.snap = Snapshot{
		Phase: PhaseJoining, Created: now, ScenarioID: s.scenario, CallID: s.callID, ChainID: s.chainID,
		TenantID: s.tenant, Group: s.group, Hosting: s.hosting, Recording: s.before.Recording,
	}
	m.joining.since, m.movedAt = now, now
	m.wants.begin(now, s)
	m.tones.begin(s)
	m.sharing.begin(s.observed)
	return m
}

// begin makes the first step.
func (m *machine) begin(now time.Time) {
	switch m.origin {
	case originIncoming:
		m.snap.State = graph.StateIncoming
		m.event(now, EventIncoming, "")
		m.wake(timerGiveUpAnswer, now.Add(m.answerWithin))
		m.answer()
	case originAdopted:
		m.takeOver(now)
	case originPlaced:
		m.event(now, EventCalling, "")
		m.create()
	default:
		m.event(now, EventJoining, "")
		m.create()
	}
}

// snapshot is the state for others to read.
func (m *machine) snapshot() *Snapshot {
	s := m.snap
	s.Participants, s.ParticipantCount, s.InLobby = m.roster.listed(), m.roster.inCall, m.roster.inLobby
	s.Unanswered = m.unanswered()
	s.Muted, s.ScreenSharing = m.muted(), m.wants.share.role()
	s.Refusals, s.Invites = m.wants.refusals(), m.wants.invites()
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

// start asks for a task unless one of its kind is under way.
func (m *machine) start(t task) { m.order(order{task: t}) }

func (m *machine) order(o order) {
	if m.running[o.task] {
		return
	}
	m.running[o.task] = true
	m.seen[o.task] = m.news[o.task]
	m.asked = append(m.asked, o)
}

// finished notes that a task is over and reports whether what it brought can
// still be used: nothing newer has come by notification since it was asked for.
func (m *machine) finished(t task) (current bool) {
	m.running[t] = false
	return m.seen[t] == m.news[t]
}

// orders hands over the tasks to be started, those included that what is wanted of
// the call makes necessary now. What they change in the snapshot must be seen by
// others before they are started.
func (m *machine) orders(now time.Time) []order {
	m.pursue(now)
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
		case timerRetryAnswer:
			m.answer()
		case timerGiveUpAnswer:
			m.giveUpAnswer(now)
		case timerRinging:
			m.rangOut(now)
		case timerSettle:
			m.settle(now)
		case timerRoster:
			m.askRoster()
		case timerReconcile:
			m.start(taskGet)
		case timerKeepAlive:
			m.start(taskKeepAlive)
		case timerTone:
			m.tonesLate()
		case timerPursue: // what follows from it is orders' business
		case timerRetryDelete:
			m.start(taskDelete)
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
	m.closeGate()
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
	case m.snap.State == graph.StateTransferAccepted:
		m.end(now, EndFor(EndTransferred)) // its last notification is lost
	case m.snap.State.Rank() >= rankTerminating:
		m.terminate(now, nil)
	default:
		m.end(now, EndFor(EndCallLost))
	}
}
