// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/callflow"
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// gatherFor is how long calls that come and go are gathered before they are counted: hundreds may begin in a second, and each flow's
// status is written at most once for all of them.
const gatherFor = 3 * time.Second

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	r.client, r.live, r.metadata = mgr.GetClient(), mgr.GetAPIReader(), mgr.GetCache()
	r.recorder = mgr.GetEventRecorder("callfleet-callflow")
	r.files = newFiles(r.metadata, r.live)
	r.unused = map[types.NamespacedName]time.Time{}
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if r.KeepUnused == 0 {
		r.KeepUnused = keepUnused
	}
	if r.RevisionLimit == 0 {
		r.RevisionLimit = maxRevision
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	changed := builder.WithPredicates(predicate.GenerationChangedPredicate{})
	return ctrl.NewControllerManagedBy(mgr).
		Named("callflow").
		For(&v1alpha1.CallFlow{}, changed).
		Watches(&v1alpha1.CallFlow{}, handler.EnqueueRequestsFromMapFunc(r.around), changed).
		Watches(&v1alpha1.CallingBot{}, handler.EnqueueRequestsFromMapFunc(ofBot), changed).
		Watches(&v1alpha1.MeetingSession{}, r.unhurried(), builder.WithPredicates(running())).
		Watches(&v1alpha1.Call{}, r.unhurried(), builder.WithPredicates(running())).
		Watches(&corev1.ConfigMap{}, handler.EnqueueRequestsFromMapFunc(r.ofConfigMap), builder.OnlyMetadata).
		Watches(&appsv1.ControllerRevision{}, handler.EnqueueRequestsFromMapFunc(ofRevision), builder.OnlyMetadata).
		Complete(r)
}

func request(namespace, name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}
}

// around are the flows that lead to one, which it may make invalid, and those that it leads to, which tell of it.
func (r *Reconciler) around(ctx context.Context, o client.Object) []reconcile.Request {
	flow := o.(*v1alpha1.CallFlow)
	var requests []reconcile.Request
	above, err := r.above(ctx, flow.Namespace, flow.Name)
	if err != nil {
		return nil // the cache has no such index: SetupWithManager would have failed
	}
	for _, name := range above {
		requests = append(requests, request(flow.Namespace, name))
	}
	return append(requests, r.under(ctx, flow.Namespace, flow.Name, &flow.Spec)...)
}

// under are the flows that a flow leads to; without a spec, that which it has now.
func (r *Reconciler) under(ctx context.Context, namespace, name string, spec *v1alpha1.CallFlowSpec) []reconcile.Request {
	flow := &v1alpha1.CallFlow{}
	flow.Namespace, flow.Name = namespace, name
	if spec != nil {
		flow.Spec = *spec
	} else if err := r.client.Get(ctx, client.ObjectKeyFromObject(flow), flow, asCached); err != nil {
		return nil
	}
	flows, err := below(ctx, r.client, flow)
	if err != nil {
		return nil
	}
	var requests []reconcile.Request
	for sub := range flows {
		if sub != name {
			requests = append(requests, request(namespace, sub))
		}
	}
	return requests
}

func ofBot(_ context.Context, o client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for _, name := range o.(*v1alpha1.CallingBot).Flows() {
		requests = append(requests, request(o.GetNamespace(), name))
	}
	return requests
}

// ofConfigMap are the flows with prompts in a ConfigMap, and those that lead to them.
func (r *Reconciler) ofConfigMap(ctx context.Context, o client.Object) []reconcile.Request {
	var list v1alpha1.CallFlowList
	if err := r.client.List(ctx, &list, client.InNamespace(o.GetNamespace()), client.MatchingFields{flowsByConfigMap: o.GetName()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var requests []reconcile.Request
	for i := range list.Items {
		requests = append(requests, request(o.GetNamespace(), list.Items[i].Name))
		above, err := r.above(ctx, o.GetNamespace(), list.Items[i].Name)
		if err != nil {
			return nil
		}
		for _, name := range above {
			requests = append(requests, request(o.GetNamespace(), name))
		}
	}
	return requests
}

// ofRevision looks at a flow again, also one that is gone: its revisions go after it.
func ofRevision(_ context.Context, o client.Object) []reconcile.Request {
	if name := o.GetLabels()[v1alpha1.LabelFlow]; name != "" {
		return []reconcile.Request{request(o.GetNamespace(), name)}
	}
	return nil
}

// running passes what changes who runs which flow.
func running() predicate.Predicate {
	is := func(o client.Object) [2]string {
		call := o.(v1alpha1.AnyCall)
		return [2]string{flowOf(call), revisionOf(call)}
	}
	any := func(o client.Object) bool { return is(o) != [2]string{} }
	return predicate.Funcs{
		CreateFunc:  func(e event.CreateEvent) bool { return any(e.Object) },
		UpdateFunc:  func(e event.UpdateEvent) bool { return is(e.ObjectOld) != is(e.ObjectNew) },
		DeleteFunc:  func(e event.DeleteEvent) bool { return any(e.Object) },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// unhurried counts a little later, once for all that happens meanwhile.
func (r *Reconciler) unhurried() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	add := func(ctx context.Context, o client.Object, q queue) {
		name := flowNamed(o.(v1alpha1.AnyCall))
		if name == "" {
			return
		}
		q.AddAfter(request(o.GetNamespace(), name), gatherFor)
		for _, below := range r.under(ctx, o.GetNamespace(), name, nil) {
			q.AddAfter(below, gatherFor)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { add(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			add(ctx, e.ObjectOld, q)
			add(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { add(ctx, e.Object, q) },
	}
}

// Indexes of the manager's cache.
const (
	flowsBySubflow   = "callflow/flow-subflow"
	flowsByConfigMap = "callflow/flow-configmap"
	botsByFlow       = "callflow/bot-flow"
	callsByFlow      = "callflow/call-flow"
	callsByRevision  = "callflow/call-revision"
)

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	ofCall := func(value func(v1alpha1.AnyCall) string) client.IndexerFunc {
		return func(o client.Object) []string {
			if v := value(o.(v1alpha1.AnyCall)); v != "" {
				return []string{v}
			}
			return nil
		}
	}
	for _, index := range []struct {
		obj   client.Object
		name  string
		value client.IndexerFunc
	}{
		{&v1alpha1.CallFlow{}, flowsBySubflow, func(o client.Object) []string { return callflow.Subflows(&o.(*v1alpha1.CallFlow).Spec) }},
		{&v1alpha1.CallFlow{}, flowsByConfigMap, func(o client.Object) []string { return configMapsOf(&o.(*v1alpha1.CallFlow).Spec) }},
		{&v1alpha1.CallingBot{}, botsByFlow, func(o client.Object) []string { return o.(*v1alpha1.CallingBot).Flows() }},
		{&v1alpha1.Call{}, callsByFlow, ofCall(flowOf)},
		{&v1alpha1.MeetingSession{}, callsByFlow, ofCall(flowOf)},
		{&v1alpha1.Call{}, callsByRevision, ofCall(revisionOf)},
		{&v1alpha1.MeetingSession{}, callsByRevision, ofCall(revisionOf)},
	} {
		if err := indexer.IndexField(ctx, index.obj, index.name, index.value); err != nil {
			return fmt.Errorf("adding index %s: %w", index.name, err)
		}
	}
	return nil
}
