// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"slices"
	"time"
	"unicode/utf8"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func (m *Machine) played(e Played) {
	if e.ID != m.s.Playing || e.ID == 0 {
		return
	}
	m.s.Playing, m.s.Stopping, m.s.Error = 0, false, e.Failure
	if e.Failure == "" {
		m.waited()
	}
	step := m.step()
	switch {
	case step.Play != nil:
		m.advance(step.Next)
	case step.Record != nil:
		m.record(step)
	case step.Hold != nil:
		// Music that cannot be had does not shorten the wait.
		if m.s.Leads != "" {
			m.advance(m.s.Leads)
		}
	case m.s.Decided:
		m.resolve(step)
	case m.s.Input != "":
		m.s.Phase = listening // the timer runs since the last key
	default:
		m.listen(step)
	}
}

// answers: a command is under way that this is the answer to.
func (m *Machine) answers(id int64, kind func(*callfleetv1.FlowStep) bool) *callfleetv1.FlowStep {
	if m.s.Phase != waiting || id != m.s.Waiting {
		return nil
	}
	if step := m.step(); kind(step) {
		return step
	}
	return nil
}

func (m *Machine) recorded(e Recorded) {
	step := m.answers(e.ID, func(s *callfleetv1.FlowStep) bool { return s.Record != nil })
	if step == nil {
		return
	}
	r, next := step.Record, step.Next
	m.s.Error = e.Failure
	switch e.End {
	case RecordStopTone:
		if !m.s.StopTone {
			m.swallow(stopTones(r), swallowFor, false)
		}
	case RecordNothing:
		next = either(r.OnSilence, next)
	case RecordFailed:
		next = either(r.OnFailure, next)
		if e.Failure == "" {
			m.s.Error = FailedRecording
		}
	}
	if e.End != RecordFailed {
		m.waited()
	}
	if m.assign(map[string]string{string(r.Variable): e.Name}) {
		m.advance(next)
	}
}

func (m *Machine) transferred(e Transferred) {
	step := m.answers(e.ID, func(s *callfleetv1.FlowStep) bool { return s.Transfer != nil })
	switch {
	case step == nil:
	case e.Failure == "":
		m.s.Error = ""
		m.end(callfleetv1.FlowTransferred)
	default:
		m.s.Error = e.Failure
		m.advance(step.Transfer.OnFailure)
	}
}

func (m *Machine) invited(e Invited) {
	step := m.answers(e.ID, func(s *callfleetv1.FlowStep) bool { return s.Invite != nil })
	if step == nil {
		return
	}
	m.s.Error = e.Failure
	if e.Failure != "" {
		m.advance(step.Invite.OnFailure)
		return
	}
	m.advance(step.Next)
}

func (m *Machine) answered(e Answered) {
	step := m.answers(e.ID, func(s *callfleetv1.FlowStep) bool { return s.Webhook != nil })
	if step == nil {
		return
	}
	if e.Failure == "" && !sensible(step, e) {
		e.Failure = FailedAnswer
	}
	m.s.Error = e.Failure
	switch {
	case e.Failure != "":
		m.advance(step.Webhook.OnError)
	case m.assign(e.Variables):
		m.advance(either(e.Next, step.Next))
	}
}

// sensible: the answer keeps to what the step lets it do.
func sensible(step *callfleetv1.FlowStep, e Answered) bool {
	for name, value := range e.Variables {
		if !slices.Contains(step.Webhook.Sets, callfleetv1.VariableName(name)) || utf8.RuneCountInString(value) > maxValue {
			return false
		}
	}
	return e.Next == "" || e.Next == step.Next || slices.Contains(step.Webhook.Choices, e.Next)
}

// gone: the call is over. A transfer that succeeds may be told by nothing else.
func (m *Machine) gone() {
	if step := m.step(); m.s.Phase == waiting && step.Transfer != nil {
		m.end(callfleetv1.FlowTransferred)
		return
	}
	m.end(callfleetv1.FlowCallerHungUp)
}

// expired: the phase's time is over.
func (m *Machine) expired() {
	switch step := m.step(); m.s.Phase {
	case prompting, listening:
		m.silence(step)
	case holding:
		m.unhold(step.Next)
	}
}

// resume gives the commands that are under way, and sets the timers anew.
func (m *Machine) resume() {
	m.swallowing = m.now.Add(swallowFor)
	step := m.step()
	if m.s.Playing != 0 {
		m.do(Play{ID: m.s.Playing, Prompts: m.prompts(m.sounds(step)), Loop: step.Hold != nil})
		if m.s.Stopping {
			m.do(StopPlaying{ID: m.s.Playing})
		}
	}
	switch m.s.Phase {
	case prompting:
		if m.s.Input != "" && !m.s.Decided {
			m.await(step)
		}
	case listening:
		m.await(step)
	case holding:
		if m.s.Leads == "" {
			m.deadline = m.now.Add(step.Hold.Duration.Duration())
		}
	case waiting:
		m.do(m.underWay(step))
	case over:
		m.deadline = time.Time{}
		m.last(step)
	}
}

// last is the last command of a flow that is over: whether it was carried out nobody knows.
func (m *Machine) last(step *callfleetv1.FlowStep) {
	switch m.s.End {
	case callfleetv1.FlowHungUp, callfleetv1.FlowFailed:
		m.do(HangUp{})
	case callfleetv1.FlowRedirected:
		m.do(Redirect{To: step.Redirect})
	}
}

func either(step, other callfleetv1.StepName) callfleetv1.StepName {
	if step != "" {
		return step
	}
	return other
}
