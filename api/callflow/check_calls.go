// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"
	"strings"
)

// MaxDepth is how many subflows may be under way in a call, each called by the one before.
const MaxDepth = 8

// checkCalls refuses flows that call themselves, and too many inside one another.
func (c *compiler) checkCalls(f *reading) {
	for i := range f.spec.Steps {
		s := &f.spec.Steps[i]
		if s.Subflow == nil || s.Subflow.FlowRef.Name == "" {
			continue
		}
		name := s.Subflow.FlowRef.Name
		if chain := c.chain(name, f.name); chain != nil {
			if f.calledAt != nil && slices.Contains(chain, c.program.root) {
				continue // the same circle, told there
			}
			f.wrong(callPath(i), name, "the flow calls itself (%s), and would never come to an end; lead back to a step instead",
				strings.Join(append([]string{f.name}, chain...), " → "))
			continue
		}
		if f.calledAt != nil {
			continue
		}
		if chain := append([]string{f.name}, c.deepest(name, map[string][]string{})...); len(chain)-1 > MaxDepth {
			f.wrong(callPath(i), name, "%d subflows would be inside one another (%s), and %d may be; make one of some",
				len(chain)-1, strings.Join(chain, " → "), MaxDepth)
		}
	}
}

// calls are the flows that a flow calls, as far as they are there.
func (c *compiler) calls(name string) []string {
	f := c.program.flows[name]
	if f == nil {
		return nil
	}
	var all []string
	for i := range f.spec.Steps {
		if s := f.spec.Steps[i].Subflow; s != nil && s.FlowRef.Name != "" && !slices.Contains(all, s.FlowRef.Name) {
			all = append(all, s.FlowRef.Name)
		}
	}
	return all
}

// chain is the shortest way from a flow to another by calls, both included; nil if there is none.
func (c *compiler) chain(from, to string) []string {
	by := map[string]string{from: ""}
	for ahead := []string{from}; len(ahead) > 0; ahead = ahead[1:] {
		if ahead[0] == to {
			var chain []string
			for at := to; at != ""; at = by[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return chain
		}
		for _, next := range c.calls(ahead[0]) {
			if _, met := by[next]; !met {
				by[next] = ahead[0]
				ahead = append(ahead, next)
			}
		}
	}
	return nil
}

// deepest is the longest chain of calls that begins with a flow. Those that were looked at before are in known; a flow that is being
// looked at is not gone into again.
func (c *compiler) deepest(name string, known map[string][]string) []string {
	if chain, ok := known[name]; ok {
		return chain
	}
	known[name] = nil
	var longest []string
	for _, next := range c.calls(name) {
		if chain := c.deepest(next, known); len(chain) > len(longest) {
			longest = chain
		}
	}
	known[name] = append([]string{name}, longest...)
	return known[name]
}
