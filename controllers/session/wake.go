// SPDX-License-Identifier: Apache-2.0

package session

import (
	"cmp"
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// wake enqueues the sessions that match.
func (r *Reconciler) wake(ctx context.Context, q workQueue, match func(*subject) bool, options ...client.ListOption) {
	sessions, err := r.list(ctx, options...)
	if err != nil {
		log.FromContext(ctx).Error(err, "sessions that wait were not woken up")
		return
	}
	for _, s := range sessions {
		if match(s) {
			q.Add(s.request())
		}
	}
}

// wakeForSeats enqueues as many of the sessions that wait for seats of the bot as there is room for, the oldest first. With
// a thousand waiting and one seat it wakes up one, not a thousand. One that needs more seats than any pod has free does not
// hold up those behind it that need fewer.
func (r *Reconciler) wakeForSeats(ctx context.Context, bot types.NamespacedName, q workQueue) {
	fleet, err := r.observeFleet(ctx, bot)
	if err != nil {
		log.FromContext(ctx).Error(err, "sessions that wait for a seat were not woken up")
		return
	}
	room := roomOf(fleet)
	if len(room) == 0 {
		return
	}
	sessions, err := r.list(ctx, client.InNamespace(bot.Namespace), client.MatchingFields{indexBot: bot.Name})
	if err != nil {
		log.FromContext(ctx).Error(err, "sessions that wait for a seat were not woken up")
		return
	}
	now := r.Clock.Now()
	for _, s := range inOrder(sessions, func(s *subject) bool { return waitsForSeat(s, now) && !r.ledger.Holds(s.uid()) }) {
		if len(room) == 0 {
			return
		}
		rest, fits := room.take(s)
		if !fits {
			continue
		}
		q.Add(s.request())
		// Who was refused may find the free seat on the very pod that is not asked yet, and must not hold up the next.
		if len(r.refusals.of(s.uid(), now)) == 0 {
			room = rest
		}
	}
}

// room is what pods have free.
type room []podFacts

func roomOf(fleet []podFacts) room {
	var list room
	for _, p := range fleet {
		if p.usable() && p.free() > 0 {
			list = append(list, p)
		}
	}
	return list
}

// take gives what is left once the session has got its seats on the pod where the fewest are left over.
func (r room) take(s *subject) (rest room, fits bool) {
	best := -1
	for i, p := range r {
		if p.free() >= p.seatsFor(s) && (best < 0 || p.free() < r[best].free()) {
			best = i
		}
	}
	if best < 0 {
		return r, false
	}
	rest = slices.Clone(r)
	if rest[best].taken += rest[best].seatsFor(s); rest[best].free() == 0 {
		rest = slices.Delete(rest, best, best+1)
	}
	return rest, true
}

// waitsForSeat reports whether a free seat is what the session lacks.
func waitsForSeat(s *subject, now time.Time) bool {
	if s.orphaned() {
		return !s.bound()
	}
	if s.incoming || s.bound() || s.finished() || s.leaving(now) || !s.started(now) {
		return false
	}
	if c := s.condition(v1alpha1.ConditionAssigned); c != nil && c.Reason == v1alpha1.ReasonAlreadyInMeeting {
		return false
	}
	_, pausing := rejoinAt(s, now)
	return !pausing
}

func inOrder(sessions []*subject, match func(*subject) bool) []*subject {
	var matching []*subject
	for _, s := range sessions {
		if match(s) {
			matching = append(matching, s)
		}
	}
	slices.SortFunc(matching, func(a, b *subject) int {
		at, bt := a.object.GetCreationTimestamp(), b.object.GetCreationTimestamp()
		return cmp.Or(at.Compare(bt.Time), cmp.Compare(a.uid(), b.uid()))
	})
	return matching
}
