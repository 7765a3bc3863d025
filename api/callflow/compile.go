// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// compiler makes a program and gathers what is wrong with it.
type compiler struct {
	program *Program
	given   map[string]*callfleetv1.CallFlowSpec
	// flows in the order in which they were met: callers before those they call.
	flows []*reading
	// missing are the subflows that are not there. What they set and where they lead nobody knows.
	missing map[string]bool
	errs    field.ErrorList
}

// reading is a flow that is being compiled.
type reading struct {
	*flow
	name string
	// calledAt is the step of the first flow by which this one is reached; nil for the first flow itself.
	calledAt *field.Path
	errs     field.ErrorList
}

// root of all paths in a flow.
var specPath = field.NewPath("spec")

func newCompiler(name string, flows map[string]*callfleetv1.CallFlowSpec) *compiler {
	return &compiler{
		program: &Program{root: name, flows: map[string]*flow{}, templates: map[callfleetv1.Template]*template{}},
		given:   flows,
		missing: map[string]bool{},
	}
}

// read reads the flow and all that it calls.
func (c *compiler) read() {
	if c.given[c.program.root] == nil {
		c.errs = append(c.errs, field.Required(specPath, fmt.Sprintf("there is no flow named %s", c.program.root)))
		return
	}
	c.enter(c.program.root, nil)
	for i := 0; i < len(c.flows); i++ {
		c.index(c.flows[i])
	}
}

// enter has a flow read, once.
func (c *compiler) enter(name string, calledAt *field.Path) {
	if c.program.flows[name] != nil || c.missing[name] {
		return
	}
	spec := c.given[name]
	if spec == nil {
		c.missing[name] = true
		c.errs = append(c.errs, &field.Error{
			Type: field.ErrorTypeNotFound, Field: calledAt.String(), BadValue: name,
			Detail: "there is no CallFlow of this name in the namespace; apply it too",
		})
		return
	}
	f := &flow{spec: withDefaults(spec), steps: make(map[callfleetv1.StepName]*step, len(spec.Steps)), zone: time.UTC}
	c.program.flows[name] = f
	c.flows = append(c.flows, &reading{flow: f, name: name, calledAt: calledAt})
}

// index gives steps their names, and has the flows read that they call.
func (c *compiler) index(f *reading) {
	for i := range f.spec.Steps {
		s, path := &f.spec.Steps[i], specPath.Child("steps").Index(i)
		if f.steps[s.Name] != nil {
			f.errs = append(f.errs, field.Duplicate(path.Child("name"), s.Name))
			continue
		}
		f.steps[s.Name] = &step{FlowStep: s}
		if s.Subflow == nil {
			continue
		}
		at := f.calledAt
		if at == nil {
			at = path.Child("subflow", "flowRef", "name")
		}
		c.enter(s.Subflow.FlowRef.Name, at)
	}
}

// mistakes are all that were found, sorted by path.
func (c *compiler) mistakes() field.ErrorList {
	slices.SortStableFunc(c.errs, func(a, b *field.Error) int { return comparePaths(a.Field, b.Field) })
	return c.errs
}
