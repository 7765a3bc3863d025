// SPDX-License-Identifier: Apache-2.0

// Package fleet keeps as many MediaPods as a CallingBot wants, of the configuration it has now, without ever ending a
// call: pods that are too many are marked draining and deleted when they are empty. Only what decides about calls to come,
// the rules for incoming ones and the redirects, follows the bot in a pod that runs.
//
// A pass observes, plans, acts and publishes. The plan is a pure function of what was observed and the clock.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// fieldOwner marks what this controller writes.
const fieldOwner = client.FieldOwner("callfleet-fleet")

// DefaultMediaPodRole is the ClusterRole media pods are bound to, in their own namespace.
const DefaultMediaPodRole = "callfleet-mediapod"

// conflictDelay is how long a pass that met somebody else's write waits for the cache to show it.
const conflictDelay = 100 * time.Millisecond

// Reconciler is the fleet controller. The fields are its settings; what is left out is taken from the manager, or as said.
type Reconciler struct {
	// MediaPodRole is the ClusterRole that media pods are bound to; empty: DefaultMediaPodRole.
	MediaPodRole string
	// Clock gives drain marks and transitions their time; nil: the real one.
	Clock clock.PassiveClock

	// Client reads from the cache and writes; APIReader reads from the API server itself, where the cache may be too old.
	Client    client.Client
	APIReader client.Reader
	Recorder  events.EventRecorder

	keys           *keyring
	configurations configurations
}

// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots/status,verbs=patch
// +kubebuilder:rbac:groups=callfleet.dev,resources=mediapods,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=callfleet.dev,resources=meetingsessions;calls;callflows,verbs=get;list;watch
// +kubebuilder:rbac:groups=callfleet.dev,resources=meetingsessions/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=create;update;delete
// +kubebuilder:rbac:groups="",resources=serviceaccounts,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=get;list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=callfleet-mediapod,verbs=bind
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// Reconcile makes one pass over one CallingBot.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	bot := &v1alpha1.CallingBot{}
	if err := r.Client.Get(ctx, request.NamespacedName, bot); apierrors.IsNotFound(err) {
		return r.clearAway(ctx, request.NamespacedName)
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the bot: %w", err)
	}
	seen, err := r.observe(ctx, r.Client, bot)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := makePlan(seen, r.Clock.Now())
	if next.irrevocable() {
		// What is given and taken back would cost a pod its calls to come, so marks are not decided on by a cache that may
		// not yet show those of the last pass.
		if seen, err = r.observeLive(ctx, bot); err != nil {
			return reconcile.Result{}, err
		}
		next = makePlan(seen, r.Clock.Now())
	}
	if err = r.act(ctx, seen, next); err != nil && seen.problem == nil {
		seen.problem = refusalOf(err)
	}
	err = errors.Join(err, r.publish(ctx, seen))
	more, failed := r.reserve(ctx, seen)
	result, err := quietly(ctx, errors.Join(err, failed))
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = r.lookAgain(seen, &next, more)
	}
	return result, err
}

// lookAgain is when a pass is due though nothing has changed; 0 for never.
func (r *Reconciler) lookAgain(seen *observation, done *plan, more bool) time.Duration {
	now := r.Clock.Now()
	next := soonest.Of(nextDeadline(seen, now), nextAway(seen), done.until())
	if seen.scaling != nil {
		next = soonest.Of(next, seen.scaling.next)
	}
	for _, d := range seen.ahead {
		if d.start.After(now) { // what it can count on changes with what starts, and with what does not
			next = soonest.Of(next, now.Add(time.Minute))
		}
	}
	switch {
	case more:
		return time.Second
	case next.IsZero():
		return 0
	default:
		return max(next.Sub(now), time.Millisecond)
	}
}

// observeLive reads the bot and its pods from the API server.
func (r *Reconciler) observeLive(ctx context.Context, bot *v1alpha1.CallingBot) (*observation, error) {
	now := &v1alpha1.CallingBot{}
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(bot), now); err != nil {
		return nil, fmt.Errorf("reading the bot anew: %w", err)
	}
	return r.observe(ctx, r.APIReader, now)
}

// clearAway empties the fleet of a bot that is gone although it should have waited, because somebody took its finalizer
// away. Without owner references nobody else does.
func (r *Reconciler) clearAway(ctx context.Context, name types.NamespacedName) (reconcile.Result, error) {
	forget(name)
	defer r.configurations.forget(name) // observing it makes it known
	bot := &v1alpha1.CallingBot{}
	if err := r.APIReader.Get(ctx, name, bot); err == nil {
		return reconcile.Result{RequeueAfter: conflictDelay}, nil // the cache has yet to show it
	} else if !apierrors.IsNotFound(err) {
		return reconcile.Result{}, fmt.Errorf("making sure that the bot is gone: %w", err)
	}
	bot.Namespace, bot.Name, bot.DeletionTimestamp = name.Namespace, name.Name, ptr.To(metav1.NewTime(r.Clock.Now()))
	seen, err := r.observe(ctx, r.APIReader, bot)
	if err != nil {
		return reconcile.Result{}, err
	}
	next := makePlan(seen, r.Clock.Now())
	result, err := quietly(ctx, r.act(ctx, seen, next))
	if err == nil && result.RequeueAfter == 0 {
		result.RequeueAfter = r.lookAgain(seen, &next, false)
	}
	return result, err
}

// quietly turns conflicts into another pass: somebody else wrote in between, which is nobody's error.
func quietly(ctx context.Context, err error) (reconcile.Result, error) {
	if err == nil || !allConflicts(err) {
		return reconcile.Result{}, err
	}
	log.FromContext(ctx).V(1).Info("met another writer; trying again", "conflict", err.Error())
	return reconcile.Result{RequeueAfter: conflictDelay}, nil
}

func allConflicts(err error) bool {
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return apierrors.IsConflict(err)
	}
	for _, e := range joined.Unwrap() {
		if !allConflicts(e) {
			return false
		}
	}
	return true
}
