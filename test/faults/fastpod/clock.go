// SPDX-License-Identifier: Apache-2.0

package main

import (
	"time"

	"k8s.io/utils/clock"
)

// fastClock shows the real time when it is made and runs faster from then on. What its channels bring is the real time;
// whoever wants to know asks Now.
type fastClock struct {
	speed float64
	began time.Time
	real  clock.RealClock
}

var _ clock.WithTicker = (*fastClock)(nil)

func newFastClock(speed float64) *fastClock { return &fastClock{speed: speed, began: time.Now()} }

// slow is how long d of this clock takes.
func (c *fastClock) slow(d time.Duration) time.Duration { return time.Duration(float64(d) / c.speed) }

func (c *fastClock) Now() time.Time {
	return c.began.Add(time.Duration(float64(time.Since(c.began)) * c.speed))
}

func (c *fastClock) Since(t time.Time) time.Duration        { return c.Now().Sub(t) }
func (c *fastClock) After(d time.Duration) <-chan time.Time { return c.real.After(c.slow(d)) }
func (c *fastClock) Sleep(d time.Duration)                  { c.real.Sleep(c.slow(d)) }
func (c *fastClock) Tick(d time.Duration) <-chan time.Time  { return c.real.Tick(max(c.slow(d), 1)) }
func (c *fastClock) NewTimer(d time.Duration) clock.Timer {
	return fastTimer{c.real.NewTimer(c.slow(d)), c}
}

func (c *fastClock) NewTicker(d time.Duration) clock.Ticker {
	return c.real.NewTicker(max(c.slow(d), 1))
}

type fastTimer struct {
	clock.Timer
	clock *fastClock
}

func (t fastTimer) Reset(d time.Duration) bool { return t.Timer.Reset(t.clock.slow(d)) }
