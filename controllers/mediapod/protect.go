// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// A Pod with calls says so in its labels and annotations, by which disruption budgets, autoscalers and admission policies know
// it. The agent may not write Pods, so its word is passed on here: a binding, or the report of a seat, is what the pass that
// marks the Pod is woken by.
//
// Marking races with the call: a session that was bound to an idle pod is joined while its Pod is still being marked, usually
// some tens of milliseconds, and longer while the manager or the API server is away. A Pod that is evicted in that window is told
// to stop, takes no more calls, and keeps the one it has for its grace period, an hour unless the template says otherwise.
// The other way round there is no window: the marks go only after the agent has reported that nothing is left.

// busy says whether calls are on the Pod or about to be, or recordings of calls that have ended and are nowhere else.
func busy(f facts) bool {
	if f.pod.Annotations[v1alpha1.AnnotationAllowDisruption] == "true" {
		return false // somebody has given them up
	}
	return len(f.sessions) > 0 || reportsCalls(f) || f.mediaPod.Status.PendingUploads != nil
}

// reportsCalls: the agent says that it has calls, or seats reserved for some. Without its report, the counts are the last words
// of a process that is gone.
func reportsCalls(f facts) bool {
	status := &f.mediaPod.Status
	return status.Agent != nil && lost(status.Agent, f.pod) == "" && (status.Calls > 0 || status.Seats.Used > 0 || status.Seats.Reserved > 0)
}

func marked(f facts) bool {
	labels, annotations := podspec.Marks(f.mediaPod, busy(f))
	return podspec.Marked(f.pod, labels, annotations)
}

// relabel writes labels and annotations alone: the rest of a Pod never changes under its calls. It is a patch rather than an
// apply, which could not take back an annotation that the Pod was created with.
func (r *Reconciler) relabel(ctx context.Context, f *facts, p *plan) error {
	if !p.relabel {
		return nil
	}
	labels, annotations := podspec.Marks(f.mediaPod, busy(*f))
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":    f.pod.UID, // of no other Pod of this name
		"labels": labels, "annotations": annotations,
	}})
	if err != nil {
		return fmt.Errorf("encoding the Pod's labels: %w", err)
	}
	if err := r.Client.Patch(ctx, f.pod.DeepCopy(), client.RawPatch(types.MergePatchType, patch), FieldOwner); err != nil {
		return fmt.Errorf("labelling the Pod: %w", err)
	}
	return nil
}
