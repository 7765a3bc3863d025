// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Ref names a step of a program.
type Ref struct {
	// Flow that has the step; empty: the one the program begins with.
	Flow string
	Step callfleetv1.StepName
}

// String is flow/step. Program.Name is shorter, and what people read.
func (r Ref) String() string {
	if r.Flow == "" {
		return string(r.Step)
	}
	return r.Flow + "/" + string(r.Step)
}

// Name is how statuses, tests and webhooks write a step: its name, with "flow/" before it if the flow is a subflow.
func (p *Program) Name(r Ref) string {
	if r.Flow == p.root {
		r.Flow = ""
	}
	return r.String()
}

// Parse finds the step that a name is of; false if there is none.
func (p *Program) Parse(name string) (Ref, bool) {
	r := Ref{Flow: p.root, Step: callfleetv1.StepName(name)}
	// Neither a flow's nor a step's name has a slash.
	if flow, step, ok := strings.Cut(name, "/"); ok {
		r = Ref{Flow: flow, Step: callfleetv1.StepName(step)}
		return r, flow != "" && p.Step(r) != nil
	}
	return r, p.Step(r) != nil
}
