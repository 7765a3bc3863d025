// SPDX-License-Identifier: Apache-2.0

// Package dependents finds the bots that depend on an object which is not theirs: the Secret of their credential, the
// ConfigMap of their CA bundle.
package dependents

import (
	"context"
	"fmt"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Handlers enqueue the bots that depend on a Secret, and on a ConfigMap. They need indexes of the manager's cache, which
// carry the controller's name: each controller can be set up without the others.
func Handlers(ctx context.Context, mgr ctrl.Manager, controller string) (ofSecret, ofConfigMap handler.EventHandler, err error) {
	secrets, bundles := controller+"/bot-secret", controller+"/bot-ca-bundle"
	for name, of := range map[string]client.IndexerFunc{secrets: secretOf, bundles: caBundleOf} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, &v1alpha1.CallingBot{}, name, of); err != nil {
			return nil, nil, fmt.Errorf("adding index %s: %w", name, err)
		}
	}
	return bots(mgr.GetClient(), secrets), bots(mgr.GetClient(), bundles), nil
}

func secretOf(o client.Object) []string {
	return []string{o.(*v1alpha1.CallingBot).Spec.Identity.Credential.ClientSecret.Name}
}

func caBundleOf(o client.Object) []string {
	if ref := o.(*v1alpha1.CallingBot).Spec.Identity.CABundle(); ref != nil {
		return []string{ref.Name}
	}
	return nil
}

func bots(c client.Reader, index string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []reconcile.Request {
		var bots v1alpha1.CallingBotList
		if err := c.List(ctx, &bots, client.InNamespace(o.GetNamespace()), client.MatchingFields{index: o.GetName()}); err != nil {
			return nil // the cache has no such index: Handlers would have failed
		}
		requests := make([]reconcile.Request, 0, len(bots.Items))
		for i := range bots.Items {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&bots.Items[i])})
		}
		return requests
	})
}
