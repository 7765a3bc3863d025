// SPDX-License-Identifier: Apache-2.0

// Package callflow looks after CallFlows: it says whether each can be run, keeps its valid versions as ControllerRevisions for the calls
// that began with them, and tells who runs it. It also refuses flows with mistakes when they are applied; what that lets through, because
// it was away or because a mistake depends on what else is there, is told here.
//
// A pass observes, judges by a pure function, and publishes. No call waits for it.
package callflow

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// fieldOwner marks what this controller writes.
const fieldOwner = client.FieldOwner("callfleet-callflow")

// conflictDelay is how long a pass that met somebody else's write waits for the cache to show it.
const conflictDelay = 100 * time.Millisecond

// Reconciler is the controller of CallFlows. The fields are its settings; SetupWithManager gives it the rest.
type Reconciler struct {
	// Clock decides when a revision that nobody uses goes; nil: the real one.
	Clock clock.PassiveClock
	// KeepUnused is how long one is kept all the same; 0: an hour.
	KeepUnused time.Duration
	// RevisionLimit is what a revision may hold, in bytes; 0: what etcd takes.
	RevisionLimit int

	client   client.Client
	live     client.Reader
	metadata client.Reader
	recorder events.EventRecorder
	files    *files

	mu sync.Mutex
	// unused since when, by revision; what was not seen unused by this process is not in it.
	unused map[types.NamespacedName]time.Time
}

// +kubebuilder:rbac:groups=callfleet.dev,resources=callflows;callingbots;meetingsessions;calls,verbs=get;list;watch
// +kubebuilder:rbac:groups=callfleet.dev,resources=callflows/status,verbs=patch
// +kubebuilder:rbac:groups=apps,resources=controllerrevisions,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one CallFlow, or over what is left of one.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	flow := &v1alpha1.CallFlow{}
	if err := r.client.Get(ctx, request.NamespacedName, flow); apierrors.IsNotFound(err) {
		return r.prune(ctx, request.NamespacedName, "")
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the flow: %w", err)
	}
	seen, err := r.observe(ctx, flow)
	if err != nil {
		return reconcile.Result{}, err
	}
	judged := judge(seen.facts)
	if judged.valid() && flow.DeletionTimestamp.IsZero() {
		if err := r.keep(ctx, flow, judged); err != nil {
			return reconcile.Result{}, err
		}
	}
	if err := r.publish(ctx, flow, seen, judged); apierrors.IsConflict(err) {
		log.FromContext(ctx).V(1).Info("met another writer; trying again", "conflict", err.Error())
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	newest := judged.revision
	if newest == "" {
		newest = flow.Status.Revision
	}
	return r.prune(ctx, request.NamespacedName, newest)
}
