// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// reservesAtOnce bounds the writes of a pass: with a calendar of thousands of sessions the fleet has other things to do too.
const reservesAtOnce = 50

// prospect is what a session that is ahead can count on.
type prospect struct {
	session *v1alpha1.MeetingSession
	c       metav1.Condition
}

// prospects says of each session whose startTime is ahead whether there will be seats for it in time. Nobody locks them: calls
// that nobody announced may take them, which is what freeSeats are for.
func prospects(seen *observation, now time.Time) []prospect {
	if !seen.bot.DeletionTimestamp.IsZero() {
		return nil
	}
	most := wantedPods(seen)
	if autoscaled(seen.bot) {
		most = int(seen.bot.Spec.Autoscaling.Max)
	}
	if ports, limited := portsOf(seen.bot); limited {
		most = min(most, ports)
	}
	start := podStart(seen)
	lead := leadTime(seen.bot.Spec.Autoscaling, start)
	fleet := divide(seen)
	var busy, ready int32
	for _, pod := range fleet.serving() {
		busy += busySeats(seen, pod)
		if isReady(pod) {
			ready += pod.Spec.Capacity.Seats
		}
	}
	// Seats of pods that start, and when they should be there.
	startingBy := func(at time.Time) (seats int32) {
		for _, pod := range fleet.serving() {
			if !isReady(pod) && !pod.CreationTimestamp.Add(start).After(at) {
				seats += pod.Spec.Capacity.Seats
			}
		}
		return seats
	}
	total := int32(most) * seen.bot.Spec.Capacity.Seats

	var list []prospect
	for _, d := range seen.ahead {
		if !d.start.After(now) {
			continue
		}
		needed := busy - ended(seen.bounded, d.start) + neededAt(seen.ahead, d.start)
		say := func(status metav1.ConditionStatus, reason, message string) {
			list = append(list, prospect{d.session, metav1.Condition{
				Type: v1alpha1.ConditionCapacityReserved, Status: status, Reason: reason, Message: message, ObservedGeneration: d.session.Generation,
			}})
		}
		switch {
		case needed > total:
			say(metav1.ConditionFalse, v1alpha1.ReasonFleetTooSmall, fmt.Sprintf(
				"at startTime %d seats are needed, and %s of CallingBot %s can be counted on for %d; raise autoscaling.max, replicas or capacity.seats, or the session may have to wait",
				needed, count(most, "pod"), seen.bot.Name, total))
		case d.start.After(now.Add(lead)):
			say(metav1.ConditionTrue, v1alpha1.ReasonPlanned, "the fleet may have as many pods as are needed at startTime, and will start them before")
		case needed <= ready:
			say(metav1.ConditionTrue, v1alpha1.ReasonSeatsReady, "the pods that are needed at startTime are ready")
		case needed <= ready+startingBy(d.start):
			say(metav1.ConditionTrue, v1alpha1.ReasonPodsStarting, "the pods that are needed at startTime start, and will be ready by then if they take no longer than others did")
		default:
			say(metav1.ConditionFalse, v1alpha1.ReasonPodsLate, fmt.Sprintf(
				"the pods that are needed at startTime will not be ready by then: pods of CallingBot %s take about %s to start; the bot may join late. Keep more autoscaling.freeSeats, or make the session earlier",
				seen.bot.Name, start))
		}
	}
	return list
}

// neededAt is how many seats sessions need at a time.
func neededAt(list []demand, when time.Time) (seats int32) {
	for _, d := range list {
		if !d.start.After(when) && (d.end.IsZero() || d.end.After(when)) {
			seats += d.seats
		}
	}
	return seats
}

// ended are the seats of sessions that are over by then, because their endTime has come.
func ended(list []demand, when time.Time) (seats int32) {
	for _, d := range list {
		if !d.end.IsZero() && !d.end.After(when) {
			seats += d.seats
		}
	}
	return seats
}

// reserve tells the sessions what they can count on, those that begin next first. more is set if some are left for the next
// pass.
func (r *Reconciler) reserve(ctx context.Context, seen *observation) (more bool, err error) {
	list := slices.DeleteFunc(prospects(seen, r.Clock.Now()), func(p prospect) bool { return told(p) })
	slices.SortFunc(list, func(a, b prospect) int {
		return cmp.Or(a.session.Spec.StartTime.Compare(b.session.Spec.StartTime.Time), cmp.Compare(a.session.Name, b.session.Name))
	})
	var failures []error
	for _, p := range list[:min(len(list), reservesAtOnce)] {
		// The list is the cache's own.
		before, after := p.session, p.session.DeepCopy()
		p.c.LastTransitionTime = metav1.NewTime(r.Clock.Now()).Rfc3339Copy()
		meta.SetStatusCondition(&after.Status.Conditions, p.c)
		err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
		if client.IgnoreNotFound(err) != nil && !apierrors.IsConflict(err) { // what met another writer is looked at with what that one wrote
			failures = append(failures, fmt.Errorf("telling session %s of its seats: %w", p.session.Name, err))
		}
	}
	return len(list) > reservesAtOnce, errors.Join(failures...)
}

// told: the session knows. The numbers of a bad prospect change with every call, and are not told again for that.
func told(p prospect) bool {
	c := meta.FindStatusCondition(p.session.Status.Conditions, v1alpha1.ConditionCapacityReserved)
	return c != nil && c.Status == p.c.Status && c.Reason == p.c.Reason
}
