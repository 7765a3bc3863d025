// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/endpoint"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// workers is how many MediaPods are reconciled at once: making a key takes a while, and pods are independent.
const workers = 4

// SetupWithManager adds the controller to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if r.MediaPodImage == "" {
		return fmt.Errorf("mediapod controller: no image for media pods is given")
	}
	if r.Client == nil {
		r.Client = mgr.GetClient()
	}
	if r.APIReader == nil {
		r.APIReader = mgr.GetAPIReader()
	}
	if r.Metadata == nil {
		r.Metadata = mgr.GetCache()
	}
	if r.Recorder == nil {
		r.Recorder = mgr.GetEventRecorder("callfleet-mediapod")
	}
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	if err := RegisterMetrics(metrics.Registry); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	if err := addIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("mediapod").
		For(&v1alpha1.MediaPod{}).
		Owns(&corev1.Pod{}).
		Owns(&corev1.Service{}).
		WatchesMetadata(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.usersOfSecret)).
		Watches(&corev1.Service{}, handler.EnqueueRequestsFromMapFunc(r.sharersOfService)).
		Watches(&v1alpha1.CallingBot{}, handler.EnqueueRequestsFromMapFunc(r.sharersOfBot), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.podsOnNode), builder.WithPredicates(addressChanges)).
		Watches(&v1alpha1.MeetingSession{}, bindingChanges).
		Watches(&v1alpha1.Call{}, bindingChanges).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(r)
}

// indexMediaPod finds the sessions and calls of a media pod. It has the name of the selectable field, so that a reader past the
// cache is asked in the same words.
const indexMediaPod = "status.mediaPod"

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, kind := range []client.Object{&v1alpha1.MeetingSession{}, &v1alpha1.Call{}} {
		if err := indexer.IndexField(ctx, kind, indexMediaPod, func(o client.Object) []string {
			if _, status := o.(v1alpha1.AnyCall).CallParts(); status.MediaPod != "" {
				return []string{status.MediaPod}
			}
			return nil
		}); err != nil {
			return fmt.Errorf("indexing %T by its media pod: %w", kind, err)
		}
	}
	return nil
}

// usersOfSecret finds the MediaPods that show a certificate from this Secret, or one signed by the authority in it.
func (r *Reconciler) usersOfSecret(ctx context.Context, secret client.Object) []reconcile.Request {
	return r.mediaPods(ctx, func(mp *v1alpha1.MediaPod) bool {
		return !podspec.ServiceHosted(mp) && podspec.CertificateSecretName(mp) == secret.GetName() ||
			(mp.Spec.Media.Certificate.SelfSigned != nil && authoritySecretName(mp.Spec.BotRef.Name) == secret.GetName())
	}, client.InNamespace(secret.GetNamespace()))
}

// sharersOfService finds the MediaPods behind a Service that is their fleet's.
func (r *Reconciler) sharersOfService(ctx context.Context, service client.Object) []reconcile.Request {
	bot := service.GetLabels()[v1alpha1.LabelBot]
	if service.GetName() != endpoint.SharedServiceName(bot) {
		return nil
	}
	return r.sharers(ctx, service.GetNamespace(), bot)
}

// sharersOfBot finds the MediaPods whose Service or Certificate follows the bot.
func (r *Reconciler) sharersOfBot(ctx context.Context, bot client.Object) []reconcile.Request {
	return r.sharers(ctx, bot.GetNamespace(), bot.GetName())
}

func (r *Reconciler) sharers(ctx context.Context, namespace, bot string) []reconcile.Request {
	return r.mediaPods(ctx, func(mp *v1alpha1.MediaPod) bool {
		return mp.Spec.BotRef.Name == bot && shares(mp)
	}, client.InNamespace(namespace))
}

// podsOnNode finds the MediaPods whose address is the node's.
func (r *Reconciler) podsOnNode(ctx context.Context, node client.Object) []reconcile.Request {
	return r.mediaPods(ctx, func(mp *v1alpha1.MediaPod) bool {
		return mp.Status.NodeName == node.GetName() && endpoint.OnNode(mp.Spec.Media.Endpoint.Type)
	})
}

// mediaPods that match, which only looks at them: they are the cache's own.
func (r *Reconciler) mediaPods(ctx context.Context, match func(*v1alpha1.MediaPod) bool, options ...client.ListOption) []reconcile.Request {
	all := &v1alpha1.MediaPodList{}
	if err := r.Client.List(ctx, all, append(options, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "listing media pods")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if match(&all.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
		}
	}
	return requests
}

// addressChanges lets through what can change a pod's address. Nodes report every few seconds that they are alive.
var addressChanges = predicate.Funcs{
	UpdateFunc: func(e ctrlevent.UpdateEvent) bool {
		before, ok1 := e.ObjectOld.(*corev1.Node)
		after, ok2 := e.ObjectNew.(*corev1.Node)
		return ok1 && ok2 && !endpoint.SameAddress(before, after)
	},
}

// bindingChanges wakes the MediaPod that a session or call was bound to, which from then on is to be protected, and the one
// it was released from: an emptied one may be waiting. Everything else that happens in a call, up to once a second, is of no
// interest here.
var bindingChanges = handler.Funcs{
	CreateFunc: func(_ context.Context, e ctrlevent.CreateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		if pod := boundTo(e.Object); pod != "" {
			enqueue(q, e.Object, pod)
		}
	},
	UpdateFunc: func(_ context.Context, e ctrlevent.UpdateEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		before, after := boundTo(e.ObjectOld), boundTo(e.ObjectNew)
		if before == after {
			return
		}
		for _, pod := range []string{before, after} {
			if pod != "" {
				enqueue(q, e.ObjectNew, pod)
			}
		}
	},
	DeleteFunc: func(_ context.Context, e ctrlevent.DeleteEvent, q workqueue.TypedRateLimitingInterface[reconcile.Request]) {
		if pod := boundTo(e.Object); pod != "" {
			enqueue(q, e.Object, pod)
		}
	},
}

func boundTo(object client.Object) string {
	call, ok := object.(v1alpha1.AnyCall)
	if !ok {
		return ""
	}
	return drain.BoundTo(call)
}

func enqueue(q workqueue.TypedRateLimitingInterface[reconcile.Request], session metav1.Object, pod string) {
	q.Add(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: session.GetNamespace(), Name: pod}})
}
