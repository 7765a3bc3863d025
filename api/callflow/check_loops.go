// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// checkLoops refuses ways that lead round and round without anything that takes time with the caller: a call would be busy with itself.
func (c *compiler) checkLoops(f *reading) {
	silent := func(s *callfleetv1.FlowStep) bool { return c.silent(s) }
	told := make([]bool, len(f.graph.steps))
	for i := range f.graph.steps {
		if told[i] || !silent(&f.graph.steps[i]) {
			continue
		}
		circle := f.graph.circle(i, silent)
		if circle == nil {
			continue
		}
		names := make([]string, len(circle))
		for j, at := range circle {
			names[j] = string(f.graph.steps[at].Name)
		}
		f.wrong(stepPath(i), f.graph.steps[i].Name,
			"%s goes round without ever waiting for the caller; put a step with a prompt, a menu, collect or hold between, or lead out of it",
			strings.Join(names, " → "))
		// What goes round with it is the same mistake.
		for j, reached := range f.graph.reach([]int{i}, silent) {
			told[j] = told[j] || reached && f.graph.reach([]int{j}, silent)[i]
		}
	}
}

// silent reports whether a step may be over at once, whatever the caller does.
func (c *compiler) silent(s *callfleetv1.FlowStep) bool {
	switch {
	case s.Set != nil, s.Branch != nil, s.Mute != nil, s.Webhook != nil:
		return true
	case s.Subflow != nil:
		return c.silentFlow(s.Subflow.FlowRef.Name)
	}
	return false
}

// silentFlow reports whether a flow may return at once. One that is not there is taken to wait; so is one that calls itself, which is
// a mistake of its own.
func (c *compiler) silentFlow(name string) bool {
	f := c.reading(name)
	if f == nil {
		return false
	}
	if f.silent == nil {
		f.silent = new(bool)
		for i, reached := range f.graph.fromStart(c.silent) {
			*f.silent = *f.silent || reached && f.graph.steps[i].Return != nil
		}
	}
	return *f.silent
}
