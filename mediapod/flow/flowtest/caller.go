// SPDX-License-Identifier: Apache-2.0

package flowtest

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
)

// patience is after how many commands a caller has enough.
const patience = 25

// half a second or so: well away from whatever else happens.
const half = PromptLength / 2

// improviser is a caller who makes it up as the call goes on, and what is written down of it: what is done because of which command.
type improviser struct {
	*rand.Rand
	program *callflow.Program
	machine *flow.Machine
	plan    map[int64][]rehearse.Due
	given   int
}

func (i *improviser) Answered() []rehearse.Due       { return nil }
func (i *improviser) Told(flow.Event) []rehearse.Due { return nil }
func (i *improviser) Given(c flow.Command) []rehearse.Due {
	ref, _ := i.program.Parse(i.machine.At())
	step := i.program.Step(ref)
	var acts []rehearse.Due
	var id int64
	switch c := c.(type) {
	case flow.Play:
		id, acts = c.ID, i.during(step, time.Duration(len(c.Prompts))*PromptLength)
	case flow.Record:
		id, acts = c.ID, i.recorded(step.Record)
	default:
		return nil
	}
	if i.given++; i.given > patience || i.IntN(25) == 0 {
		acts = []rehearse.Due{{After: half, Act: rehearse.Act{HangUp: true}}}
	}
	if len(acts) > 0 {
		i.plan[id] = acts
	}
	return acts
}

// during is what the caller does while prompts play, or after them.
func (i *improviser) during(step *callfleetv1.FlowStep, prompts time.Duration) []rehearse.Due {
	at := half
	switch {
	case step.Record != nil, i.typedAhead():
		return nil
	case step.Play != nil:
		if i.IntN(4) > 0 {
			return nil
		}
		return press(at, i.key(keys))
	case step.Hold != nil:
		switch n := len(step.Hold.Choices); {
		case i.IntN(2) == 0:
			return nil
		case n > 0 && i.IntN(3) > 0:
			return press(at, string(step.Hold.Choices[i.IntN(n)].Key))
		}
		return press(at, i.key(keys))
	}
	if i.IntN(2) == 0 {
		at += prompts
	}
	switch {
	case i.IntN(5) == 0:
		return nil
	case step.Menu != nil && i.IntN(4) > 0:
		return press(at, string(step.Menu.Choices[i.IntN(len(step.Menu.Choices))].Key))
	case step.Menu != nil:
		return press(at, i.key("ABCD"))
	}
	return press(at, i.digits(step.Collect))
}

// typedAhead: keys wait for the end of prompts, after which things may go on at once; keys pressed then would race them.
func (i *improviser) typedAhead() bool {
	var state struct{ Buffer string }
	_ = json.Unmarshal(i.machine.State(), &state) // it is JSON
	return state.Buffer != ""
}

// digits are enough to end the step, or those after which nothing more is pressed.
func (i *improviser) digits(c *callfleetv1.CollectStep) string {
	n := int(c.Min) + i.IntN(int(c.Max-c.Min)+1)
	if i.IntN(5) == 0 {
		n = int(c.Min) - 1 // too few
	}
	var all strings.Builder
	for range n {
		all.WriteString(i.key("0123456789"))
	}
	switch {
	case n == int(c.Max):
	case i.IntN(6) == 0:
		all.WriteString(i.key("ABCD"))
	case c.Terminator != "None" && i.IntN(3) > 0:
		all.WriteString(c.Terminator)
	}
	return all.String()
}

// recorded is what the caller says.
func (i *improviser) recorded(r *callfleetv1.RecordStep) []rehearse.Due {
	speak := []rehearse.Due{{After: half, Act: rehearse.Act{Speak: PromptLength}}}
	switch {
	case i.IntN(4) == 0:
		return nil
	case i.IntN(4) == 0:
		speak[0].Speak = recordFor
	case len(r.StopTones) > 0 && i.IntN(2) == 0:
		return append(speak, press(2*PromptLength+half, string(r.StopTones[i.IntN(len(r.StopTones))]))...)
	case i.IntN(3) == 0:
		return append(speak, press(PromptLength, "5")...)
	}
	return speak
}

func (i *improviser) key(of string) string { return string(of[i.IntN(len(of))]) }

func press(at time.Duration, keys string) []rehearse.Due {
	var acts []rehearse.Due
	for n, k := range keys {
		acts = append(acts, rehearse.Due{After: at + time.Duration(n)*rehearse.KeyEvery, Act: rehearse.Act{Press: callfleetv1.PhoneKey(k)}})
	}
	return acts
}
