// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applyrbacv1 "k8s.io/client-go/applyconfigurations/rbac/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// The account and its binding have no owner reference either: an agent whose account is gone cannot report, and its pod
// would be held for ever. Nor has the Secret for flows, without whose key no pod could go on with a call of another. They go when the
// last pod has.

// hold keeps the bot until its pods are gone.
func (r *Reconciler) hold(ctx context.Context, bot *v1alpha1.CallingBot) error {
	before := bot.DeepCopy()
	if !controllerutil.AddFinalizer(bot, v1alpha1.FinalizerDrain) {
		return nil
	}
	if err := r.Client.Patch(ctx, bot, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		return fmt.Errorf("adding the finalizer: %w", err)
	}
	return nil
}

// letGo takes the bot's access away and removes the finalizer, once no pod is left.
func (r *Reconciler) letGo(ctx context.Context, bot *v1alpha1.CallingBot) error {
	if left, err := r.podsOf(ctx, r.APIReader, bot); err != nil || len(left) > 0 {
		return err
	}
	name := metav1.ObjectMeta{Namespace: bot.Namespace, Name: podspec.ServiceAccountName(bot.Name)}
	for _, obj := range []client.Object{
		&policyv1.PodDisruptionBudget{ObjectMeta: name}, &rbacv1.RoleBinding{ObjectMeta: name}, &corev1.ServiceAccount{ObjectMeta: name},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: bot.Namespace, Name: podspec.FlowsSecretName(bot.Name)}},
	} {
		if err := r.deleteOwn(ctx, bot, obj); err != nil {
			return fmt.Errorf("deleting %T %s: %w", obj, obj.GetName(), err)
		}
	}
	before := bot.DeepCopy()
	if !controllerutil.RemoveFinalizer(bot, v1alpha1.FinalizerDrain) {
		return nil
	}
	if err := r.Client.Patch(ctx, bot, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	return nil
}

// deleteOwn deletes an object if it is there and the bot's.
func (r *Reconciler) deleteOwn(ctx context.Context, bot *v1alpha1.CallingBot, obj client.Object) error {
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(obj), obj); err != nil || obj.GetLabels()[v1alpha1.LabelBot] != bot.Name {
		return client.IgnoreNotFound(err)
	}
	return client.IgnoreNotFound(r.Client.Delete(ctx, obj, client.Preconditions{UID: ptr.To(obj.GetUID())}))
}

// grantAccess keeps the account that the bot's media pods run as, its binding to the media pods' role, the budget that
// protects their calls, and the keys that their flows need. What is as it should be is not written again.
func (r *Reconciler) grantAccess(ctx context.Context, bot *v1alpha1.CallingBot) error {
	name := podspec.ServiceAccountName(bot.Name)
	if err := r.applyServiceAccount(ctx, bot, name); err != nil {
		return fmt.Errorf("applying service account %s: %w", name, err)
	}
	if err := r.applyRoleBinding(ctx, bot, name); err != nil {
		return fmt.Errorf("applying role binding %s: %w", name, err)
	}
	if err := r.applyBudget(ctx, bot, name); err != nil {
		return fmt.Errorf("applying disruption budget %s: %w", name, err)
	}
	if err := r.keepFlowKeys(ctx, bot); err != nil {
		return fmt.Errorf("keeping the keys for flows: %w", err)
	}
	return nil
}

// keepAccess is grantAccess for a bot that only waits for its last calls. In a namespace that is being deleted nothing can
// be made again; the Pods there go too, and with them what is waited for.
func (r *Reconciler) keepAccess(ctx context.Context, bot *v1alpha1.CallingBot) error {
	if err := r.grantAccess(ctx, bot); err != nil && !apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return err
	}
	return nil
}

func (r *Reconciler) applyServiceAccount(ctx context.Context, bot *v1alpha1.CallingBot, name string) error {
	var account corev1.ServiceAccount
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: name}, &account)
	if client.IgnoreNotFound(err) != nil || (err == nil && account.Labels[v1alpha1.LabelBot] == bot.Name) {
		return err
	}
	return r.Client.Apply(ctx, applycorev1.ServiceAccount(name, bot.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelBot: bot.Name}), fieldOwner, client.ForceOwnership)
}

func (r *Reconciler) applyRoleBinding(ctx context.Context, bot *v1alpha1.CallingBot, name string) error {
	role := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.MediaPodRole}
	subjects := []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: name, Namespace: bot.Namespace}}

	var binding rbacv1.RoleBinding
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: bot.Namespace, Name: name}, &binding)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err == nil && binding.RoleRef != role {
		// The role of a binding cannot be changed.
		if err := r.Client.Delete(ctx, &binding, client.Preconditions{UID: &binding.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
	} else if err == nil && binding.Labels[v1alpha1.LabelBot] == bot.Name && apiequality.Semantic.DeepEqual(binding.Subjects, subjects) {
		return nil
	}
	return r.Client.Apply(ctx, applyrbacv1.RoleBinding(name, bot.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelBot: bot.Name}).
		WithRoleRef(applyrbacv1.RoleRef().WithAPIGroup(role.APIGroup).WithKind(role.Kind).WithName(role.Name)).
		WithSubjects(applyrbacv1.Subject().WithKind(subjects[0].Kind).WithName(name).WithNamespace(bot.Namespace)),
		fieldOwner, client.ForceOwnership)
}
