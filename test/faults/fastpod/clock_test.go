// SPDX-License-Identifier: Apache-2.0

package main

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestAFastClockIsFastInAllItDoes(t *testing.T) {
	const speed, d = 10, time.Minute
	for name, wait := range map[string]func(*fastClock){
		"After": func(c *fastClock) { <-c.After(d) },
		"Sleep": func(c *fastClock) { c.Sleep(d) },
		"timer": func(c *fastClock) { <-c.NewTimer(d).C() },
		"timer that was set anew": func(c *fastClock) {
			timer := c.NewTimer(time.Hour)
			timer.Reset(d)
			<-timer.C()
		},
		"ticker": func(c *fastClock) { <-c.NewTicker(d).C() },
		"Tick":   func(c *fastClock) { <-c.Tick(d) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newFastClock(speed)
				real, began := time.Now(), c.Now()
				if !began.Equal(real) {
					t.Errorf("it begins at %s, the time is %s", began, real)
				}
				wait(c)
				if took := time.Since(real); took != d/speed {
					t.Errorf("a minute took %s", took)
				}
				if since := c.Since(began); since != d {
					t.Errorf("it says that %s have passed", since)
				}
			})
		})
	}
}
