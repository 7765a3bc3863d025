// SPDX-License-Identifier: Apache-2.0

// Package session gives calls of both kinds, MeetingSession and Call, to media pods: it waits for their time and for a seat, binds each to a pod by writing
// status.mediaPod, repeats attempts that ended by a fault, and closes what is over. The agent in the pod does the rest.
//
// Every pass over a session is the same: fetch, observe, decide, act, publish. The decision is a pure function; there
// is one status write per pass, carrying the version it was computed from, and none when nothing changed.
//
// Calls that came in are not given to anybody: the pod that answered one has it, and the controller counts its seat, holds
// the object until the pod has hung up, and closes it.
//
// A session, in the names and comments here, is an object of either kind.
package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/session/placement"
)

const (
	// fieldOwner of every write.
	fieldOwner = client.FieldOwner("callfleet-session")
	// workers keep the API server's round trips from limiting how many sessions are bound in a second; the ledger makes
	// them safe.
	workers = 8
	// conflictPause is when a pass is repeated that lost against another writer. What that one wrote may be nothing that
	// wakes the session up.
	conflictPause = 20 * time.Millisecond
	// seedPage is how many sessions are read at a time when the ledger is filled.
	seedPage = 500
)

// Reconciler binds MeetingSessions and Calls to MediaPods. There must be one that is active per cluster: it keeps the count of
// the seats.
type Reconciler struct {
	// What is left out is taken from the manager.

	// Client reads from the cache and writes.
	Client client.Client
	// APIReader reads from the API server itself, where the cache may be too old.
	APIReader client.Reader
	Recorder  events.EventRecorder
	// Clock tells the time; the wall clock by default.
	Clock clock.PassiveClock
	// Registerer of the metrics; that of controller-runtime by default.
	Registerer prometheus.Registerer

	ledger   *placement.Ledger
	refusals refusals
	queue    queue
	metrics  *metrics
	// seeded once the ledger knows of every session.
	seeding sync.Mutex
	seeded  bool
}

// +kubebuilder:rbac:groups=callfleet.dev,resources=meetingsessions;calls,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups=callfleet.dev,resources=meetingsessions/status;calls/status,verbs=patch
// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots;mediapods,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager adds the controller, its watches and its field indexes to the manager.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	b, err := r.builder(mgr)
	if err != nil {
		return err
	}
	return b.Complete(r)
}

func (r *Reconciler) builder(mgr ctrl.Manager) (*builder.TypedBuilder[request], error) {
	if r.Client == nil {
		r.Client = mgr.GetClient()
	}
	if r.APIReader == nil {
		r.APIReader = mgr.GetAPIReader()
	}
	if r.Recorder == nil {
		r.Recorder = mgr.GetEventRecorder("callfleet-session")
	}
	if r.Registerer == nil {
		r.Registerer = ctrlmetrics.Registry
	}
	if err := r.Prepare(); err != nil {
		return nil, err
	}
	if err := AddIndexes(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	b := builder.TypedControllerManagedBy[request](mgr).
		Named("session").
		WithOptions(controller.TypedOptions[request]{MaxConcurrentReconciles: workers}).
		WithLogConstructor(logOf(mgr.GetLogger()))
	for _, w := range r.Watches() {
		b.Watches(w.Object, unhurried(w.Handler))
	}
	return b, nil
}

// Watch is what is done when an object of a kind changes.
type Watch struct {
	Object  client.Object
	Handler handler.TypedEventHandler[client.Object, Request]
}

// Request names a session or call.
type Request = request

// Watches are those that the reconciler lives by.
func (r *Reconciler) Watches() []Watch {
	watches := []Watch{{&v1alpha1.MediaPod{}, podWatch{r}}, {&v1alpha1.CallingBot{}, botWatch{r}}}
	for _, k := range kinds {
		watches = append(watches, Watch{k.new(), sessionWatch{r, k}})
	}
	return watches
}

// unhurried lets changes go before what a watch only repeats.
func unhurried(h handler.TypedEventHandler[client.Object, request]) handler.TypedEventHandler[client.Object, request] {
	return handler.WithLowPriorityWhenUnchanged(h)
}

func logOf(log logr.Logger) func(*request) logr.Logger {
	log = log.WithValues("controller", "session")
	return func(req *request) logr.Logger {
		if req == nil {
			return log
		}
		return log.WithValues("kind", req.kind, "namespace", req.Namespace, "name", req.Name)
	}
}

// Prepare gives the reconciler its memory. SetupWithManager calls it; who drives the reconciler without a manager has to, and
// tells it what the watches bring through Watches.
func (r *Reconciler) Prepare() (err error) {
	if r.Clock == nil {
		r.Clock = clock.RealClock{}
	}
	r.ledger = placement.NewLedger()
	r.metrics, err = newMetrics(r.Registerer, &r.queue)
	return err
}

// Reconcile makes one pass over one session.
func (r *Reconciler) Reconcile(ctx context.Context, req request) (ctrl.Result, error) {
	if err := r.seed(ctx); err != nil {
		return ctrl.Result{}, err
	}
	s, err := r.fetch(ctx, req)
	if s == nil || err != nil {
		return ctrl.Result{}, err
	}
	now := r.Clock.Now()
	f, err := r.observe(ctx, s, now)
	if err != nil {
		return ctrl.Result{}, err
	}
	d := r.act(s, decide(s, f, now))
	if err := r.publish(ctx, s, d, now); err != nil {
		if apierrors.IsConflict(err) {
			return ctrl.Result{RequeueAfter: conflictPause}, nil
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	return ctrl.Result{RequeueAfter: d.pause(now)}, nil
}

// fetch gives nil for a session that is gone, and for one that the cache shows older than this process wrote it: the
// watch will bring the newer one, and with it another pass.
func (r *Reconciler) fetch(ctx context.Context, req request) (*subject, error) {
	k := kindNamed(req.kind)
	o := k.new()
	if err := r.Client.Get(ctx, req.NamespacedName, o); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	if r.ledger.Behind(o.GetUID(), o.GetResourceVersion()) {
		return nil, nil
	}
	return k.subject(o), nil
}

// seed fills the ledger once from the API server itself. The watch may lag behind what the leader before this one
// wrote; a list that asks for no resourceVersion does not. (A write of a leader that lost its lease while the write was
// under way could still come after the list. The pod's own admission is what is left against that.)
func (r *Reconciler) seed(ctx context.Context) error {
	r.seeding.Lock()
	defer r.seeding.Unlock()
	if r.seeded {
		return nil
	}
	for _, k := range kinds {
		for next, more := "", true; more; more = next != "" {
			list := k.newList()
			if err := r.APIReader.List(ctx, list, client.Limit(seedPage), client.Continue(next)); err != nil {
				return fmt.Errorf("counting the seats that are taken: %w", err)
			}
			for _, s := range k.subjects(list) {
				r.ledger.Observe(s.binding())
			}
			next = list.GetContinue()
		}
	}
	r.seeded = true
	return nil
}

// pause until the decision has to be looked at again; zero for never.
func (d decision) pause(now time.Time) time.Duration {
	if d.next.IsZero() {
		return 0
	}
	return max(d.next.Sub(now), time.Millisecond)
}
