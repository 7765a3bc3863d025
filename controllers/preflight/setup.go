// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"context"
	"fmt"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/dependents"
)

// concurrency: a login service that does not answer holds a worker for a while.
const concurrency = 4

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.client, r.live, r.metadata = mgr.GetClient(), mgr.GetAPIReader(), mgr.GetCache()
	r.looks = map[types.NamespacedName]look{}
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.Transport == nil {
		r.Transport = http.DefaultTransport.(*http.Transport)
	}
	for _, index := range []struct {
		obj   client.Object
		name  string
		value client.IndexerFunc
	}{
		{&v1alpha1.MeetingSession{}, sessionFeatures, sessionNeeds},
		{&v1alpha1.Call{}, callFeatures, outgoingNeeds},
	} {
		if err := mgr.GetFieldIndexer().IndexField(context.Background(), index.obj, index.name, index.value); err != nil {
			return fmt.Errorf("adding index %s: %w", index.name, err)
		}
	}
	ofSecret, ofConfigMap, err := dependents.Handlers(context.Background(), mgr, "preflight")
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("preflight").
		For(&v1alpha1.CallingBot{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		// What sessions and calls ask for is in their specs; how they fare is of no interest.
		Watches(&v1alpha1.MeetingSession{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.Call{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Secret{}, ofSecret, builder.OnlyMetadata).
		Watches(&corev1.ConfigMap{}, ofConfigMap, builder.OnlyMetadata).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

func botOf(_ context.Context, o client.Object) []reconcile.Request {
	var bot string
	switch o := o.(type) {
	case *v1alpha1.MeetingSession:
		bot = o.Spec.BotRef.Name
	case *v1alpha1.Call:
		if o.Spec.Incoming != nil {
			return nil // nobody asked for it, so it asks for nothing
		}
		bot = o.Spec.BotRef.Name
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: bot}}}
}
