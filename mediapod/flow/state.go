// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// phase is how far a machine is with a step.
type phase string

const (
	// entering: the step is to be begun.
	entering phase = "entering"
	// held: the step is to be begun when the call was answered.
	held phase = "held"
	// prompting: a Play is under way, and the step goes on when it is over. Keys may have been taken.
	prompting phase = "prompting"
	// listening for keys; no Play is under way.
	listening phase = "listening"
	// holding: time passes, with or without music.
	holding phase = "holding"
	// waiting for the answer to a command that is no Play.
	waiting phase = "waiting"
	// over: the flow has ended.
	over phase = "over"
)

// place is a callflow.Ref as the state has it.
type place struct {
	Flow string               `json:"flow"`
	Step callfleetv1.StepName `json:"step"`
}

// state is everything that a machine remembers but for the times of its timers, which begin anew in another process. It is kept by the
// API server: members may be added, and none may change its meaning.
type state struct {
	At    place `json:"at"`
	Phase phase `json:"phase"`
	// Stack is where to go on when subflows return; the innermost is last.
	Stack     []place           `json:"stack,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	Error     Failure           `json:"error,omitempty"`

	// Buffer holds keys that nobody took, in the order of pressing.
	Buffer string `json:"buffer,omitempty"`
	// Swallow are keys of which the next is not looked at, for a while.
	Swallow string `json:"swallow,omitempty"`
	// Adjacent: only if it is the very next key.
	Adjacent bool `json:"adjacent,omitempty"`

	// Playing is the ID of the Play under way, and Stopping says that it is being stopped.
	Playing  int64 `json:"playing,omitempty"`
	Stopping bool  `json:"stopping,omitempty"`
	// Waiting is the ID of another command under way.
	Waiting int64 `json:"waiting,omitempty"`

	// Of a menu or collect: what was pressed, whether it is complete, whether it is wrong; why the caller is being asked again, and how
	// often that was.
	Input   string `json:"input,omitempty"`
	Decided bool   `json:"decided,omitempty"`
	Wrong   bool   `json:"wrong,omitempty"`
	Again   again  `json:"again,omitempty"`
	NoInput int32  `json:"noInput,omitempty"`
	NoMatch int32  `json:"noMatch,omitempty"`
	// StopTone: a stop tone of the recording under way was told.
	StopTone bool `json:"stopTone,omitempty"`
	// Leads is the step that follows the music once it has stopped.
	Leads callfleetv1.StepName `json:"leads,omitempty"`

	LastID     int64 `json:"lastID,omitempty"`
	Recordings int64 `json:"recordings,omitempty"`
	Steps      int64 `json:"steps,omitempty"`
	// Unwaited counts steps since the caller was last waited for.
	Unwaited int32 `json:"unwaited,omitempty"`

	End     callfleetv1.FlowEnd `json:"end,omitempty"`
	Message string              `json:"message,omitempty"`
}

// again is why a caller is asked again.
type again string

const (
	againNoInput again = "noInput"
	againNoMatch again = "noMatch"
)

// State is what Resume goes on from: JSON, to be kept where nobody else reads it, as it holds variables and keys.
func (m *Machine) State() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // six bytes for one, of no use here
	if err := e.Encode(&m.s); err != nil {
		panic(fmt.Sprintf("state of a flow: %v", err)) // strings, numbers and maps of strings can be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// Resume is a machine that goes on from the State of another, of the same program and call. Its first commands are those that were under
// way, with the IDs and keys they had; prompts play from their beginning, and timers begin anew.
func Resume(p *callflow.Program, c Call, stored []byte) (*Machine, error) {
	m := &Machine{program: p, call: c}
	if err := json.Unmarshal(stored, &m.s); err != nil {
		return nil, fmt.Errorf("reading the state of a flow: %w", err)
	}
	if err := m.sound(); err != nil {
		return nil, fmt.Errorf("the state of a flow does not fit the flow: %w", err)
	}
	return m, nil
}

// sound says what a state is wrong about: it may be of another version of the flow, or of a later one of this program.
func (m *Machine) sound() error {
	step := m.step()
	if step == nil {
		return fmt.Errorf("it has no step %s", m.At())
	}
	for _, p := range m.s.Stack {
		if m.program.Step(callflow.Ref(p)) == nil {
			return fmt.Errorf("it has no step %s, where a subflow returns to", m.program.Name(callflow.Ref(p)))
		}
	}
	fits := false
	switch m.s.Phase {
	case entering, held, over:
		fits = true
	case prompting:
		fits = m.s.Playing != 0 && (step.Play != nil || step.Record != nil || listeningOf(step) != nil)
	case listening:
		fits = listeningOf(step) != nil
	case holding:
		fits = step.Hold != nil
	case waiting:
		fits = m.s.Waiting != 0 && (step.Record != nil || step.Transfer != nil || step.Invite != nil || step.Webhook != nil)
	}
	if !fits {
		return fmt.Errorf("step %s cannot be %q", m.At(), m.s.Phase)
	}
	if m.s.Input != "" && !m.s.Decided && step.Collect == nil {
		return fmt.Errorf("step %s has keys that it would have taken", m.At())
	}
	if m.s.LastID < max(m.s.Playing, m.s.Waiting) {
		return errors.New("a command is under way that was never given")
	}
	return nil
}
