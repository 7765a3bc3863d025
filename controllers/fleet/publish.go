// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// publish writes what is so, if it is not what was written last: one write a pass, or none.
func (r *Reconciler) publish(ctx context.Context, seen *observation) error {
	before := seen.bot.DeepCopy()
	status := statusOf(seen, r.Clock.Now())
	measure(seen.bot, &status)
	if apiequality.Semantic.DeepEqual(before.Status, status) {
		return nil
	}
	after := seen.bot.DeepCopy()
	after.Status = status
	err := r.Client.Status().Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	if now := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionStalled); err == nil && now != nil {
		if was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionStalled); was == nil || was.Reason != now.Reason {
			r.record(seen.bot, stalled(now.Reason, now.Message))
		}
	}
	return nil
}

// statusOf computes the whole status from what was seen and done.
func statusOf(seen *observation, now time.Time) v1alpha1.CallingBotStatus {
	bot := seen.bot
	fleet := divide(seen)
	serving := slices.Concat(fleet.current, fleet.old)
	status := v1alpha1.CallingBotStatus{
		ObservedGeneration: bot.Generation,
		Replicas:           int32(len(serving)),
		ReadyReplicas:      int32(countReady(serving)),
		DrainingReplicas:   int32(len(fleet.draining)),

		UnavailableReplicas: int32(len(fleet.away)),
		Selector:            selectorOf(bot),
	}
	for _, pod := range serving {
		// The counts of a process that is gone are its last words, not seats.
		if pod.Status.Agent != nil {
			status.Seats.Capacity += pod.Status.Seats.Capacity
			status.Seats.Used += pod.Status.Seats.Used
			status.Seats.Reserved += pod.Status.Seats.Reserved
			status.Seats.Free += pod.Status.Seats.Free
		}
	}
	for i := range seen.pods {
		if seen.pods[i].Status.Agent != nil {
			status.Calls += seen.pods[i].Status.Calls
		}
	}
	wanted := wantedPods(seen)
	status.DesiredReplicas = int32(wanted)
	if seen.scaling != nil {
		status.Autoscaling = &seen.scaling.status
	}
	progress := rolloutOf(seen, fleet, wanted, now)
	status.Rollout = v1alpha1.RolloutStatus{
		Revision: seen.revision, UpdatedReplicas: int32(progress.current),
		OldPods: int32(progress.old + progress.draining), OldCalls: int32(progress.calls),
	}
	status.Conditions = settle(bot.Status.Conditions, append(judge(facts{
		wanted:    wanted,
		ready:     countReady(serving),
		rollout:   progress,
		draining:  len(fleet.draining),
		deleting:  !bot.DeletionTimestamp.IsZero(),
		problem:   problemOf(seen, wanted),
		complaint: mostTelling(serving),
	}), append(append(scalingConditions(seen), flowsCondition(seen.flows)...), progress.complete())...), bot.Generation, now)
	return status
}

// problemOf adds what can be seen without reading anything to the problems found.
func problemOf(seen *observation, wanted int) *problem {
	if seen.problem != nil {
		return seen.problem
	}
	if ports, limited := portsOf(seen.bot); limited && ports < wanted {
		return &problem{v1alpha1.ReasonPortsExhausted, fmt.Sprintf(
			"%s wanted, and spec.media.endpoint.ports has %s, one for each; widen the range or lower spec.replicas", count(wanted, "pod"), count(ports, "port"))}
	}
	return nil
}

// selectorOf matches the serving Pods. Draining ones are left out, or an autoscaler would take them for idle and shrink
// the fleet again.
func selectorOf(bot *v1alpha1.CallingBot) string {
	return v1alpha1.LabelBot + "=" + bot.Name + "," + v1alpha1.LabelState + "=" + v1alpha1.LabelStateServing
}
