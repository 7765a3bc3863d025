// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// listeningOf is how a menu or collect takes keys; nil of other steps.
func listeningOf(step *callfleetv1.FlowStep) *callfleetv1.Listening {
	switch {
	case step.Menu != nil:
		return &step.Menu.Listening
	case step.Collect != nil:
		return &step.Collect.Listening
	}
	return nil
}

// ask begins a menu or collect, for the first time or again.
func (m *Machine) ask(step *callfleetv1.FlowStep, why again) {
	l := listeningOf(step)
	m.s.Input, m.s.Decided, m.s.Wrong, m.s.Again, m.deadline = "", false, false, why, time.Time{}
	if !yes(l.TypeAhead) {
		m.s.Buffer = ""
	}
	// Keys end prompts, also those that were pressed before. Prompts that no key ends are always heard.
	if yes(l.BargeIn) && m.s.Buffer != "" || !m.play(step) {
		m.listen(step)
	}
}

// listen takes keys that wait, and waits for more if they are not enough.
func (m *Machine) listen(step *callfleetv1.FlowStep) {
	m.s.Phase = listening
	for !m.s.Decided && m.s.Buffer != "" {
		key := m.s.Buffer[0]
		m.s.Buffer = m.s.Buffer[1:]
		m.press(step, key)
	}
	if m.s.Decided {
		m.resolve(step)
		return
	}
	m.await(step)
}

// await sets the timer for the first or the next key.
func (m *Machine) await(step *callfleetv1.FlowStep) {
	if m.s.Input == "" {
		m.deadline = m.now.Add(listeningOf(step).Timeout.Duration())
	} else {
		m.deadline = m.now.Add(step.Collect.InterDigitTimeout.Duration())
	}
}

// press takes a key into the input.
func (m *Machine) press(step *callfleetv1.FlowStep, key byte) {
	m.waited()
	if step.Menu != nil {
		m.s.Input, m.s.Decided = string(key), true
		return
	}
	c := step.Collect
	switch {
	case string(key) == c.Terminator:
		m.s.Decided = true
	case key >= '0' && key <= '9', c.Terminator == noTerminator && strings.IndexByte("*#", key) >= 0:
		m.s.Input += string(key)
		m.s.Decided = len(m.s.Input) >= int(c.Max)
	default:
		m.s.Decided, m.s.Wrong = true, true
	}
}

// noTerminator is CollectStep's word for no key that ends the digits.
const noTerminator = "None"

// pressed is a key at a time when the step takes it.
func (m *Machine) pressed(step *callfleetv1.FlowStep, key byte) {
	m.press(step, key)
	switch {
	case m.s.Decided && m.s.Phase == prompting:
		m.deadline = time.Time{} // the prompt is being stopped, and its end is waited for
	case m.s.Decided:
		m.resolve(step)
	default:
		m.await(step)
	}
}

// resolve goes where the complete input leads. No prompt is playing.
func (m *Machine) resolve(step *callfleetv1.FlowStep) {
	if step.Menu != nil {
		for _, c := range step.Menu.Choices {
			if string(c.Key) == m.s.Input {
				if step.Menu.Variable == "" || m.assign(map[string]string{string(step.Menu.Variable): m.s.Input}) {
					m.advance(c.Next)
				}
				return
			}
		}
	} else if c := step.Collect; !m.s.Wrong && len(m.s.Input) >= int(c.Min) {
		m.complete(c)
		if m.assign(map[string]string{string(c.Variable): m.s.Input}) {
			m.advance(step.Next)
		}
		return
	}
	m.retry(step, againNoMatch, &m.s.NoMatch, listeningOf(step).NoMatch)
}

// complete looks away from the terminator behind as many digits as there may be: people press it without counting.
func (m *Machine) complete(c *callfleetv1.CollectStep) {
	switch {
	case len(m.s.Input) < int(c.Max) || c.Terminator == noTerminator:
	case m.s.Buffer == "":
		m.swallow(c.Terminator, c.InterDigitTimeout.Duration(), true)
	case string(m.s.Buffer[0]) == c.Terminator:
		m.s.Buffer = m.s.Buffer[1:]
	}
}

// retry asks again, if that was not done often enough.
func (m *Machine) retry(step *callfleetv1.FlowStep, why again, count *int32, r callfleetv1.FlowRetry) {
	retries := int32(defaultRetries)
	if r.Retries != nil {
		retries = *r.Retries
	}
	switch {
	case *count < retries:
		*count++
		m.ask(step, why)
	case r.Next != "":
		m.advance(r.Next)
	default:
		m.hangUp()
	}
}

// defaultRetries is the default of FlowRetry.
const defaultRetries = 2

// silence: nothing was pressed in time.
func (m *Machine) silence(step *callfleetv1.FlowStep) {
	m.waited()
	if m.s.Input == "" {
		m.retry(step, againNoInput, &m.s.NoInput, listeningOf(step).NoInput)
		return
	}
	m.s.Decided = true
	if m.s.Phase == listening {
		m.resolve(step)
	}
}
