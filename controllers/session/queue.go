// SPDX-License-Identifier: Apache-2.0

package session

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// queue is who waits for a pod, since when and why: for metrics only, no decision rests on it.
type queue struct {
	mu      sync.Mutex
	waiting map[types.UID]*waiter
}

type waiter struct {
	bot types.NamespacedName
	// since the session was first seen to be due and without pod.
	since  time.Time
	reason string
}

// seen starts a session's wait, if it has not begun.
func (q *queue) seen(uid types.UID, bot types.NamespacedName, now time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == nil {
		q.waiting = map[types.UID]*waiter{}
	}
	if q.waiting[uid] == nil {
		q.waiting[uid] = &waiter{bot: bot, since: now}
	}
}

// track follows every decision, also one that changes nothing: after a restart the queue has to be learned again.
func (q *queue) track(s *subject, d decision, now time.Time) {
	switch {
	case d.verdict == wait && d.phase == v1alpha1.PhaseScheduled, d.verdict == finish, d.verdict == rest:
		q.leave(s.uid())
	case d.verdict == wait, d.verdict == bind:
		due := now
		if s.start != nil && s.start.After(s.object.GetCreationTimestamp().Time) {
			due = s.start.Time
		}
		q.seen(s.uid(), s.bot(), due)
		q.because(s.uid(), d.reason)
	}
}

func (q *queue) because(uid types.UID, reason string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if w := q.waiting[uid]; w != nil {
		w.reason = reason
	}
}

// leave ends the wait and tells when it began.
func (q *queue) leave(uid types.UID) (since time.Time, waited bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := q.waiting[uid]
	if w == nil {
		return time.Time{}, false
	}
	delete(q.waiting, uid)
	return w.since, true
}

// line is a number of sessions that wait for the same thing.
type line struct {
	bot    types.NamespacedName
	reason string
}

func (q *queue) lines() map[line]int {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines := map[line]int{}
	for _, w := range q.waiting {
		if w.reason != "" {
			lines[line{w.bot, w.reason}]++
		}
	}
	return lines
}
