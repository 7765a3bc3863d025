// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"

	policyv1 "k8s.io/api/policy/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	applypolicyv1 "k8s.io/client-go/applyconfigurations/policy/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// budgetOf lets nobody evict a Pod with live calls. It selects by label, so an eviction is refused from the moment on at which
// the Pod is marked, however late the disruption controller is with its count. That count needs the /scale of MediaPods: without
// it the controller would complain of every one of these budgets.
//
// It is the only budget of these Pods: the API server refuses to evict a Pod that is in two, for whichever reason.
func budgetOf(bot *v1alpha1.CallingBot) policyv1.PodDisruptionBudgetSpec {
	return policyv1.PodDisruptionBudgetSpec{
		MaxUnavailable: ptr.To(intstr.FromInt32(0)),
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{
			v1alpha1.LabelBot: bot.Name, v1alpha1.LabelCalls: v1alpha1.LabelCallsActive,
		}},
	}
}

// applyBudget keeps it. Like the account it belongs to nobody, and goes after the last pod: a foreground deletion of the bot
// would otherwise take the protection away first.
func (r *Reconciler) applyBudget(ctx context.Context, bot *v1alpha1.CallingBot, name string) error {
	want := budgetOf(bot)
	var budget policyv1.PodDisruptionBudget
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: name}, &budget)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && budget.Labels[v1alpha1.LabelBot] == bot.Name &&
		apiequality.Semantic.DeepEqual(budget.Spec.MaxUnavailable, want.MaxUnavailable) && apiequality.Semantic.DeepEqual(budget.Spec.Selector, want.Selector) {
		return nil
	}
	return r.Client.Apply(ctx, applypolicyv1.PodDisruptionBudget(name, bot.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelBot: bot.Name}).
		WithSpec(applypolicyv1.PodDisruptionBudgetSpec().WithMaxUnavailable(*want.MaxUnavailable).
			WithSelector(applymetav1.LabelSelector().WithMatchLabels(want.Selector.MatchLabels))),
		fieldOwner, client.ForceOwnership)
}

// budgetChanged leaves out the disruption controller's counts, which follow every first and last call of a pod.
func budgetChanged() predicate.Predicate {
	return predicate.And(labelledOnly(), predicate.Or[client.Object](predicate.GenerationChangedPredicate{}, predicate.LabelChangedPredicate{}))
}
