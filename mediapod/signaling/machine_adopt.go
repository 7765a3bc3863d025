// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// takeOver goes on with a call that another process of the bot made. Nobody knows how long it was without a
// keepAlive, nor what was missed.
func (m *machine) takeOver(now time.Time) {
	m.joining.stage = joinDone
	m.event(now, EventAdopted, "")
	if at := m.before.Established; !at.IsZero() {
		m.snap.State, m.stateAt, m.snap.Established = graph.StateEstablished, at, at
		m.setPhase(PhaseEstablished)
		m.admitted = true
	}
	m.lives(now)
	m.reconcile(now)
	m.start(taskKeepAlive)
}

// releasable reports whether another process can take the call over: its media is not here, it is known by an id, and
// it is not about to end.
func (m *machine) releasable() bool {
	return m.hosting == graph.ServiceHosted && m.snap.CallID != "" && !m.unanswered() && m.leaving.reason == "" &&
		m.snap.State.Rank() < rankTerminating
}
