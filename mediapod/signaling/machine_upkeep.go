// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// notifyRoster takes a roster. Only a whole one says who is there; of one
// participant, of changes and of an empty list all that is known is that there
// is news, and the whole is asked for.
func (m *machine) notifyRoster(now time.Time, n graph.Notification) outcome {
	switch {
	case n.ChangeType == graph.Deleted && n.Participants == nil, n.Participants == nil && !n.Delta:
		return outcomeIgnored
	case n.Delta || n.Resource.ID != "":
		m.listAgain = m.running[opList]
		m.start(opList)
		return outcomeApplied
	case len(n.Participants) == 0:
		// Seen right after the call is established, before the real one.
		if m.due[timerRoster].IsZero() && m.leaving.reason == "" {
			m.wake(timerRoster, now.Add(rosterWait))
		}
		return outcomeIgnored
	}
	o := m.applyRoster(now, n.Participants)
	if o == outcomeApplied {
		m.news[opList]++
	}
	return o
}

func (m *machine) applyRoster(now time.Time, list []graph.Participant) outcome {
	change, joined, left := m.roster.replace(list)
	if change == rosterStale {
		return outcomeStale
	}
	first := !m.rosterSeen
	if change == rosterSame && !first {
		return outcomeDuplicate
	}
	m.rosterSeen, m.changed = true, true
	m.cancel(timerRoster)
	if !m.roster.selfInLobby(m.self) {
		m.admitted = true
	}
	if joined > 0 {
		m.event(now, EventParticipantJoined, fmt.Sprintf("%d joined, %d in the call", joined, m.roster.inCall))
	}
	if left > 0 {
		m.event(now, EventParticipantLeft, fmt.Sprintf("%d left, %d in the call", left, m.roster.inCall))
	}
	m.settle(now)
	return outcomeApplied
}

func (m *machine) askRoster() {
	m.rosterAsks++
	m.start(opList)
}

// listed is the answer with the roster.
func (m *machine) listed(now time.Time, list []graph.Participant, err error) {
	current := m.answered(opList)
	switch {
	case m.ended() || m.leaving.reason != "":
	case graph.IsNotFound(err):
		m.gone(now)
	case m.listAgain:
		m.listAgain = false
		m.start(opList)
	case err == nil && len(list) > 0:
		if current { // else a whole roster has overtaken this one
			m.applyRoster(now, list)
		}
	case !m.rosterSeen && m.rosterAsks < rosterTries:
		m.wake(timerRoster, now.Add(rosterWait))
	}
}

// got is the answer with the call: what a lost notification would have told.
func (m *machine) got(now time.Time, call *graph.Call, err error) {
	current := m.answered(opGet)
	switch {
	case m.ended():
		return
	case graph.IsNotFound(err):
		m.gone(now)
		return
	case err == nil:
		m.applyCall(now, call, current)
	}
	// On the way in, or out by the service's own doing, look again.
	if rank := m.snap.State.Rank(); !m.ended() && m.leaving.reason == "" && (rank < rankEstablished || rank >= rankTerminating) {
		m.wake(timerReconcile, now.Add(reconcileEvery))
	}
}

// keptAlive is the answer to a keepAlive.
func (m *machine) keptAlive(now time.Time, err error) {
	m.answered(opKeepAlive)
	if m.ended() {
		return
	}
	if graph.IsNotFound(err) {
		m.gone(now)
		return
	}
	if err != nil {
		m.world.keepAliveFailed()
	}
	if m.leaving.reason != "" {
		return
	}
	if err == nil {
		if m.aliveFailures > 0 {
			m.event(now, EventKeepAliveRestored, fmt.Sprintf("after %d failures", m.aliveFailures))
		}
		m.alive, m.aliveFailures = now, 0
		m.wake(timerKeepAlive, now.Add(m.keepAliveEvery))
		// Once in a while, see whether all that was told is still true.
		m.start(opGet)
		m.start(opList)
		return
	}
	m.aliveFailures++
	if m.aliveFailures == 1 {
		m.event(now, EventKeepAliveFailed, string(endOfError(err).Reason))
	}
	deadline := m.alive.Add(keepAliveDeadline)
	if !now.Before(deadline) {
		m.leave(now, EndKeepAliveTimeout)
		return
	}
	again := now.Add(min(m.keepAliveEvery, keepAliveBackOff(m.aliveFailures)))
	if again.After(deadline) {
		again = deadline
	}
	m.wake(timerKeepAlive, again)
}

// keepAliveBackOff is 15 s, doubled with each failure up to 4 min: gentle with a
// service in trouble, and some ten tries within the 35 min that are left.
func keepAliveBackOff(failures int) time.Duration {
	return 15 * time.Second << min(failures-1, 4)
}

// missed is told that notifications were lost on the way to the queue.
func (m *machine) missed() {
	if m.snap.CallID == "" {
		m.joining.overflow = true
		return
	}
	m.start(opGet)
	m.start(opList)
}
