// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync"
	"testing"
	"time"
)

// stalls notes when this process did not get the processor. Packets are expected on time, but for what the machine
// itself was late by: tests share it with others.
type stalls struct {
	mu   sync.Mutex
	seen []stall
}

type stall struct {
	end  time.Time
	late time.Duration
}

// watchStalls sleeps over and over, a quarter of a frame each time, until the test ends.
func watchStalls(t testing.TB) *stalls {
	const nap = 5 * time.Millisecond
	s, stop := &stalls{}, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for began := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-time.After(nap):
			}
			now := time.Now()
			if late := now.Sub(began) - nap; late > nap {
				s.mu.Lock()
				s.seen = append(s.seen, stall{now, late})
				s.mu.Unlock()
			}
			began = now
		}
	})
	t.Cleanup(func() { close(stop); watching.Wait() })
	return s
}

// before is how long the process stood still in the second before a moment and the one that has it in it.
func (s *stalls) before(at time.Time) (total time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.seen {
		if at.Sub(x.end) < time.Second && x.end.Add(-x.late).Before(at) {
			total += x.late
		}
	}
	return total
}

// total is how long the process has stood still altogether.
func (s *stalls) total() (total time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.seen {
		total += x.late
	}
	return total
}
