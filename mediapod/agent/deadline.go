// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// hangUpAt is when the calls that are left have to be over, because the bot's user set an end to draining; zero for never.
// The caller holds a.mu.
func (a *Agent) hangUpAt() time.Time {
	if a.pod == nil || a.pod.Spec.Drain == nil || a.pod.Spec.Drain.HangUpAt == nil {
		return time.Time{}
	}
	return a.pod.Spec.Drain.HangUpAt.Time
}

// overdue: that time has come. The caller holds a.mu.
func (a *Agent) overdue() bool {
	at := a.hangUpAt()
	return !at.IsZero() && !a.clock.Now().Before(at)
}

// watchDeadline leaves the calls that are left when draining has to end, until ctx is done. The time may be set, moved and
// taken away while it is waited for, and no API server is needed when it comes.
func (a *Agent) watchDeadline(ctx context.Context) {
	for {
		a.mu.Lock()
		at, due := a.hangUpAt(), a.overdue()
		if due {
			for _, r := range a.runners {
				r.makeRoom()
			}
		}
		a.mu.Unlock()
		var comes <-chan time.Time
		if !due && !at.IsZero() {
			comes = a.clock.After(at.Sub(a.clock.Now()))
		}
		select {
		case <-ctx.Done():
			return
		case <-a.deadlineWake:
		case <-comes:
		}
	}
}

// makeRoom ends the call here: one that can go on in another process is handed on, and the bot leaves the others.
func (r *runner) makeRoom() {
	if r.hosting == callfleetv1.HostingService {
		r.release()
		return
	}
	r.leaveFor(callfleetv1.EndDrainDeadlineReached)
	r.poke()
}
