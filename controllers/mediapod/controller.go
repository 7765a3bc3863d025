// SPDX-License-Identifier: Apache-2.0

// Package mediapod turns a MediaPod into a running process with a public address and a certificate: it keeps the Pod,
// the Service and the certificate's Secret, and says in the status how far that is.
//
// A pass observes, decides, acts and publishes. Deciding and the status are pure functions of what was observed.
package mediapod

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// FieldOwner is the field manager of everything this controller writes.
const FieldOwner = client.FieldOwner("callfleet-mediapod")

const (
	// soon is when a pass that met a stale cache is repeated, should the cache's own event not come first.
	soon = 250 * time.Millisecond
	// later is when something that only others can change, and that is not watched, is looked at again.
	later = 30 * time.Second
)

// Reconciler reconciles MediaPods. What is left empty, but for the image, is the manager's.
type Reconciler struct {
	// MediaPodImage is the image of the container "mediapod".
	MediaPodImage string

	Client client.Client
	// APIReader reads past the cache: Secrets, whose values are not cached, and what a stale cache must not decide.
	APIReader client.Reader
	// Metadata reads the metadata of Secrets from the cache, which holds no more of them.
	Metadata client.Reader
	Recorder events.EventRecorder
	Clock    clock.PassiveClock

	secrets   secretReader
	issuances issuanceReader
}

// +kubebuilder:rbac:groups=callfleet.dev,resources=mediapods,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=callfleet.dev,resources=mediapods/status,verbs=patch
// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots,verbs=get;list;watch
// +kubebuilder:rbac:groups=callfleet.dev,resources=meetingsessions;calls,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=services,verbs=get;list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=get;create;patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one MediaPod.
func (r *Reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	mp := &v1alpha1.MediaPod{}
	if err := r.Client.Get(ctx, request.NamespacedName, mp); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !mp.DeletionTimestamp.IsZero() && !controllerutil.ContainsFinalizer(mp, v1alpha1.FinalizerDrain) {
		return ctrl.Result{}, nil // released; what it owns goes with it
	}
	facts, err := r.observe(ctx, mp)
	if err != nil {
		return ctrl.Result{}, fmt.Errorf("observing: %w", err)
	}
	plan := decide(facts, r.MediaPodImage)
	problems := []error{r.act(ctx, &facts, &plan)}
	if !plan.release {
		problems = append(problems, r.publish(ctx, facts, plan))
	}
	for _, err := range problems {
		switch {
		case err == nil:
		case isStale(err):
			plan.lookAgain(soon)
		default:
			return ctrl.Result{}, err
		}
	}
	return ctrl.Result{RequeueAfter: plan.again}, nil
}

// isStale says that a write was based on an old reading: the next pass, with a new one, puts it right.
func isStale(err error) bool {
	return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
}
