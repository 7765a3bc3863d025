// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// packetsASecond tells traffic of packets that come evenly, for a while, and returns how often it changed its mind.
func packetsASecond(t *traffic, now *time.Time, rate int, length time.Duration) (changes int) {
	for end := now.Add(length); now.Before(end); *now = now.Add(time.Second / time.Duration(rate)) {
		was := t.busy
		if t.saw(1, *now); t.busy != was {
			changes++
		}
	}
	return changes
}

func TestPacketsGatherOnlyWhereThereAreMany(t *testing.T) {
	now := time.Unix(0, 0)
	var tr traffic
	tr.saw(0, now)
	for _, step := range []struct {
		calls   int
		busy    bool
		changes int
	}{
		{calls: 1, busy: false},
		{calls: 10, busy: false},
		{calls: 30, busy: false},
		{calls: 50, busy: true, changes: 1},
		{calls: 500, busy: true},
		{calls: 30, busy: true}, // between the two thresholds it stays as it is
		{calls: 10, busy: false, changes: 1},
		{calls: 30, busy: false},
		{calls: 200, busy: true, changes: 1},
	} {
		if changes := packetsASecond(&tr, &now, 50*step.calls, 2*time.Second); tr.busy != step.busy || changes != step.changes {
			t.Errorf("with %d calls busy is %v after %d changes, want %v after %d", step.calls, tr.busy, changes, step.busy, step.changes)
		}
	}
}

func TestABurstIsGatheredAndItsEndSeen(t *testing.T) {
	now := time.Unix(0, 0)
	tr := traffic{began: now}
	if tr.saw(busyFrom, now); !tr.busy {
		t.Error("a burst does not count")
	}
	for range 2 * audio.FrameDuration / tick { // empty ticks
		now = now.Add(tick)
		tr.saw(0, now)
	}
	if tr.busy {
		t.Error("it is still waited for packets that do not come")
	}
}

func TestWhatCameWhileTheProcessStoodStillIsNotMuch(t *testing.T) {
	now := time.Unix(0, 0)
	tr := traffic{began: now}
	if tr.saw(busyFrom, now.Add(time.Second)); tr.busy {
		t.Error("a second's packets were taken for a frame's")
	}
}
