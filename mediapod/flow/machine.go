// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"fmt"
	"maps"
	"time"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// maxUnwaited is how many steps a flow may take without waiting for the caller. The loops that callflow.Compile refuses have no
	// such bound; this one is for those it cannot tell, such as prompts that cannot be had, over and over.
	maxUnwaited = 1000
	// maxDepth of subflows in each other.
	maxDepth = 8
)

// Machine runs a program in one call. It is pure: what it does follows from its events and the times it is told, and it does nothing but
// say what is to be done. It is for one goroutine.
type Machine struct {
	program *callflow.Program
	call    Call
	s       state

	begun bool
	now   time.Time
	// deadline of the phase; zero if there is none.
	deadline time.Time
	// swallowing ends then.
	swallowing time.Time

	out   []Command
	trail []string
}

// New is a machine at the start of a program.
func New(p *callflow.Program, c Call) *Machine {
	m := &Machine{program: p, call: c, s: state{Phase: entering, At: place(p.Start()), Variables: map[string]string{}}}
	m.initials(m.s.At.Flow)
	m.out = nil // if there was no room for the variables, Begin says what is to be done
	return m
}

// Begin gives the first commands, or those that were under way after Resume. A call that was not answered is redirected, or rejected by
// HangUp, if the flow leads there by set and branch alone; else there are no commands, and NeedsAnswer says so.
func (m *Machine) Begin(now time.Time) []Command {
	m.turn(now)
	if m.begun {
		return nil
	}
	m.begun = true
	if m.s.Phase == held && m.call.Answered {
		m.s.Phase = entering
	}
	if m.s.Phase != entering {
		m.resume()
	}
	return m.finish()
}

// NeedsAnswer: the flow goes on when the call was answered.
func (m *Machine) NeedsAnswer() bool { return m.s.Phase == held }

// Answered: the call was answered, or established.
func (m *Machine) Answered(now time.Time) []Command {
	m.turn(now)
	m.call.Answered = true
	if m.s.Phase == held {
		m.s.Phase = entering
	}
	return m.finish()
}

// Handle takes an event. What answers no command under way is ignored, and so is everything once the flow is over.
func (m *Machine) Handle(now time.Time, e Event) []Command {
	m.turn(now)
	if m.s.Phase == over {
		return nil
	}
	switch e := e.(type) {
	case Tone:
		m.tone(e.Key)
	case Played:
		m.played(e)
	case Recorded:
		m.recorded(e)
	case Transferred:
		m.transferred(e)
	case Invited:
		m.invited(e)
	case Answered:
		m.answered(e)
	case Ended:
		m.gone()
	}
	return m.finish()
}

// Deadline is when Expire is due; zero: never.
func (m *Machine) Deadline() time.Time { return m.deadline }

// Expire says that it is now; before the deadline nothing comes of it.
func (m *Machine) Expire(now time.Time) []Command {
	m.turn(now)
	if m.deadline.IsZero() || now.Before(m.deadline) {
		return nil
	}
	m.deadline = time.Time{}
	m.expired()
	return m.finish()
}

// At is the step that the machine is at, as FlowStatus.Step has it.
func (m *Machine) At() string { return m.program.Name(callflow.Ref(m.s.At)) }

// Steps that were begun.
func (m *Machine) Steps() int64 { return m.s.Steps }

// Trail are the steps that the last call of Begin, Answered, Handle or Expire has begun, as At writes them; good until the next.
func (m *Machine) Trail() []string { return m.trail }

// Variables as they are now.
func (m *Machine) Variables() map[string]string { return maps.Clone(m.s.Variables) }

// End of the flow; "" while it goes on. It never changes once it is there.
func (m *Machine) End() callfleetv1.FlowEnd { return m.s.End }

// Message says why a flow failed, for people.
func (m *Machine) Message() string { return m.s.Message }

func (m *Machine) step() *callfleetv1.FlowStep { return m.program.Step(callflow.Ref(m.s.At)) }

// turn begins another call of the machine.
func (m *Machine) turn(now time.Time) {
	m.now, m.trail = now, m.trail[:0]
	if m.s.Swallow != "" && m.begun && now.After(m.swallowing) {
		m.s.Swallow, m.s.Adjacent = "", false
	}
}

// finish begins steps until one has to wait, and hands over what is to be done.
func (m *Machine) finish() []Command {
	for m.begun && m.s.Phase == entering {
		m.enter()
	}
	out := m.out
	m.out = nil
	return out
}

func (m *Machine) enter() {
	step := m.step()
	switch {
	case step == nil:
		m.fail("it has no step %s", m.At())
		return
	case !m.call.Answered && !beforeAnswer(step):
		m.s.Phase = held
		return
	}
	m.s.Steps++
	m.trail = append(m.trail, m.At())
	if m.s.Unwaited++; m.s.Unwaited > maxUnwaited {
		m.fail("it took %d steps without waiting for the caller, and was at step %s; have it ask for a key, or end", maxUnwaited, m.At())
		return
	}
	m.take(step)
}

// advance goes to a step of the same flow.
func (m *Machine) advance(next callfleetv1.StepName) { m.enterAt(place{m.s.At.Flow, next}) }

// enterAt leaves a step, with all that was its own.
func (m *Machine) enterAt(p place) {
	m.s.At, m.s.Phase, m.deadline = p, entering, time.Time{}
	m.s.Input, m.s.Decided, m.s.Wrong, m.s.Again, m.s.NoInput, m.s.NoMatch = "", false, false, "", 0, 0
	m.s.StopTone, m.s.Leads, m.s.Waiting = false, "", 0
}

// end is final.
func (m *Machine) end(how callfleetv1.FlowEnd) {
	m.s.Phase, m.s.End, m.deadline = over, how, time.Time{}
	m.s.Playing, m.s.Waiting, m.s.Stopping, m.s.Buffer, m.s.Swallow, m.s.Adjacent = 0, 0, false, "", "", false
}

func (m *Machine) hangUp() {
	m.end(callfleetv1.FlowHungUp)
	m.do(HangUp{})
}

// fail ends a flow that cannot go on, and the call.
func (m *Machine) fail(format string, args ...any) {
	m.end(callfleetv1.FlowFailed)
	m.s.Message = "The flow could not go on: " + fmt.Sprintf(format, args...) + "."
	m.do(HangUp{})
}

func (m *Machine) do(c Command) { m.out = append(m.out, c) }

func (m *Machine) nextID() int64 {
	m.s.LastID++
	return m.s.LastID
}

// waited for the caller: whatever loop this is, the caller can leave it.
func (m *Machine) waited() { m.s.Unwaited = 0 }
