// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// rangOutAgain is how soon a call that has rung long enough is looked at again when nobody knows yet whether it still rings.
const rangOutAgain = time.Second

// takeOver goes on with a call that another process of the bot made. Nobody knows how long it was without a
// keepAlive, nor what was missed.
func (m *machine) takeOver(now time.Time) {
	m.joining.stage = joinDone
	m.event(now, EventAdopted, "")
	switch at := m.before.Established; {
	case !at.IsZero():
		m.snap.State, m.stateAt, m.snap.Established = graph.StateEstablished, at, at
		m.setPhase(PhaseEstablished)
		m.admitted = true
	case m.before.InLobby: // which the service calls established too
		m.snap.State, m.stateAt = graph.StateEstablished, now
		m.setPhase(PhaseInLobby)
	}
	switch state := m.before.State; {
	case transferring(state):
		m.snap.State = state
	case state.Rank() >= rankTerminating:
		m.snap.State = graph.StateTerminating
		m.setPhase(PhaseLeaving)
	}
	if at := m.before.RingsUntil; !at.IsZero() && m.stateAt.IsZero() {
		m.wake(timerRinging, at)
	}
	m.lives(now)
	m.reconcile(now)
	m.start(taskKeepAlive)
}

// rangOut: nobody has answered for as long as the call may ring. Of a call that was taken over that is not so before the
// service has said how it stands: it may have been answered meanwhile.
func (m *machine) rangOut(now time.Time) {
	if m.origin == originAdopted && m.snap.State == "" {
		m.start(taskGet)
		m.wake(timerRinging, now.Add(rangOutAgain))
		return
	}
	m.leave(now, EndNoAnswer)
}

// releasable reports whether another process can take the call over: its media is not here, it is known by an id, and
// it is not about to end.
func (m *machine) releasable() bool {
	return m.hosting == graph.ServiceHosted && m.snap.CallID != "" && !m.unanswered() && m.leaving.reason == "" &&
		m.snap.State.Rank() < rankTerminating
}
