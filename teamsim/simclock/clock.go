// SPDX-License-Identifier: Apache-2.0

// Package simclock is a clock whose speed can be changed while it runs. The service's long deadlines
// (45 minutes between keepAlives, half an hour in the lobby) are kept on it, so that a test can live
// through them in milliseconds. Media and HTTP always run on real time.
package simclock

import (
	"fmt"
	"sync"
	"time"
)

// Clock is a wall clock with a speed. The zero value is not usable; call New.
type Clock struct {
	mu     sync.Mutex
	speed  float64
	real   time.Time // when speed was last set
	sim    time.Time // what the clock showed then
	timers map[*Timer]struct{}
}

// New returns a clock that shows the real time and runs at real speed.
func New() *Clock {
	now := time.Now()
	return &Clock{speed: 1, real: now, sim: now, timers: map[*Timer]struct{}{}}
}

// Now is the simulated time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	return c.sim.Add(time.Duration(float64(time.Since(c.real)) * c.speed))
}

// Speed is the number of simulated seconds in a real one.
func (c *Clock) Speed() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.speed
}

// SetSpeed changes the speed from now on; running timers follow.
func (c *Clock) SetSpeed(speed float64) error {
	if !(speed > 0 && speed <= 1e6) {
		return fmt.Errorf("clock speed %v is out of range: it must be above 0 and at most 1000000", speed)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sim, c.real, c.speed = c.now(), time.Now(), speed
	for t := range c.timers {
		t.arm()
	}
	return nil
}

// AfterFunc runs f in its own goroutine once d has passed on this clock.
func (c *Clock) AfterFunc(d time.Duration, f func()) *Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &Timer{clock: c, f: f, due: c.now().Add(d)}
	c.timers[t] = struct{}{}
	t.arm()
	return t
}

// Timer is one pending AfterFunc.
type Timer struct {
	clock *Clock
	f     func()
	due   time.Time
	real  *time.Timer
}

// arm starts the real timer anew; the caller holds the clock's lock.
func (t *Timer) arm() {
	if t.real != nil {
		t.real.Stop()
	}
	wait := time.Duration(float64(t.due.Sub(t.clock.now())) / t.clock.speed)
	t.real = time.AfterFunc(max(wait, 0), t.fire)
}

func (t *Timer) fire() {
	c := t.clock
	c.mu.Lock()
	if _, pending := c.timers[t]; !pending {
		c.mu.Unlock()
		return
	}
	// A real timer armed before the last Reset or SetSpeed may still fire once; the clock decides.
	if t.due.Sub(c.now()) > time.Millisecond {
		t.arm()
		c.mu.Unlock()
		return
	}
	delete(c.timers, t)
	c.mu.Unlock()
	t.f()
}

// Stop cancels the timer and reports whether that kept it from firing.
func (t *Timer) Stop() bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	_, pending := c.timers[t]
	delete(c.timers, t)
	t.real.Stop()
	return pending
}

// Reset makes a pending timer due d from now. It reports false, and does nothing, when the timer has
// fired or was stopped: a deadline that has passed stays passed.
func (t *Timer) Reset(d time.Duration) bool {
	c := t.clock
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, pending := c.timers[t]; !pending {
		return false
	}
	t.due = c.now().Add(d)
	t.arm()
	return true
}
