// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// checkTargets refuses exits to steps that there are not.
func (f *reading) checkTargets() {
	const todo = "add it, or name one that there is"
	all := make([]callfleetv1.StepName, len(f.spec.Steps))
	for i := range all {
		all[i] = f.spec.Steps[i].Name
	}
	if start := f.spec.Start; start == "" {
		f.lacks(specPath.Child("start"), "name the step that comes first")
	} else if f.graph.start < 0 {
		f.wrong(specPath.Child("start"), start, "no step has this name; %s", meant(start, all, todo))
	}
	for _, exits := range f.graph.exits {
		for _, e := range exits {
			if f.steps[e.to] == nil {
				f.wrong(e.at, e.to, "no step has this name; %s", meant(e.to, all, todo))
			}
		}
	}
}

// checkReached refuses steps that are never come to.
func (f *reading) checkReached() {
	if f.graph.start < 0 {
		return // nothing leads anywhere
	}
	by := make([][]string, len(f.graph.steps))
	for i, to := range f.graph.to {
		for _, next := range to {
			if next != i {
				by[next] = append(by[next], string(f.graph.steps[i].Name))
			}
		}
	}
	for i, reached := range f.graph.fromStart(anything) {
		name, path := f.graph.steps[i].Name, stepPath(i).Child("name")
		switch {
		case reached || name == "" || f.steps[name].i != i:
		case len(by[i]) == 0:
			f.wrong(path, name, "nothing leads to this step; name it where a step should lead to it, or take it out")
		default:
			f.wrong(path, name, "only steps that nothing leads to lead to this one: %s", strings.Join(by[i], ", "))
		}
	}
}

// inPrelude reports whether a step is run before a call that comes in is answered.
func inPrelude(s *callfleetv1.FlowStep) bool { return s.Set != nil || s.Branch != nil }

// checkRedirects refuses redirects of calls that were answered already (Graph, "call: redirect").
func (c *compiler) checkRedirects(f *reading) {
	// The steps at which a call is answered, and for each redirect behind one the first of them.
	answering := make([]int, len(f.graph.steps))
	for i, met := range f.graph.fromStart(inPrelude) {
		s := &f.graph.steps[i]
		if !met || inPrelude(s) || len(f.graph.to[i]) == 0 {
			continue
		}
		for j, behind := range f.graph.reach(f.graph.to[i], anything) {
			if behind && f.graph.steps[j].Redirect != nil && answering[j] == 0 {
				answering[j] = i + 1
			}
		}
	}
	for i, by := range answering {
		if by > 0 {
			by := &f.given.Steps[by-1]
			f.wrong(stepPath(i).Child("redirect"), f.graph.steps[i].Name,
				"step %s (%s) answers the call before it is redirected here, and only set and branch may come before a redirect; use a transfer, or redirect first",
				by.Name, does(by))
		}
	}
	for i := range f.graph.steps {
		s := f.graph.steps[i].Subflow
		if s == nil {
			continue
		}
		called := c.reading(s.FlowRef.Name)
		if called == nil {
			continue
		}
		for j, met := range called.graph.fromStart(inPrelude) {
			if to := &called.graph.steps[j]; met && to.Redirect != nil {
				f.wrong(callPath(i), s.FlowRef.Name,
					"the flow redirects the call, by its step %s, and a subflow is run when the call is answered; use a transfer there, or redirect in the flow that begins",
					to.Name)
				break
			}
		}
	}
}
