// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// botsByFlow is an index of the manager's cache.
const botsByFlow = "fleet/bot-flow"

// flowFacts is what is known of a flow that the bot's rules name.
type flowFacts struct {
	name   string
	exists bool
	// valid is its condition; nil if nobody has looked at it yet.
	valid    *metav1.Condition
	revision string
}

func (r *Reconciler) observeFlows(ctx context.Context, seen *observation) error {
	for _, name := range seen.bot.Flows() {
		f := flowFacts{name: name}
		flow := &v1alpha1.CallFlow{}
		err := r.Client.Get(ctx, types.NamespacedName{Namespace: seen.bot.Namespace, Name: name}, flow)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading flow %s: %w", name, err)
		}
		if f.exists = !apierrors.IsNotFound(err); f.exists {
			f.valid, f.revision = meta.FindStatusCondition(flow.Status.Conditions, v1alpha1.ConditionValid), flow.Status.Revision
		}
		seen.flows = append(seen.flows, f)
	}
	return nil
}

// flowsCondition says whether calls that come in can run the flows that the rules name. It is not there if they name none. Ready says
// nothing of it: the pods take calls, and other rules hold.
func flowsCondition(flows []flowFacts) []metav1.Condition {
	if len(flows) == 0 {
		return nil
	}
	var missing, invalid []string
	for _, f := range flows {
		switch {
		case !f.exists:
			missing = append(missing, fmt.Sprintf("CallFlow %s does not exist; apply it, or correct spec.incoming", f.name))
		case f.valid == nil || f.valid.Status == metav1.ConditionTrue:
		case f.revision == "":
			missing = append(missing, fmt.Sprintf("CallFlow %s: %s: %s", f.name, f.valid.Reason, f.valid.Message))
		default:
			invalid = append(invalid, fmt.Sprintf("CallFlow %s: %s: %s", f.name, f.valid.Reason, f.valid.Message))
		}
	}
	c := metav1.Condition{Type: v1alpha1.ConditionFlowsValid, Status: metav1.ConditionFalse}
	switch {
	case len(missing) > 0:
		c.Reason, c.Message = v1alpha1.ReasonFlowMissing, strings.Join(append(missing, invalid...), "; ")
	case len(invalid) > 0:
		c.Reason, c.Message = v1alpha1.ReasonFlowInvalid, strings.Join(invalid, "; ")
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonFlowsValid, "all flows that spec.incoming names can be run"
	}
	c.Message = shorten.Bytes(c.Message, shorten.Note)
	return []metav1.Condition{c}
}

// botsOfFlow are those whose rules name it.
func (r *Reconciler) botsOfFlow(ctx context.Context, o client.Object) []reconcile.Request {
	var bots v1alpha1.CallingBotList
	if err := r.Client.List(ctx, &bots, client.InNamespace(o.GetNamespace()), client.MatchingFields{botsByFlow: o.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache has no such index: SetupWithManager would have failed
	}
	requests := make([]reconcile.Request, 0, len(bots.Items))
	for i := range bots.Items {
		requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&bots.Items[i])})
	}
	return requests
}

// validityChanged passes what bots tell of a flow; how many calls run it is none of that.
func validityChanged() predicate.Predicate {
	of := func(o client.Object) (metav1.Condition, string) {
		flow := o.(*v1alpha1.CallFlow)
		if c := meta.FindStatusCondition(flow.Status.Conditions, v1alpha1.ConditionValid); c != nil {
			return metav1.Condition{Status: c.Status, Reason: c.Reason, Message: c.Message}, flow.Status.Revision
		}
		return metav1.Condition{}, flow.Status.Revision
	}
	return predicate.Funcs{UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
		before, revision := of(e.ObjectOld)
		after, now := of(e.ObjectNew)
		return before != after || revision != now
	}}
}
