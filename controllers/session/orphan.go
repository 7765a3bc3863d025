// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// serviceForgets is how long the service keeps a call of whose bot it hears nothing (Graph, "call: keepAlive").
const serviceForgets = 45 * time.Minute

// handOver looks for a pod that takes over a call which goes on without a process. It is no new attempt, and the call stays
// in the status: the pod that is bound adopts it. Somebody who wants to leave the call needs that pod too, to hang up.
func handOver(s *subject, f facts, now time.Time, refused *refusal, why string) decision {
	d := seek(s, f, refused)
	waits := &d
	if d.orElse != nil {
		waits = d.orElse
	}
	since, begun := orphanedSince(s)
	if !begun {
		since = now
	}
	waits.phase, waits.reason = s.status.Phase, v1alpha1.ReasonAdopting
	waits.message = "the process that held the call is gone; the call goes on, and a media pod with a free seat will take it over. " + waits.message
	waits.next = soonest.Of(waits.next, since.Add(serviceForgets))
	d.handOver, waits.handOver = why, why
	return d
}

// orphan: the call goes on, and nobody holds it.
func orphan(s *subject, f facts, now time.Time) decision {
	since, begun := orphanedSince(s)
	switch {
	case !begun:
		// Its process has let go of it, because it was told to stop.
		return handOver(s, f, now, letGo(s, now), fmt.Sprintf("media pod %s let go of the call", s.status.MediaPod))
	case !now.Before(since.Add(serviceForgets)):
		return conclude(s, lost(fmt.Sprintf("no media pod took the call over within %s of the loss of its own, and so long the service keeps it", serviceForgets)), now)
	case s.bound():
		no, deadline := refusedBy(s, f, now)
		if no != nil {
			return handOver(s, f, now, no, "")
		}
		return decision{verdict: keep, next: deadline}
	case !f.bot.exists:
		return conclude(s, lost("the media pod that held the call is gone, and with the CallingBot everybody who could take it over"), now)
	default:
		return handOver(s, f, now, nil, "")
	}
}

// letGo keeps a call from going back to the pod that has just let go of it.
func letGo(s *subject, now time.Time) *refusal {
	if !s.bound() {
		return nil
	}
	return &refusal{pod: s.binding().Pod, message: "it let go of the call", until: now.Add(refusalLasts)}
}

// orphanedSince tells when the controller took the call from its process; not begun if a process has held it since.
func orphanedSince(s *subject) (since time.Time, begun bool) {
	for i := len(s.status.Timeline) - 1; i >= 0; i-- {
		switch e := s.status.Timeline[i]; e.Event {
		case eventAdopting:
			return e.Time.Time, true
		case eventAdopted:
			return time.Time{}, false
		}
	}
	return time.Time{}, false
}
