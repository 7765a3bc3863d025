// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// reconcileEvery is how soon a call that is on its way in, out or to somebody else is
	// looked at when no notification tells how it goes: notifications get lost.
	reconcileEvery = 15 * time.Second

	// reconcileSlowly is the same for a call that just goes on.
	reconcileSlowly = 2 * time.Minute
)

// reconcileLater has the call looked at after a while.
func (m *machine) reconcileLater(now time.Time) {
	every := reconcileEvery
	if m.snap.State.Rank() == rankEstablished && m.transfers.since.IsZero() {
		every = reconcileSlowly
	}
	m.wake(timerReconcile, now.Add(every))
}

// got is the answer with the call: what a lost notification would have told.
func (m *machine) got(now time.Time, call *graph.Call, err error) {
	current := m.finished(taskGet)
	switch {
	case m.ended():
		return
	case m.answering.doubted:
		switch {
		case graph.IsNotFound(err):
			m.doubtSettled(now, nil)
		case err == nil:
			m.doubtSettled(now, call)
		default:
			m.answering.doubted = false
			m.retryAnswer(now)
		}
		return
	case graph.IsNotFound(err):
		m.gone(now)
		return
	case err == nil:
		m.transferOver(now, call, current)
		m.applyCall(now, call, current)
	}
	if !m.ended() && m.leaving.reason == "" {
		m.reconcileLater(now)
	}
}

// keptAlive is the answer to a keepAlive.
func (m *machine) keptAlive(now time.Time, err error) {
	m.finished(taskKeepAlive)
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
		if now.Sub(m.lookedAt) >= reconcileEvery {
			m.reconcile(now)
		}
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
func (m *machine) missed(now time.Time) {
	if m.snap.CallID == "" {
		m.joining.overflow = true
		return
	}
	m.reconcile(now)
}

// reconcile asks for all there is to know. Peer-to-peer calls have no roster.
func (m *machine) reconcile(now time.Time) {
	m.lookedAt = now
	m.start(taskGet)
	if m.group {
		m.start(taskList)
	}
}
