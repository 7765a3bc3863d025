// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// use is a name that stands for a value somewhere.
type use struct {
	at   *field.Path
	name string
	in   string // the text that has it
	// condition: it is of a condition, where names are those of variables alone.
	condition bool
}

// checkVariables refuses names that stand for nothing. Flows of a program share their variables: whichever of them sets one, it is set.
func (c *compiler) checkVariables() {
	set := map[string]bool{}
	for _, f := range c.flows {
		f.variables(func(name callfleetv1.VariableName) { set[string(name)] = true })
	}
	known := sorted(set)
	for _, f := range c.flows {
		for _, u := range f.uses {
			switch {
			case !u.condition && strings.Contains(u.name, "."):
				if !slices.Contains(words, u.name) {
					f.wrong(u.at, u.in, "nothing is named %s; %s", u.name, meant(u.name, words,
						"there are "+strings.Join(words, ", ")+" and the flow's own variables"))
				}
			case !u.condition && u.name == wordError, set[u.name]:
			case len(c.missing) > 0: // it may be set there
			default:
				f.wrong(u.at, u.in, "nothing sets the variable %s; %s", u.name, meant(u.name, known,
					"set it in a step, or give it a first value in spec.variables"))
			}
		}
	}
}

// variables visits the variables that a flow sets.
func (f *flow) variables(visit func(callfleetv1.VariableName)) {
	for name := range f.spec.Variables {
		visit(name)
	}
	for i := range f.spec.Steps {
		s := &f.spec.Steps[i]
		for name := range s.Set {
			visit(name)
		}
		if s.Menu != nil {
			visit(s.Menu.Variable)
		}
		if s.Collect != nil {
			visit(s.Collect.Variable)
		}
		if s.Record != nil {
			visit(s.Record.Variable)
		}
		if s.Webhook != nil {
			for _, name := range s.Webhook.Sets {
				visit(name)
			}
		}
	}
}
