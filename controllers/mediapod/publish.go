// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"
	"strings"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// publish writes the status, if it changed. The lock matters twice: conditions are a list, which a merge patch replaces
// as a whole, and the agent writes the same status.
func (r *Reconciler) publish(ctx context.Context, f facts, p plan) error {
	before := f.mediaPod
	after := before.DeepCopy()
	after.Status = statusOf(f, p)
	if apiequality.Semantic.DeepEqual(before.Status, after.Status) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Status().Patch(ctx, after, patch, FieldOwner); err != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	if before.Status.Agent != nil && after.Status.Agent == nil {
		processesLost.WithLabelValues(before.Namespace, before.Spec.BotRef.Name).Inc()
	}
	for _, e := range turns(&before.Status, &after.Status, p) {
		r.emit(before, e)
	}
	return nil
}

// turns are the events of a change of status. They are told after the write that recorded the change, and so once.
func turns(before, after *v1alpha1.MediaPodStatus, p plan) []event {
	var list []event
	if before.Agent != nil && after.Agent == nil {
		list = append(list, processLost(p))
		if waiting := after.PendingUploads; after.PodUID != before.PodUID && waiting != nil && waiting.Recordings > 0 {
			list = append(list, recordingsLost(fmt.Sprintf("the Pod went with %d recordings that were not stored, which are lost unless /recordings is a volume that outlives it: %s",
				waiting.Recordings, strings.Join(waiting.Names, ", "))))
		}
	}
	if is := meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionStalled); is != nil {
		was := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionStalled)
		if was == nil || was.Reason != is.Reason {
			list = append(list, stalled(is.Reason, is.Message))
		}
	}
	if meta.IsStatusConditionTrue(after.Conditions, v1alpha1.ConditionReady) && !meta.IsStatusConditionTrue(before.Conditions, v1alpha1.ConditionReady) {
		list = append(list, becameReady())
	}
	return list
}
