// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"time"
	_ "time/tzdata" // a zone must be known to whoever runs a flow if it is to whoever accepts it; Windows has none

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Program is a flow with its subflows, ready to be run. It does not change and may be used by many calls at once.
type Program struct {
	root      string
	flows     map[string]*flow
	templates map[callfleetv1.Template]*template
}

// flow is one CallFlow of a program.
type flow struct {
	spec  *callfleetv1.CallFlowSpec // with defaults
	steps map[callfleetv1.StepName]*step
	zone  *time.Location
}

// step is one step of a flow.
type step struct {
	*callfleetv1.FlowStep
	i     int          // its place in the flow
	cases []*condition // of a branch
}

// Compile checks the flow with this name, and its subflows, which flows must have by their names, and makes a program of them. It
// tells all mistakes at once, sorted by their paths in the flow; those of a subflow are told at the step that calls it. A subflow
// that flows lacks is a mistake that IsMissing knows: with no other kind there is a program all the same, which cannot enter the
// flow that is not there. With any other there is none. The specs are not changed, and may be later.
func Compile(name string, flows map[string]*callfleetv1.CallFlowSpec) (*Program, field.ErrorList) {
	c := newCompiler(name, flows)
	c.read()
	c.check()
	errs := c.mistakes()
	for _, err := range errs {
		if !IsMissing(err) {
			return nil, errs
		}
	}
	return c.program, errs
}

// IsMissing reports whether a mistake is but that a subflow is not there (yet).
func IsMissing(err *field.Error) bool { return err.Type == field.ErrorTypeNotFound }

// Start is where the program begins.
func (p *Program) Start() Ref { return p.Enter(p.root) }

// Enter is the first step of a flow; if it is missing, one that Step does not know.
func (p *Program) Enter(name string) Ref {
	f := p.flow(name)
	if f == nil {
		return Ref{Flow: name}
	}
	return Ref{Flow: name, Step: f.spec.Start}
}

// Step is a step with its defaults, say written as play; nil if there is none. It must not be changed.
func (p *Program) Step(r Ref) *callfleetv1.FlowStep {
	if s := p.step(r); s != nil {
		return s.FlowStep
	}
	return nil
}

// Flow is a flow with its defaults; nil if there is none. It must not be changed.
func (p *Program) Flow(name string) *callfleetv1.CallFlowSpec {
	if f := p.flow(name); f != nil {
		return f.spec
	}
	return nil
}

func (p *Program) flow(name string) *flow {
	if name == "" {
		name = p.root
	}
	return p.flows[name]
}

func (p *Program) step(r Ref) *step {
	f := p.flow(r.Flow)
	if f == nil {
		return nil
	}
	return f.steps[r.Step]
}
