// SPDX-License-Identifier: Apache-2.0

package media

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// slots is how many moments of a frame's time calls are spread over, so that not all are ticked at once: 1 ms apart.
const slots = 20

// clock drives all calls that need the samples of what they hear or say. It has a shard for each processor, and a
// shard one goroutine: what a tick touches is touched by one goroutine. A shard with no calls does not tick.
type clock struct {
	shards []*shard
	next   atomic.Uint32
}

// ticked is called once a frame's time, a little late at times, and is finished when it says so.
type ticked interface {
	tick(now time.Time) (finished bool)
}

func newClock() *clock {
	c := &clock{}
	for range runtime.GOMAXPROCS(0) {
		c.shards = append(c.shards, &shard{wake: make(chan struct{}, 1)})
	}
	return c
}

// run ticks until stop is closed.
func (c *clock) run(stop <-chan struct{}) {
	var running sync.WaitGroup
	for _, s := range c.shards {
		running.Go(func() { s.run(stop) })
	}
	running.Wait()
}

// seat gives a call its shard and slot, where it is ticked when it needs to be.
func (c *clock) seat(t ticked) *seat {
	n := c.next.Add(1)
	shard := c.shards[int(n)%len(c.shards)]
	return &seat{shard: shard, slot: int(n) / len(c.shards) % slots, ticked: t}
}

// lag is the longest that a shard was late since it was asked last.
func (c *clock) lag() (longest time.Duration) {
	for _, s := range c.shards {
		longest = max(longest, time.Duration(s.late.Swap(0)))
	}
	return longest
}

// seat is a call's place on the clock.
type seat struct {
	shard  *shard
	slot   int
	ticked ticked
	taken  bool // guarded by the shard's mutex
}

// shard is what one goroutine ticks.
type shard struct {
	late atomic.Int64 // ns, the longest since it was asked

	mu    sync.Mutex
	calls [slots][]*seat
	count int
	wake  chan struct{}
}

// start has the call ticked from now on.
func (p *seat) start() {
	s := p.shard
	s.mu.Lock()
	if !p.taken {
		p.taken = true
		s.calls[p.slot] = append(s.calls[p.slot], p)
		s.count++
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// stop returns when the call is not ticked any more.
func (p *seat) stop() {
	s := p.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if !p.taken {
		return
	}
	p.taken = false
	s.count--
	list := s.calls[p.slot]
	for i := range list {
		if list[i] == p {
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			s.calls[p.slot] = list[:len(list)-1]
			return
		}
	}
}

// pass returns when a tick that is under way is over.
func (p *seat) pass() {
	p.shard.mu.Lock()
	defer p.shard.mu.Unlock()
}

func (s *shard) run(stop <-chan struct{}) {
	const step = audio.FrameDuration / slots
	timer := time.NewTimer(0)
	defer timer.Stop()
	next := time.Now()
	for slot := 0; ; slot = (slot + 1) % slots {
		if s.idle() {
			select {
			case <-s.wake:
				next = time.Now()
			case <-stop:
				return
			}
		}
		// Slots with nobody in them are not waited for.
		for n := 0; n < slots && s.empty(slot); n++ {
			slot, next = (slot+1)%slots, next.Add(step)
		}
		timer.Reset(time.Until(next))
		select {
		case <-timer.C:
		case <-stop:
			return
		}
		now := time.Now()
		s.tick(slot, now)
		if late := int64(now.Sub(next)); late > s.late.Load() {
			s.late.Store(late)
		}
		// A shard that fell behind ticks on from now: calls make up for what is due to them by themselves.
		if next = next.Add(step); now.Sub(next) > audio.FrameDuration {
			next = now
		}
	}
}

func (s *shard) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count == 0
}

func (s *shard) empty(slot int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls[slot]) == 0
}

func (s *shard) tick(slot int, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.calls[slot]
	for i := 0; i < len(list); {
		if p := list[i]; p.ticked.tick(now) {
			p.taken = false
			s.count--
			list[i] = list[len(list)-1]
			list[len(list)-1] = nil
			list = list[:len(list)-1]
		} else {
			i++
		}
	}
	s.calls[slot] = list
}
