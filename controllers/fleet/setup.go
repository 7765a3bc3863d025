// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/dependents"
	"github.com/callfleet/callfleet/controllers/drain"
)

// concurrency: bots do not wait for one another's API calls.
const concurrency = 4

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if r.Client == nil {
		r.Client = mgr.GetClient()
	}
	if r.APIReader == nil {
		r.APIReader = mgr.GetAPIReader()
	}
	if r.Recorder == nil {
		r.Recorder = mgr.GetEventRecorder("callfleet-fleet")
	}
	r.Prepare(mgr.GetCache())
	if err := RegisterMetrics(metrics.Registry, mgr.GetCache(), mgr.Elected()); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if err := AddIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	ofSecret, ofConfigMap, err := dependents.Handlers(context.Background(), mgr, "fleet")
	if err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("fleet").
		For(&v1alpha1.CallingBot{}, builder.WithPredicates(predicate.Or(
			predicate.GenerationChangedPredicate{}, deletionMarked(), finalizersChanged()))).
		Watches(&v1alpha1.MediaPod{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(predicate.Not(onlyCounted()))).
		Watches(&v1alpha1.MediaPod{}, unhurried(), builder.WithPredicates(onlyCounted())).
		Watches(&corev1.ServiceAccount{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(labelledOnly())).
		Watches(&rbacv1.RoleBinding{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(labelledOnly())).
		Watches(&policyv1.PodDisruptionBudget{}, handler.EnqueueRequestsFromMapFunc(botOf), builder.WithPredicates(budgetChanged())).
		Watches(&v1alpha1.MeetingSession{}, unhurried(), builder.WithPredicates(predicate.Or(bindingChanged(), aheadChanged()))).
		Watches(&v1alpha1.Call{}, unhurried(), builder.WithPredicates(predicate.Or(bindingChanged(), aheadChanged()))).
		Watches(&v1alpha1.CallFlow{}, handler.EnqueueRequestsFromMapFunc(r.botsOfFlow), builder.WithPredicates(validityChanged())).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.botsOnNode), builder.WithPredicates(nodeChanged())).
		Watches(&corev1.Secret{}, ofSecret, builder.OnlyMetadata).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.botOfFlowKeys), builder.OnlyMetadata).
		Watches(&corev1.ConfigMap{}, ofConfigMap, builder.OnlyMetadata).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// Prepare gives the reconciler what it needs besides the clients. Metadata are read by it without contents: those of Secrets
// are not kept in memory. SetupWithManager calls it; who drives the reconciler without a manager has to.
func (r *Reconciler) Prepare(metadata client.Reader) {
	r.keys = newKeyring(metadata, r.APIReader)
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.MediaPodRole == "" {
		r.MediaPodRole = DefaultMediaPodRole
	}
}

// AddIndexes adds those that the reconciler lists by.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		obj   client.Object
		name  string
		value client.IndexerFunc
	}{
		{&v1alpha1.CallingBot{}, botsByFlow, func(o client.Object) []string { return o.(*v1alpha1.CallingBot).Flows() }},
		{&v1alpha1.MediaPod{}, cachedBotOfPod, func(o client.Object) []string {
			return []string{o.(*v1alpha1.MediaPod).Spec.BotRef.Name}
		}},
		{&v1alpha1.MediaPod{}, nodeOfPod, func(o client.Object) []string {
			return []string{o.(*v1alpha1.MediaPod).Status.NodeName}
		}},
		{&v1alpha1.MeetingSession{}, botOfBound, boundBot},
		{&v1alpha1.Call{}, botOfBound, boundBot},
		{&v1alpha1.MeetingSession{}, botOfAhead, aheadBot},
		{&v1alpha1.Call{}, botOfAhead, aheadBot},
	} {
		if err := indexer.IndexField(ctx, index.obj, index.name, index.value); err != nil {
			return fmt.Errorf("adding index %s: %w", index.name, err)
		}
	}
	return nil
}

// boundBot is the bot of a session or call that counts on a media pod.
func boundBot(o client.Object) []string {
	call := o.(v1alpha1.AnyCall)
	if drain.BoundTo(call) == "" {
		return nil
	}
	spec, _ := call.CallParts()
	return []string{spec.BotRef.Name}
}

// aheadBot is the bot of a session or call that wants a media pod.
func aheadBot(o client.Object) []string {
	call := o.(v1alpha1.AnyCall)
	if !isAhead(call) {
		return nil
	}
	spec, _ := call.CallParts()
	return []string{spec.BotRef.Name}
}

