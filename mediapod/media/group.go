// SPDX-License-Identifier: Apache-2.0

package media

import "sync"

// group waits for goroutines of which new ones may start while it waits, which a
// WaitGroup at zero does not allow.
type group struct {
	mu sync.Mutex
	n  int
	c  *sync.Cond
}

// Go runs f.
func (g *group) Go(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.c == nil {
		g.c = sync.NewCond(&g.mu)
	}
	g.n++
	go func() {
		defer func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.n--
			g.c.Broadcast()
		}()
		f()
	}()
}

// Wait waits until none runs.
func (g *group) Wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.n > 0 {
		g.c.Wait()
	}
}
