// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// outcome is what became of a notification.
type outcome string

// The outcomes, which are values of a metric's label.
const (
	outcomeApplied   outcome = "applied"
	outcomeDuplicate outcome = "duplicate" // said nothing new
	outcomeStale     outcome = "stale"     // overtaken by a later one
	outcomeHeld      outcome = "held"      // until the call's id is known; counted again then
	outcomeLate      outcome = "late"      // about a call that is over
	outcomeStray     outcome = "stray"     // about a call nobody claims
	outcomeIgnored   outcome = "ignored"   // about something not acted on
	outcomeIncoming  outcome = "incoming"  // a new call
	outcomeOverflow  outcome = "overflow"  // the call's queue was full
)

var outcomes = []outcome{
	outcomeApplied, outcomeDuplicate, outcomeStale, outcomeHeld, outcomeLate,
	outcomeStray, outcomeIgnored, outcomeIncoming, outcomeOverflow,
}

// terminal reports whether a notification says that its call is over.
func terminal(n graph.Notification) bool {
	return n.Resource.Kind == graph.KindCall &&
		(n.ChangeType == graph.Deleted || n.Call != nil && n.Call.State == graph.StateTerminated)
}

// notified takes the notifications of one request, in their order.
func (m *machine) notified(now time.Time, batch []graph.Notification) {
	for _, n := range batch {
		m.world.notification(m.notify(now, n))
	}
}

func (m *machine) notify(now time.Time, n graph.Notification) outcome {
	switch {
	case m.ended():
		return outcomeLate
	case n.Resource.Kind == graph.KindParticipantLeft: // by the id of that participant's own call, maybe
		return m.sharerLeft(now, n)
	case n.Resource.CallID == "":
		return outcomeIgnored
	case m.snap.CallID == "":
		if m.joining.stage != joinUncertain || !m.adoptable(n) {
			return m.hold(n)
		}
		m.adopt(now, n.Resource.CallID)
		m.release(now)
		if m.ended() {
			return outcomeLate
		}
	case !graph.SameID(n.Resource.CallID, m.snap.CallID):
		m.world.stray(n)
		return outcomeStray
	}
	switch n.Resource.Kind {
	case graph.KindCall:
		if !m.due[timerReconcile].IsZero() {
			m.reconcileLater(now)
		}
		return m.notifyCall(now, n)
	case graph.KindParticipants:
		return m.notifyRoster(now, n)
	case graph.KindOperation:
		return m.notifyOperation(now, n)
	}
	return outcomeIgnored // content sharing is not acted on
}

func (m *machine) notifyCall(now time.Time, n graph.Notification) outcome {
	switch {
	case terminal(n):
		m.terminate(now, n.Call)
		return outcomeApplied
	case n.Call == nil:
		return outcomeIgnored
	}
	if r := n.Call.ResultInfo; m.transferUnseen() && n.Call.State == graph.StateEstablished && r != nil && r.Code >= http.StatusBadRequest {
		m.transferFailed(now, n.Call)
	}
	o := m.applyCall(now, n.Call, true)
	if o == outcomeApplied {
		m.news[taskGet]++
	}
	if n.Call.ToneInfo != nil && m.pressed(now, *n.Call.ToneInfo) {
		return outcomeApplied
	}
	return o
}

// applyCall merges what is said about the call, be it by a notification or as an
// answer; one that is not current has been overtaken in all but the state, which
// has an order of its own.
func (m *machine) applyCall(now time.Time, call *graph.Call, current bool) outcome {
	if call.State == graph.StateTerminated {
		m.terminate(now, call)
		return outcomeApplied
	}
	before := m.changed
	m.changed = false
	defer func() { m.changed = m.changed || before }()

	if call.State.Rank() > rankIncoming && m.unanswered() && !m.running[taskAnswer] && m.leaving.reason == "" {
		m.answerTaken(now) // although its answer was lost
	}
	// Ids do not change, so that they may come from anywhere.
	if m.snap.ChainID == "" && call.CallChainID != "" {
		m.snap.ChainID, m.changed = call.CallChainID, true
	}
	if m.self == "" {
		m.self = call.MyParticipantID
	}
	if call.ChatInfo != nil || call.MeetingInfo != nil {
		m.becomesGroup(now)
	}
	state, stale := m.nextState(call)
	if stale {
		return outcomeStale
	}
	if state != m.snap.State {
		m.enterState(now, state, call)
	}
	if current && call.MediaState != nil {
		m.setMediaActive(now, call.AudioActive())
	}
	m.settle(now)

	if !m.changed {
		return outcomeDuplicate
	}
	return outcomeApplied
}

// nextState applies the order of states: a call never moves back, whatever order
// the notifications come in, but for a transfer that failed. States that are not
// known, and updates without one, leave the state as it is.
func (m *machine) nextState(call *graph.Call) (state graph.CallState, stale bool) {
	rank, present := call.State.Rank(), m.snap.State.Rank()
	switch {
	case rank < 0:
		return m.snap.State, false
	case m.snap.State == graph.StateTransferAccepted && call.State == graph.StateTransferring:
		return m.snap.State, true
	case rank >= present:
		return call.State, false
	case transferring(m.snap.State) && call.State == graph.StateEstablished && call.ResultInfo != nil:
		return call.State, false
	}
	return m.snap.State, true
}

