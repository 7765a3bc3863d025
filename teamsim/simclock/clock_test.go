// SPDX-License-Identifier: Apache-2.0

package simclock

import (
	"testing"
	"time"
)

func TestSpeedMovesRunningTimers(t *testing.T) {
	c := New()
	fired := make(chan struct{})
	c.AfterFunc(45*time.Minute, func() { close(fired) })
	if err := c.SetSpeed(100_000); err != nil {
		t.Fatal(err)
	}
	select {
	case <-fired:
	case <-time.After(5 * time.Second):
		t.Fatal("45 minutes at a speed of 100000 should pass in 27 ms")
	}
}

func TestResetPostponesAndStopCancels(t *testing.T) {
	c := New()
	postponed := c.AfterFunc(20*time.Millisecond, func() { t.Error("a postponed timer fired at its old time") })
	if !postponed.Reset(time.Hour) {
		t.Fatal("a pending timer refused to be postponed")
	}
	stopped := c.AfterFunc(20*time.Millisecond, func() { t.Error("a stopped timer fired") })
	if !stopped.Stop() || stopped.Stop() {
		t.Fatal("Stop must report true once")
	}
	done := make(chan struct{})
	last := c.AfterFunc(60*time.Millisecond, func() { close(done) })
	<-done
	if last.Reset(time.Hour) {
		t.Fatal("a fired timer came back to life")
	}
}

func TestNowAdvancesWithSpeedAndNeverJumps(t *testing.T) {
	c := New()
	before := c.Now()
	if err := c.SetSpeed(3600); err != nil {
		t.Fatal(err)
	}
	if jump := c.Now().Sub(before); jump > time.Hour {
		t.Fatalf("setting the speed moved the clock by %v", jump)
	}
	if c.SetSpeed(0) == nil || c.SetSpeed(-1) == nil {
		t.Fatal("a clock must not stand still or run backwards")
	}
}
