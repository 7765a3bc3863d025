// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// createWindow is how long a join is tried again. The session controller
	// tries on after that, on whichever pod is best then.
	createWindow = 30 * time.Second

	// uncertainWait is how long to listen, after the service said it failed, for
	// notifications of a call it made all the same. They come within a second.
	uncertainWait = 5 * time.Second

	// lostWait is the same where the service's answer was lost altogether.
	lostWait = 15 * time.Second

	// maxHeld bounds the notifications kept for a call without an id.
	maxHeld = 64
)

type joinStage int

const (
	joinRunning   joinStage = iota // the request is under way
	joinWaiting                    // it certainly made no call and will be sent again
	joinUncertain                  // it may have made a call, which then tells by itself
	joinDone                       // the call's id is known
)

// joining is how far creating the call has come.
type joining struct {
	stage    joinStage
	since    time.Time
	tries    int
	failure  createFailure // last one
	overflow bool          // a notification could not be held
}

// create sends the request, the first time and again.
func (m *machine) create() {
	m.joining.stage = joinRunning
	m.joining.tries++
	m.start(taskCreate)
}

// created is the answer to the request.
func (m *machine) created(now time.Time, call *graph.Call, err error) {
	m.finished(taskCreate)
	if m.ended() {
		return
	}
	if err == nil {
		m.learnID(now, call.ID, "")
		m.applyCall(now, call, true)
		m.release(now)
		return
	}
	failure := judgeCreate(err)
	m.joining.failure = failure
	if failure.outcome == createRefused {
		m.failCreate(now)
		return
	}
	again := now.Add(max(failure.retryAfter, backOff(m.joining.tries)))
	if failure.outcome == createFailed {
		again = now.Add(max(failure.retryAfter, uncertainWait))
	}
	retry := failure.outcome != createLost && m.leaving.reason == "" && !again.After(m.joining.since.Add(createWindow))
	if failure.outcome == createNotDone {
		if !retry {
			m.failCreate(now)
			return
		}
		m.joining.stage = joinWaiting
		m.event(now, EventCreateRetried, string(failure.end.Reason))
		m.wake(timerRetryCreate, again)
		return
	}
	m.joining.stage = joinUncertain
	m.event(now, EventCreateUncertain, string(failure.end.Reason))
	switch {
	case retry:
		m.wake(timerRetryCreate, again)
	case failure.outcome == createFailed:
		m.wake(timerGiveUpCreate, now.Add(uncertainWait))
	default:
		m.wake(timerGiveUpCreate, now.Add(lostWait))
	}
	m.adoptHeld(now)
}

// failCreate ends a call that was not made.
func (m *machine) failCreate(now time.Time) {
	if m.leaving.reason != "" {
		m.end(now, m.leaving.end())
		return
	}
	m.end(now, m.joining.failure.end)
}

// giveUpCreate ends a call that may have been made but never told of itself.
// Should it do so later, it is a call that no session claims, and is hung up.
func (m *machine) giveUpCreate(now time.Time) {
	if m.joining.failure.outcome == createLost {
		m.joining.failure.end.Message = "The answer to the join was lost, and no notification told that the bot is in the meeting: " + m.joining.failure.end.Message
	}
	m.failCreate(now)
}

// learnID is told the call's id, once.
func (m *machine) learnID(now time.Time, id, detail string) {
	m.cancel(timerRetryCreate, timerGiveUpCreate)
	m.joining.stage = joinDone
	m.snap.CallID = id
	m.event(now, EventCallCreated, detail)
	if m.ringing > 0 && m.stateAt.IsZero() {
		m.wake(timerRinging, now.Add(m.ringing))
	}
	m.lives(now)
	if m.leaving.reason == "" && m.joining.overflow {
		m.missed(now)
	}
}

// hold keeps a notification until the call's id is known. The first ones say the
// most; what does not fit is made up for by asking.
func (m *machine) hold(n graph.Notification) outcome {
	if len(m.held) >= maxHeld {
		m.joining.overflow = true
		return outcomeOverflow
	}
	m.held = append(m.held, n)
	return outcomeHeld
}

// release hands on what was held, now that the id is known.
func (m *machine) release(now time.Time) {
	held := m.held
	m.held = nil
	m.notified(now, held)
}

// adoptHeld takes the id of a call that was made although the answer was lost from
// what was held: rather from one that lives than from one that is over.
func (m *machine) adoptHeld(now time.Time) {
	var adopt *graph.Notification
	for i := range m.held {
		n := &m.held[i]
		if m.adoptable(*n) && (adopt == nil || terminal(*adopt) && !terminal(*n)) {
			adopt = n
		}
	}
	if adopt != nil {
		m.adopt(now, adopt.Resource.CallID)
		m.release(now)
	}
}

func (m *machine) adoptable(n graph.Notification) bool {
	return (n.Resource.Kind == graph.KindCall || n.Resource.Kind == graph.KindParticipants) && !m.world.over(n.Resource.CallID)
}

func (m *machine) adopt(now time.Time, id string) {
	m.learnID(now, id, "the answer to the join was lost; known from a notification")
	if m.leaving.reason == "" {
		// The notification says little; the rest of what the answer held is asked for.
		m.start(taskGet)
	}
}

// backOff is the wait before try n+1: 1 s, 2 s, 4 s, then 8 s.
func backOff(tries int) time.Duration {
	return time.Second << min(max(tries-1, 0), 3)
}
