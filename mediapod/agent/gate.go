// SPDX-License-Identifier: Apache-2.0

package agent

import "sync"

// gate puts together what a pod needs before it takes calls: what must be warm, and that far sides reach it.
type gate struct {
	tell func(health)

	mu   sync.Mutex
	warm health
	held *health // nil: nothing else holds the pod back
}

// warmed takes in how warm the pod is.
func (g *gate) warmed(h health) { g.change(func() { g.warm = h }) }

// hold takes in what holds it back besides.
func (g *gate) hold(h *health) { g.change(func() { g.held = h }) }

func (g *gate) change(how func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	how()
	switch {
	case g.warm == (health{}): // nothing is known yet
	case g.warm.ready && g.held != nil:
		g.tell(*g.held)
	default:
		g.tell(g.warm)
	}
}
