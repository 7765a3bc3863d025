// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"slices"
	"strings"
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
	// missing are the subflows that are not there, by whom they are called at first. What they set and where they lead nobody knows.
	missing map[string]bool
	errs    field.ErrorList
}

// reading is a flow that is being compiled.
type reading struct {
	*flow
	name string
	// given is the flow as it is written.
	given *callfleetv1.CallFlowSpec
	// calledAt is the step of the first flow by which this one is reached; nil for the first flow itself.
	calledAt *field.Path
	graph    *graph
	// silent: it may return without having waited for the caller; nil while that is not known.
	silent *bool
	// uses are the names that stand for values, and where.
	uses []use
	errs field.ErrorList
}

// specPath is where all paths in a flow begin.
var specPath = field.NewPath("spec")

func stepPath(i int) *field.Path { return specPath.Child("steps").Index(i) }

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
		c.errs = append(c.errs, field.Required(specPath, fmt.Sprintf("there is no flow named %q to be read", c.program.root)))
		return
	}
	c.enter(c.program.root, nil, "")
	for i := 0; i < len(c.flows); i++ {
		c.index(c.flows[i])
		c.flows[i].graph = newGraph(c.flows[i].flow)
	}
}

// reading is a flow of the program by its name; nil if it is not there.
func (c *compiler) reading(name string) *reading {
	for _, f := range c.flows {
		if f.name == name {
			return f
		}
	}
	return nil
}

// enter has a flow read, once, that another calls.
func (c *compiler) enter(name string, calledAt *field.Path, by string) {
	if c.program.flows[name] != nil || c.missing[name] {
		return
	}
	spec := c.given[name]
	if spec == nil {
		c.missing[name] = true
		detail := "there is no CallFlow of this name in the namespace; apply it too"
		if by != c.program.root {
			detail = fmt.Sprintf("the flow %s calls it, and %s", by, detail)
		}
		c.errs = append(c.errs, &field.Error{Type: field.ErrorTypeNotFound, Field: calledAt.String(), BadValue: name, Detail: detail})
		return
	}
	f := &flow{spec: withDefaults(spec), steps: make(map[callfleetv1.StepName]*step, len(spec.Steps)), zone: time.UTC}
	c.program.flows[name] = f
	c.flows = append(c.flows, &reading{flow: f, name: name, given: spec, calledAt: calledAt})
}

// index gives steps their names, and has the flows read that they call. Of two steps of one name the first counts.
func (c *compiler) index(f *reading) {
	for i := range f.spec.Steps {
		s := &f.spec.Steps[i]
		if f.steps[s.Name] == nil {
			f.steps[s.Name] = &step{FlowStep: s, i: i}
		}
		if s.Subflow == nil || s.Subflow.FlowRef.Name == "" {
			continue
		}
		at := f.calledAt
		if at == nil {
			at = callPath(i)
		}
		c.enter(s.Subflow.FlowRef.Name, at, f.name)
	}
}

// callPath is where a step names the flow that it calls.
func callPath(i int) *field.Path { return stepPath(i).Child("subflow", "flowRef", "name") }

// mistakes are all that were found, sorted by path.
func (c *compiler) mistakes() field.ErrorList {
	for _, f := range c.flows {
		if len(f.errs) == 0 {
			continue
		}
		sortByPath(f.errs)
		if f.calledAt == nil {
			c.errs = append(c.errs, f.errs...)
			continue
		}
		var texts []string
		for _, err := range f.errs {
			texts = append(texts, err.Error())
		}
		c.errs = append(c.errs, field.Invalid(f.calledAt, f.name, fmt.Sprintf("the CallFlow %s has mistakes of its own; correct it first: %s",
			f.name, strings.Join(texts, "; "))))
	}
	sortByPath(c.errs)
	return c.errs
}

func sortByPath(errs field.ErrorList) {
	slices.SortStableFunc(errs, func(a, b *field.Error) int { return comparePaths(a.Field, b.Field) })
}
