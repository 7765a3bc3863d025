// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// awayGrace is how long a node may be unreachable or not ready before its pods are replaced. Most come back within a
// minute, and a pod takes longer to start.
const awayGrace = 2 * time.Minute

// doomTaints are put on nodes that are about to go, or to be worked on, and who puts them.
var doomTaints = map[string]string{
	corev1.TaintNodeUnschedulable:                            "the node is cordoned",
	"ToBeDeletedByClusterAutoscaler":                         "the cluster autoscaler removes the node",
	"karpenter.sh/disrupted":                                 "Karpenter removes the node",
	"karpenter.sh/disruption":                                "Karpenter removes the node",
	"node.cloudprovider.kubernetes.io/shutdown":              "the node is shut down",
	corev1.TaintNodeOutOfService:                             "the node is out of service",
	"cloud.google.com/impending-node-termination":            "the cloud takes the node back",
	"aws-node-termination-handler/spot-itn":                  "the cloud takes the node back",
	"aws-node-termination-handler/asg-lifecycle-termination": "the node's group removes it",
	"aws-node-termination-handler/rebalance-recommendation":  "the cloud is about to take the node back",
	"aws-node-termination-handler/scheduled-maintenance":     "maintenance of the node is scheduled",
	"remediator.kubernetes.azure.com/unschedulable":          "maintenance of the node is scheduled",
}

// nodeFacts are what matters of a node to the pods on it.
type nodeFacts struct {
	// doomed, if set, says why the node is about to go: its pods should be empty before that.
	doomed string
	// away is since when nothing is known of the node, or it says that it cannot run pods; zero if all is well. What runs on
	// it may run on: nobody knows.
	away time.Time
	// gone: away for so long that its pods are replaced.
	gone bool
}

// judgeNode looks at a node. A taint counts only if it keeps new pods away: the others are wishes.
func judgeNode(node *corev1.Node, now time.Time) nodeFacts {
	var f nodeFacts
	if node.Spec.Unschedulable {
		f.doomed = doomTaints[corev1.TaintNodeUnschedulable]
	}
	taints := slices.Clone(node.Spec.Taints)
	slices.SortFunc(taints, func(a, b corev1.Taint) int { return strings.Compare(a.Key, b.Key) })
	for _, taint := range taints {
		if why := doomTaints[taint.Key]; why != "" && f.doomed == "" && taint.Effect != corev1.TaintEffectPreferNoSchedule {
			f.doomed = why
		}
	}
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
			f.away = c.LastTransitionTime.Time
			f.gone = !now.Before(f.away.Add(awayGrace))
		}
	}
	return f
}

// nextAway is when the next of the nodes will have been away for too long; zero for none.
func nextAway(seen *observation) time.Time {
	var next time.Time
	for _, f := range seen.nodes {
		if !f.away.IsZero() && !f.gone {
			next = soonest.Of(next, f.away.Add(awayGrace))
		}
	}
	return next
}

// observeNodes looks at the nodes that the pods run on. One that is not there is one that the cache has yet to show, or
// whose Pods are about to be removed and made again elsewhere: there is nothing to do about it here.
func (r *Reconciler) observeNodes(ctx context.Context, seen *observation) error {
	seen.nodes = map[string]nodeFacts{}
	for i := range seen.pods {
		name := seen.pods[i].Status.NodeName
		if _, known := seen.nodes[name]; known || name == "" {
			continue
		}
		var node corev1.Node
		switch err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &node); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return fmt.Errorf("reading node %s: %w", name, err)
		default:
			seen.nodes[name] = judgeNode(&node, r.Clock.Now())
		}
	}
	return nil
}

// botsOnNode are the bots that have a pod on a node.
func (r *Reconciler) botsOnNode(ctx context.Context, node client.Object) []reconcile.Request {
	var pods v1alpha1.MediaPodList
	if err := r.Client.List(ctx, &pods, client.MatchingFields{nodeOfPod: node.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		log.FromContext(ctx).Error(err, "the bots on node "+node.GetName()+" were not looked at")
		return nil
	}
	var requests []reconcile.Request
	for i := range pods.Items {
		for _, request := range botOf(ctx, &pods.Items[i]) {
			if !slices.Contains(requests, request) {
				requests = append(requests, request)
			}
		}
	}
	return requests
}

// nodeChanged passes what changes the judgement. Nodes report every few seconds that they are alive.
func nodeChanged() predicate.Predicate {
	of := func(o client.Object) nodeFacts { return judgeNode(o.(*corev1.Node), time.Time{}) }
	return predicate.Funcs{
		UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
			return of(e.ObjectOld) != of(e.ObjectNew)
		},
		DeleteFunc:  func(ctrlevent.DeleteEvent) bool { return true },
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
	}
}
