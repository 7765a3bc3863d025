// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"math"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// paused: the user holds the rollout. A bot that is being deleted needs none.
func paused(bot *v1alpha1.CallingBot) bool {
	return bot.Spec.Rollout.Paused && bot.DeletionTimestamp.IsZero()
}

// surgeOf is how many pods a rollout may have beside the wanted ones. What the schema lets through always resolves.
func surgeOf(bot *v1alpha1.CallingBot, wanted int) int {
	surge := bot.Spec.Rollout.MaxSurge
	if surge == nil {
		return max(1, wanted) // 100%
	}
	n, err := intstr.GetScaledValueFromIntOrPercent(surge, wanted, true)
	if err != nil {
		return 1
	}
	return max(1, n)
}

// surgeRoom is how many more pods the rollout may have. Those that it relieved count until they are gone, as they hold
// nodes and ports like any other; those that drain for another reason do not.
func surgeRoom(seen *observation, fleet division, wanted int) int {
	if len(fleet.old)+len(relieved(fleet)) == 0 {
		return math.MaxInt32 // no rollout, no surge
	}
	return wanted + surgeOf(seen.bot, wanted) - len(fleet.serving()) - len(relieved(fleet))
}

// relieved are the pods that the rollout had drain.
func relieved(fleet division) []*v1alpha1.MediaPod {
	var list []*v1alpha1.MediaPod
	for _, pod := range fleet.draining {
		if pod.Spec.Drain != nil && pod.Spec.Drain.Reason == v1alpha1.DrainRollout {
			list = append(list, pod)
		}
	}
	return list
}

// superseded are the old pods whose place a ready current one has taken.
func superseded(seen *observation, fleet division, wanted int, now time.Time) []marking {
	bot := seen.bot
	if wanted == 0 {
		return mark(bot, victims(seen, fleet.old, len(fleet.old)), v1alpha1.DrainScaleIn, now, whyFewer(seen, wanted))
	}
	if paused(bot) {
		return nil
	}
	ready := fleet.ready()
	excess := len(fleet.old) - max(0, wanted-ready)
	why := fmt.Sprintf("%d of %d pods are ready with revision %s", ready, wanted, seen.revision)
	if excess <= 0 && len(fleet.old) > 0 && stuckForPorts(seen, fleet, wanted) {
		// The port range has no room for a new pod beside the old ones: one has to make room.
		excess, why = 1, "no port is free for a pod of revision "+seen.revision
	}
	list := mark(bot, victims(seen, fleet.old, excess), v1alpha1.DrainRollout, now, why)
	for i := range list {
		if list[i].pod.Spec.Revision == seen.revision {
			list[i].why = fmt.Sprintf("its certificate was renewed, and it cannot show the new one; %d of %d pods are ready that do", ready, wanted)
			list[i].drain.Message = list[i].why
		}
	}
	return list
}

// stuckForPorts: a new pod is wanted, no port is free for it, and none is about to be.
func stuckForPorts(seen *observation, fleet division, wanted int) bool {
	return seen.problem == nil && len(fleet.current) < wanted && freePorts(seen) <= 0 && len(fleet.draining) == 0
}

// modelWhilePaused is the pod that new ones are made like: one of the configuration that most of the serving pods have. It
// is nil if that is the present one.
func modelWhilePaused(seen *observation, fleet division) *v1alpha1.MediaPod {
	pods := map[string]int{}
	most := len(fleet.current)
	for _, pod := range fleet.old {
		most += rank(pod.Spec.Revision == seen.revision) // its certificate is what is old
	}
	var model *v1alpha1.MediaPod
	for _, pod := range fleet.old {
		revision := pod.Spec.Revision
		if revision == seen.revision {
			continue
		}
		if pods[revision]++; pods[revision] > most {
			most, model = pods[revision], pod
		}
	}
	return model
}

// deadlineOf is when the calls on a pod that the rollout relieved should be over; zero if they have all the time.
func deadlineOf(bot *v1alpha1.CallingBot, mark *v1alpha1.Drain) time.Time {
	deadline := bot.Spec.Rollout.DrainDeadline.Duration()
	if mark.Reason != v1alpha1.DrainRollout || deadline <= 0 {
		return time.Time{}
	}
	return mark.Since.Add(deadline)
}

// forced: the bot is to be deleted, whatever becomes of its calls.
func forced(bot *v1alpha1.CallingBot) bool {
	return !bot.DeletionTimestamp.IsZero() && bot.Spec.DeletionPolicy == v1alpha1.DeletionForce
}

// hangUpAt is when the pod has to leave its calls, if the bot's user wants that.
func hangUpAt(bot *v1alpha1.CallingBot, mark *v1alpha1.Drain) *metav1.Time {
	if forced(bot) {
		return bot.DeletionTimestamp
	}
	if at := deadlineOf(bot, mark); !at.IsZero() && bot.Spec.Rollout.OnDeadline == v1alpha1.DeadlineHangUp {
		return &metav1.Time{Time: at}
	}
	return nil
}

