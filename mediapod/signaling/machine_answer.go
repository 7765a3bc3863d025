// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// answerDeadline is how long the service waits for an answer; policyDeadline is
	// the same where a recording policy calls the bot (Graph, "call: answer").
	answerDeadline = 15 * time.Second
	policyDeadline = 5 * time.Second

	// answerRetry is the wait between tries to answer: somebody listens to it ring.
	answerRetry = 500 * time.Millisecond
)

// answering is how far answering an incoming call has come.
type answering struct {
	taken   bool // the service has accepted the answer
	doubted bool // the service knew no call to answer; whether an earlier try was taken is being asked
	failure error
}

// unanswered reports whether this is an incoming call that is still to be answered.
func (m *machine) unanswered() bool { return m.origin == originIncoming && !m.answering.taken }

// answer sends the answer, the first time and again.
func (m *machine) answer() { m.start(taskAnswer) }

// answerSent is what came of it.
func (m *machine) answerSent(now time.Time, err error) {
	m.finished(taskAnswer)
	switch {
	case m.ended():
		return
	case err == nil || m.snap.State.Rank() > rankIncoming:
		// Or the call moves on: an earlier try was taken although its answer was lost.
		m.answerTaken(now)
		return
	}
	m.answering.failure = err
	switch {
	case unknownCall(err):
		// An earlier try may have been taken: then there is nothing left to answer.
		m.answering.doubted = true
		m.start(taskGet)
	case refused(err):
		m.failAnswer(now, endOfError(err))
	default:
		m.retryAnswer(now)
	}
}

// unknownCall reports whether Graph knows no call, or none that could be answered.
func unknownCall(err error) bool {
	var answer *graph.Error
	return graph.IsNotFound(err) || errors.As(err, &answer) && (answer.StatusCode == http.StatusConflict || answer.StatusCode == http.StatusGone)
}

func (m *machine) retryAnswer(now time.Time) {
	if m.leaving.reason != "" {
		m.failAnswer(now, m.leaving.end())
		return
	}
	if m.due[timerRetryAnswer].IsZero() {
		m.event(now, EventAnswerRetried, string(endOfError(m.answering.failure).Reason))
	}
	m.wake(timerRetryAnswer, now.Add(answerRetry))
}

// answerTaken: the call is the bot's.
func (m *machine) answerTaken(now time.Time) {
	if m.answering.taken {
		return
	}
	m.answering.taken = true
	m.cancel(timerRetryAnswer, timerGiveUpAnswer)
	m.event(now, EventAnswered, "")
	m.world.answered(now.Sub(m.joining.since))
	m.lives(now)
}

// lives begins the upkeep of a call whose id is known, or hangs it up if that is
// wanted by now.
func (m *machine) lives(now time.Time) {
	if m.leaving.reason != "" {
		m.hangUp(now)
		return
	}
	m.alive = now
	m.wake(timerKeepAlive, now.Add(m.keepAliveEvery))
	m.reconcileLater(now)
}

// doubtSettled is the call, asked for because it could not be answered; nil if there is none.
func (m *machine) doubtSettled(now time.Time, call *graph.Call) {
	m.answering.doubted = false
	switch {
	case call == nil:
		m.end(now, m.missedCall(now))
	case call.State.Rank() <= rankIncoming:
		m.retryAnswer(now)
	case call.CallbackURI != "" && call.CallbackURI != m.callback:
		// The service told more than one pod of the call, and the other was quicker.
		end := EndFor(EndCallLost)
		end.Elsewhere = true
		end.Message = "Another pod of the bot answered the call."
		m.end(now, end)
	default:
		m.answerTaken(now)
		m.applyCall(now, call, true)
	}
}

// missedCall is the end of a call that was gone when it was answered.
func (m *machine) missedCall(now time.Time) End {
	if now.Sub(m.joining.since) < m.answerWithin {
		return EndFor(EndCallerGaveUp)
	}
	return EndFor(EndAnsweredTooLate)
}

// failAnswer ends a call that cannot be answered. The caller is turned away, or it would ring on.
func (m *machine) failAnswer(now time.Time, end End) {
	if m.leaving.reason != "" {
		end = m.leaving.end()
	}
	m.leaving.vain = true // as far as is known: who is turned away for good is remembered by then
	m.world.turnAway()
	m.end(now, end)
}

// giveUpAnswer: the service's deadline has passed. Should the answer have been taken all the
// same, the call tells of itself, and is hung up as one that nobody claims.
func (m *machine) giveUpAnswer(now time.Time) {
	if m.snap.State.Rank() > rankIncoming {
		m.answerTaken(now) // the call moves on: only the answer to our own is still awaited
		return
	}
	end := EndFor(EndAnsweredTooLate)
	if m.answering.failure != nil {
		end = endOfError(m.answering.failure)
	}
	m.failAnswer(now, end)
}
