// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

const (
	// tick is how long packets are left to gather while there are many: each waits half of it on average, once on its
	// way in and once on its way out, which is little beside the 20 ms that a packet holds.
	tick = time.Millisecond
	// busyFrom is the number of packets in a frame's time, and so about that of calls, from which it pays to let them
	// gather: two a tick. Below, a packet is read as it comes and written at once.
	busyFrom = 40
	// busyUntil is lower, so that there is no coming and going at the edge.
	busyUntil = busyFrom / 2
)

// traffic judges whether there is much of it.
type traffic struct {
	busy   bool
	began  time.Time // of the window that is counted in
	counts int
}

// saw counts packets that were read. It judges when there are enough of them, or when a frame's time is over.
func (t *traffic) saw(n int, now time.Time) {
	t.counts += n
	over := now.Sub(t.began) >= audio.FrameDuration
	switch {
	case !t.busy && t.counts >= busyFrom && !over:
		t.busy = true
	case !over:
		return
	case t.busy:
		// A window may have taken longer, the process having stood still; what came meanwhile is then in the next one.
		t.busy = t.counts >= busyUntil
	}
	t.began, t.counts = now, 0
}