// remark has the deadline of a pod that drains already follow the bot: who gives calls more time expects none to be cut.
func remark(bot *v1alpha1.CallingBot, pod *v1alpha1.MediaPod) (m marking, changed bool) {
	mark := pod.Spec.Drain.DeepCopy()
	before := mark.HangUpAt
	if mark.HangUpAt = hangUpAt(bot, mark); before.Equal(mark.HangUpAt) {
		return marking{}, false
	}
	why := "its calls have all the time they take"
	switch {
	case forced(bot):
		why = "calls that are left are hung up: the bot is being deleted, and its deletionPolicy is Force"
	case mark.HangUpAt != nil:
		why = fmt.Sprintf("calls that are left are hung up at %s: rollout.drainDeadline is %s", mark.HangUpAt.UTC().Format(time.RFC3339), bot.Spec.Rollout.DrainDeadline)
	}
	return marking{pod: pod, drain: *mark, why: why}, true
}

// nextDeadline is when the next of the deadlines comes that only tell.
func nextDeadline(seen *observation, now time.Time) time.Time {
	var next time.Time
	for i := range seen.pods {
		if mark := seen.pods[i].Spec.Drain; mark != nil {
			if at := deadlineOf(seen.bot, mark); at.After(now) {
				next = soonest.Of(next, at)
			}
		}
	}
	return next
}

// rollout is how far the present configuration has got.
type rollout struct {
	wanted, current, ready int
	// old pods serve, draining ones are left to their calls; calls are those on both.
	old, draining int
	calls         int
	// exhausted: a pod is missing, and has to wait for one to be gone.
	exhausted bool
	// overdue pods have calls beyond the deadline that nobody hangs up.
	overdue int
	paused  bool
	// renewed: of some of them it is the certificate that is old.
	renewed bool
}

func rolloutOf(seen *observation, fleet division, wanted int, now time.Time) rollout {
	r := rollout{wanted: wanted, current: len(fleet.current), ready: countReady(fleet.current), old: len(fleet.old), paused: paused(seen.bot)}
	for _, pod := range fleet.old {
		r.calls += callsOn(pod)
		r.renewed = r.renewed || pod.Spec.Revision == seen.revision
	}
	for _, pod := range fleet.draining {
		if upToDate(seen, pod) {
			continue
		}
		r.draining++
		r.renewed = r.renewed || pod.Spec.Revision == seen.revision
		r.calls += callsOn(pod)
		if mark := pod.Spec.Drain; mark != nil && mark.HangUpAt == nil {
			if at := deadlineOf(seen.bot, mark); !at.IsZero() && !now.Before(at) {
				r.overdue++
			}
		}
	}
	r.exhausted = r.old > 0 && r.current < wanted && surgeRoom(seen, fleet, wanted) <= 0
	return r
}

// callsOn is the number of calls of a pod whose process reports; the counts of one that is gone are its last words.
func callsOn(pod *v1alpha1.MediaPod) int {
	if pod.Status.Agent == nil {
		return 0
	}
	return int(pod.Status.Calls)
}

// complete is the condition RolloutComplete.
func (r rollout) complete() metav1.Condition {
	is := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionRolloutComplete, Status: status, Reason: reason, Message: message}
	}
	earlier := "earlier configurations"
	if r.renewed {
		earlier += " or certificates"
	}
	left := fmt.Sprintf("%s with %s on %s", count(r.old+r.draining, "pod"), count(r.calls, "call"), earlier)
	switch {
	case r.old+r.draining == 0:
		return is(metav1.ConditionTrue, v1alpha1.ReasonRolloutComplete, "every pod has the present configuration")
	case r.paused && r.old > 0:
		return is(metav1.ConditionFalse, v1alpha1.ReasonPaused, left+"; rollout.paused holds the rollout: set it to false to go on")
	case r.overdue > 0:
		return is(metav1.ConditionFalse, v1alpha1.ReasonDrainOverdue, fmt.Sprintf(
			"%s; on %s they go on beyond rollout.drainDeadline: wait for them, or set rollout.onDeadline to HangUp", left, count(r.overdue, "pod")))
	case r.exhausted && r.ready == r.current:
		return is(metav1.ConditionFalse, v1alpha1.ReasonSurgeExhausted, fmt.Sprintf(
			"%s; %d of %d pods have the present one, and rollout.maxSurge allows no more beside them: wait for calls to end, or raise it", left, r.current, r.wanted))
	case r.ready < r.wanted:
		return is(metav1.ConditionFalse, v1alpha1.ReasonRollingOut, fmt.Sprintf(
			"%s; %d of %d pods are ready with the present one", left, r.ready, r.wanted))
	default:
		return is(metav1.ConditionFalse, v1alpha1.ReasonDrainingCalls, left+"; they are deleted when their calls have ended, and nothing needs to be done")
	}
}

// advancing: the rollout is on its way, and not waiting for people to stop talking, or for its user.
func (r rollout) advancing() bool {
	return r.old > 0 && !r.paused && r.ready < r.wanted && !(r.exhausted && r.ready == r.current)
}
