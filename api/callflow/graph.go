// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// graph is how the steps of a flow lead to one another. Steps are known by their places in the flow.
type graph struct {
	steps []callfleetv1.FlowStep
	exits [][]exit
	// to are the steps that one leads to, each once. Exits to steps that there are not are left out.
	to    [][]int
	start int // -1 if there is no such step
}

// newGraph is the graph of a flow whose steps have been indexed.
func newGraph(f *flow) *graph {
	steps := f.spec.Steps
	g := &graph{steps: steps, exits: make([][]exit, len(steps)), to: make([][]int, len(steps)), start: -1}
	for i := range steps {
		g.exits[i] = exits(&steps[i], stepPath(i))
		for _, e := range g.exits[i] {
			if s := f.steps[e.to]; s != nil && !slices.Contains(g.to[i], s.i) {
				g.to[i] = append(g.to[i], s.i)
			}
		}
	}
	if s := f.steps[f.spec.Start]; s != nil {
		g.start = s.i
	}
	return g
}

// reach tells which steps are come to from some, these included. Behind those that may not be passed it does not look.
func (g *graph) reach(from []int, pass func(*callfleetv1.FlowStep) bool) []bool {
	reached := make([]bool, len(g.steps))
	for ahead := slices.Clone(from); len(ahead) > 0; {
		i := ahead[len(ahead)-1]
		ahead = ahead[:len(ahead)-1]
		if reached[i] {
			continue
		}
		reached[i] = true
		if pass(&g.steps[i]) {
			ahead = append(ahead, g.to[i]...)
		}
	}
	return reached
}

// fromStart is reach from where the flow begins.
func (g *graph) fromStart(pass func(*callfleetv1.FlowStep) bool) []bool {
	if g.start < 0 {
		return make([]bool, len(g.steps))
	}
	return g.reach([]int{g.start}, pass)
}

// circle is the shortest way from a step back to itself over steps that may be passed; nil if there is none.
func (g *graph) circle(from int, pass func(*callfleetv1.FlowStep) bool) []int {
	by := make([]int, len(g.steps)) // 1 more than the step before; 0: not met
	for ahead := []int{from}; len(ahead) > 0; ahead = ahead[1:] {
		for _, next := range g.to[ahead[0]] {
			if next == from {
				way := []int{from}
				for at := ahead[0]; at != from; at = by[at] - 1 {
					way = append(way, at)
				}
				way = append(way, from)
				slices.Reverse(way)
				return way
			}
			if by[next] == 0 && pass(&g.steps[next]) {
				by[next] = ahead[0] + 1
				ahead = append(ahead, next)
			}
		}
	}
	return nil
}

// anything may be passed.
func anything(*callfleetv1.FlowStep) bool { return true }
