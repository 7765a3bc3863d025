// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// leaveWindow is how long hanging up is tried.
	leaveWindow = 30 * time.Second

	// terminatedWait is how long, once Graph has taken the hang-up, to wait for the
	// notification that the call is over. It carries the result, no more.
	terminatedWait = 5 * time.Second
)

// leaving is our own wish to leave.
type leaving struct {
	reason EndReason // empty: none
	tries  int
	taken  bool // Graph has accepted the hang-up
	vain   bool // it was given up before Graph did
}

func (l leaving) end() End { return EndFor(l.reason) }

// leave hangs up. The first reason stands. A call whose id is not known yet is
// hung up as soon as it is: the request that makes it is never given up on.
func (m *machine) leave(now time.Time, reason EndReason) {
	if m.ended() || m.leaving.reason != "" {
		return
	}
	m.leaving.reason = reason
	m.event(now, EventLeaving, string(reason))
	m.setPhase(PhaseLeaving)
	m.closeGate()
	m.cancel(timerRinging)
	switch {
	case m.unanswered():
		// The answer is under way and will be known in a moment; between two tries it is the moment to stop.
		if !m.running[taskAnswer] && !m.answering.doubted {
			m.failAnswer(now, m.leaving.end())
		}
	case m.snap.CallID != "":
		m.hangUp(now)
	case m.joining.stage == joinWaiting:
		m.end(now, m.leaving.end())
	case m.joining.stage == joinUncertain:
		m.cancel(timerRetryCreate)
		if m.due[timerGiveUpCreate].IsZero() {
			m.wake(timerGiveUpCreate, now.Add(uncertainWait))
		}
	}
}

func (m *machine) hangUp(now time.Time) {
	m.cancel(timerSettle, timerRoster, timerReconcile, timerKeepAlive, timerPursue)
	m.wake(timerGiveUpLeaving, now.Add(leaveWindow))
	m.start(taskDelete)
}

// deleted is the answer to the hang-up.
func (m *machine) deleted(now time.Time, err error) {
	m.finished(taskDelete)
	switch {
	case m.ended():
	case graph.IsNotFound(err):
		m.gone(now)
	case err == nil:
		m.leaving.taken = true
		m.wake(timerGiveUpLeaving, now.Add(terminatedWait))
	default:
		m.leaving.tries++
		if m.leaving.tries == 1 {
			m.event(now, EventHangUpFailed, string(endOfError(err).Reason))
		}
		m.wake(timerRetryDelete, now.Add(backOff(m.leaving.tries)))
	}
}

// giveUpLeaving ends the call on our side. The session must not hang on a
// notification that got lost, nor on a Graph that does not answer.
func (m *machine) giveUpLeaving(now time.Time) {
	end := m.leaving.end()
	if !m.leaving.taken {
		m.leaving.vain = true
		end.Message += " Graph did not confirm the hang-up in time: if the bot is still seen in the meeting, remove it there; the service does so itself within 45 minutes."
	}
	m.end(now, end)
}
