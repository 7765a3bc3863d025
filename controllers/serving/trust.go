// SPDX-License-Identifier: Apache-2.0

package serving

import (
	"bytes"
	"context"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/controllers/caching"
)

// trust has the API server trust the authority that signed what is shown. Who applies the configuration again may take that away, and
// gets it back.
type trust struct {
	keeper *Keeper
	client client.Client
}

// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=callfleet-validating,verbs=get;list;watch;patch

func (t *trust) setupWithManager(mgr ctrl.Manager) error {
	t.client = mgr.GetClient()
	return ctrl.NewControllerManagedBy(mgr).
		Named("webhook-trust").
		For(&admissionv1.ValidatingWebhookConfiguration{}, builder.WithPredicates(predicate.NewPredicateFuncs(
			func(o client.Object) bool { return o.GetName() == caching.WebhookConfiguration }))).
		WithOptions(controller.Options{EnableWarmup: ptr.To(true)}).
		Complete(t)
}

// Reconcile writes the authority where it is not.
func (t *trust) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	authority := t.keeper.authority()
	if authority == nil {
		return reconcile.Result{RequeueAfter: lookSoon}, nil
	}
	before := &admissionv1.ValidatingWebhookConfiguration{}
	if err := t.client.Get(ctx, request.NamespacedName, before); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	after := before.DeepCopy()
	changed := false
	for i := range after.Webhooks {
		c := &after.Webhooks[i].ClientConfig
		if c.Service == nil || c.Service.Name != t.keeper.Service || c.Service.Namespace != t.keeper.Namespace || bytes.Equal(c.CABundle, authority) {
			continue
		}
		c.CABundle, changed = authority, true
	}
	if changed {
		err := t.client.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner)
		if apierrors.IsConflict(err) {
			return reconcile.Result{RequeueAfter: 100 * time.Millisecond}, nil
		}
		if client.IgnoreNotFound(err) != nil {
			return reconcile.Result{}, fmt.Errorf("telling the API server whom to trust: %w", err)
		}
	}
	// The authority may be replaced meanwhile, which no watch tells.
	return reconcile.Result{RequeueAfter: lookEvery}, nil
}
