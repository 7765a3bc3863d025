// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// publish writes what is so, if it is not what was written last: one write a pass, or none. What is wrong is told once.
func (r *Reconciler) publish(ctx context.Context, flow *v1alpha1.CallFlow, seen *observation, judged verdict) error {
	after := flow.DeepCopy()
	after.Status = statusOf(flow, seen, judged, metav1.NewTime(r.Clock.Now()).Rfc3339Copy())
	if apiequality.Semantic.DeepEqual(flow.Status, after.Status) {
		return nil
	}
	err := r.client.Status().Patch(ctx, after, client.MergeFromWithOptions(flow, client.MergeFromWithOptimisticLock{}), fieldOwner)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status: %w", err)
	}
	was := meta.FindStatusCondition(flow.Status.Conditions, v1alpha1.ConditionValid)
	if err == nil && !judged.valid() && (was == nil || was.Reason != judged.reason || was.Message != judged.message) {
		r.recorder.Eventf(flow, nil, corev1.EventTypeWarning, judged.reason, "Judge", "%s", shorten.Bytes(judged.message, shorten.Note))
	}
	return nil
}

// published tells of a new version.
func (r *Reconciler) published(flow *v1alpha1.CallFlow, v verdict) {
	r.recorder.Eventf(flow, nil, corev1.EventTypeNormal, "RevisionPublished", "Publish", "%s", v.message)
}

// statusOf computes the whole status.
func statusOf(flow *v1alpha1.CallFlow, seen *observation, judged verdict, now metav1.Time) v1alpha1.CallFlowStatus {
	status := v1alpha1.CallFlowStatus{
		ObservedGeneration: flow.Generation,
		Revision:           flow.Status.Revision,
		PromptsDigest:      judged.digest,
		UsedBy:             seen.usedBy,
		Conditions:         slices.Clone(flow.Status.Conditions),
	}
	valid := metav1.Condition{
		Type: v1alpha1.ConditionValid, Status: metav1.ConditionFalse, Reason: judged.reason, Message: judged.message,
		ObservedGeneration: flow.Generation, LastTransitionTime: now,
	}
	if judged.valid() {
		status.Revision, valid.Status = judged.revision, metav1.ConditionTrue
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionStalled)
	} else {
		stalled := valid
		stalled.Type, stalled.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
		meta.SetStatusCondition(&status.Conditions, stalled)
	}
	meta.SetStatusCondition(&status.Conditions, valid)
	return status
}