// Ranks of the states that bound the life of a call.
var (
	rankIncoming    = graph.StateIncoming.Rank()
	rankEstablished = graph.StateEstablished.Rank()
	rankTerminating = graph.StateTerminating.Rank()
)

func (m *machine) enterState(now time.Time, state graph.CallState, call *graph.Call) {
	before := m.snap.State
	m.snap.State, m.changed, m.movedAt = state, true, now
	switch rank := state.Rank(); {
	case rank >= rankTerminating:
		m.snap.Result = call.ResultInfo
		if m.leaving.reason == "" {
			m.event(now, EventLeaving, "the service is ending the call")
			m.setPhase(PhaseLeaving)
			m.closeGate()
		}
	case rank >= rankEstablished:
		m.cancel(timerRinging)
		if m.stateAt.IsZero() {
			m.stateAt = now
		}
		m.expectRoster(now)
		m.tellTransfer(now, before, call)
	case state == graph.StateRinging:
		m.event(now, EventRinging, "")
	case state == graph.StateEstablishing && !m.timeline.has(EventEstablishing):
		m.event(now, EventEstablishing, "")
	}
	if !m.due[timerReconcile].IsZero() && m.leaving.reason == "" {
		m.reconcileLater(now)
	}
}

// becomesGroup: others than the two parties may be in the call from now on.
func (m *machine) becomesGroup(now time.Time) {
	if m.group {
		return
	}
	m.group, m.snap.Group, m.changed = true, true, true
	if m.snap.Phase == PhaseEstablished {
		m.event(now, EventGroup, "")
		m.admitted = true // who was in the call does not wait in its lobby
	}
	m.expectRoster(now)
}

// expectRoster sees to it that the roster of an established group call is asked for if it does not come.
func (m *machine) expectRoster(now time.Time) {
	if m.group && !m.rosterSeen && !m.stateAt.IsZero() && m.leaving.reason == "" && m.due[timerRoster].IsZero() {
		m.wake(timerRoster, now.Add(rosterWait))
	}
}

func (m *machine) setMediaActive(now time.Time, active bool) {
	if m.snap.MediaActive == active {
		return
	}
	m.snap.MediaActive = active
	if active {
		m.event(now, EventMediaActive, "")
	} else {
		m.event(now, EventMediaInactive, "")
	}
}

// settle derives the phase from what is known. The service calls a bot that
// waits in the lobby established too, so that the roster has to tell.
func (m *machine) settle(now time.Time) {
	if m.ended() || m.snap.Phase == PhaseLeaving {
		return
	}
	established := m.snap.State.Rank() >= rankEstablished
	switch {
	case m.waitsInLobby():
		if m.snap.Phase != PhaseInLobby {
			m.event(now, EventInLobby, "")
			m.setPhase(PhaseInLobby)
			m.closeGate()
			m.snap.Established = time.Time{} // it was thought to be in, for want of a roster
		}
	case established && m.group && !m.rosterSeen && m.snap.Phase != PhaseEstablished && now.Before(m.stateAt.Add(settleWait)):
		m.wake(timerSettle, m.stateAt.Add(settleWait))
	case established && m.snap.Phase != PhaseEstablished:
		since := m.stateAt
		if m.snap.Phase == PhaseInLobby {
			m.event(now, EventAdmitted, "")
			since = now
		}
		if m.snap.Established.IsZero() {
			m.snap.Established = since
			m.event(now, EventEstablished, "")
		}
		m.setPhase(PhaseEstablished)
	}
}

// waitsInLobby is what the roster says, until it has once said otherwise: nobody
// is sent back to the lobby, but rosters overtake each other.
//
// A bot that waited when its call was taken over waits on until a roster comes.
func (m *machine) waitsInLobby() bool {
	switch {
	case m.admitted:
		return false
	case !m.rosterSeen:
		return m.snap.Phase == PhaseInLobby
	}
	return m.roster.selfInLobby(m.self)
}

// terminate is the service's word that the call is over.
func (m *machine) terminate(now time.Time, call *graph.Call) {
	if m.ended() {
		return
	}
	transferred := m.snap.State == graph.StateTransferAccepted
	m.snap.State = graph.StateTerminated
	if call != nil {
		if call.ResultInfo != nil {
			m.snap.Result = call.ResultInfo
		}
		if m.snap.ChainID == "" {
			m.snap.ChainID = call.CallChainID
		}
		transferred = transferred || strings.EqualFold(call.TerminationReason, appTransferred)
	}
	if m.leaving.reason != "" {
		m.end(now, m.leaving.end())
		return
	}
	m.end(now, endOfCall(m.snap.Result, circumstances{
		group: m.group, incoming: m.origin == originIncoming, placed: m.origin == originPlaced, established: !m.stateAt.IsZero(),
		inLobby: m.waitsInLobby(), transferred: transferred,
	}))
}

// appTransferred is the terminationReason of a call that another one replaced.
const appTransferred = "AppTransferred"

// codes are the numbers of a result, as Microsoft's documentation writes them.
func codes(r graph.ResultInfo) string { return fmt.Sprintf("%d#%d", r.Code, r.Subcode) }