// botOf finds the bot an object is about: by reference, or by label for the built-in kinds.
func botOf(_ context.Context, o client.Object) []reconcile.Request {
	var bot string
	switch o := o.(type) {
	case *v1alpha1.MediaPod:
		bot = o.Spec.BotRef.Name
	case v1alpha1.AnyCall:
		spec, _ := o.CallParts()
		bot = spec.BotRef.Name
	default:
		bot = o.GetLabels()[v1alpha1.LabelBot]
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: bot}}}
}

// bindingChanged passes what changes whether a media pod has sessions or calls.
func bindingChanged() predicate.Predicate {
	bound := func(o client.Object) string { return drain.BoundTo(o.(v1alpha1.AnyCall)) }
	return predicate.Funcs{
		CreateFunc:  func(e ctrlevent.CreateEvent) bool { return bound(e.Object) != "" },
		UpdateFunc:  func(e ctrlevent.UpdateEvent) bool { return bound(e.ObjectOld) != bound(e.ObjectNew) },
		DeleteFunc:  func(e ctrlevent.DeleteEvent) bool { return bound(e.Object) != "" },
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
	}
}

// aheadChanged passes what changes the sessions that have no pod yet.
func aheadChanged() predicate.Predicate {
	type wish struct {
		ahead      bool
		generation int64
	}
	of := func(o client.Object) wish {
		return wish{isAhead(o.(v1alpha1.AnyCall)), o.GetGeneration()}
	}
	return predicate.Funcs{
		CreateFunc: func(e ctrlevent.CreateEvent) bool { return of(e.Object).ahead },
		UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
			return of(e.ObjectOld) != of(e.ObjectNew) && (of(e.ObjectOld).ahead || of(e.ObjectNew).ahead)
		},
		DeleteFunc:  func(e ctrlevent.DeleteEvent) bool { return of(e.Object).ahead },
		GenericFunc: func(ctrlevent.GenericEvent) bool { return false },
	}
}

// onlyCounted passes the reports of serving pods in which nothing but calls and seats has changed. A thousand pods that fill make as
// many a second. What a pod that drains reports is not among them: it may be the last thing that it is waited for.
func onlyCounted() predicate.Predicate {
	never := func(client.Object) bool { return false }
	p := predicate.NewPredicateFuncs(never)
	p.UpdateFunc = func(e ctrlevent.UpdateEvent) bool {
		before, after := *e.ObjectOld.(*v1alpha1.MediaPod), *e.ObjectNew.(*v1alpha1.MediaPod)
		if drain.Marked(&after) || before.Status.Agent == nil || after.Status.Agent == nil {
			return false
		}
		report := *before.Status.Agent
		report.Calls = after.Status.Agent.Calls
		before.Status.Agent = &report
		before.Status.Seats, before.Status.Calls = after.Status.Seats, after.Status.Calls
		before.ResourceVersion, before.ManagedFields = after.ResourceVersion, after.ManagedFields
		return apiequality.Semantic.DeepEqual(before, after)
	}
	return p
}

// gatherFor is how long sessions that come and go, and what pods report of their calls, are gathered before the fleet is looked
// at for them: hundreds may be made in a second, each look is at all pods and sessions of the bot, and pods take minutes.
const gatherFor = 500 * time.Millisecond

// unhurried looks at the bot a little later, once for all that happens meanwhile.
func unhurried() handler.EventHandler {
	add := func(ctx context.Context, o client.Object, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		for _, request := range botOf(ctx, o) {
			q.AddAfter(request, gatherFor)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e ctrlevent.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.Object, q)
		},
		UpdateFunc: func(ctx context.Context, e ctrlevent.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e ctrlevent.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
			add(ctx, e.Object, q)
		},
	}
}

func labelledOnly() predicate.Predicate {
	return predicate.NewPredicateFuncs(func(o client.Object) bool { return o.GetLabels()[v1alpha1.LabelBot] != "" })
}

func deletionMarked() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
		return e.ObjectOld.GetDeletionTimestamp().IsZero() != e.ObjectNew.GetDeletionTimestamp().IsZero()
	}}
}

func finalizersChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
		return len(e.ObjectOld.GetFinalizers()) != len(e.ObjectNew.GetFinalizers())
	}}
}
