// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// clock drives everything in the engine that speaks by itself, all in one
// goroutine. While nothing does, it does not tick.
type clock struct {
	mu       sync.Mutex
	speakers map[speaker]struct{}
	wake     chan struct{}
}

// speaker sends what is due, and is finished when it says so.
type speaker interface {
	speak(now time.Time) (finished bool)
}

func newClock() *clock {
	return &clock{speakers: map[speaker]struct{}{}, wake: make(chan struct{}, 1)}
}

func (c *clock) add(s speaker) {
	c.mu.Lock()
	c.speakers[s] = struct{}{}
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// remove returns when the speaker is not being heard any more.
func (c *clock) remove(s speaker) {
	c.mu.Lock()
	delete(c.speakers, s)
	c.mu.Unlock()
}

// run ticks until stop is closed.
func (c *clock) run(stop <-chan struct{}) {
	ticker := time.NewTicker(audio.FrameDuration)
	defer ticker.Stop()
	for {
		if c.idle() {
			ticker.Stop()
			select {
			case <-c.wake:
				ticker.Reset(audio.FrameDuration)
			case <-stop:
				return
			}
		} else {
			select {
			case <-ticker.C:
			case <-stop:
				return
			}
		}
		c.tick(time.Now())
	}
}

func (c *clock) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.speakers) == 0
}

func (c *clock) tick(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.speakers {
		if s.speak(now) {
			delete(c.speakers, s)
		}
	}
}
