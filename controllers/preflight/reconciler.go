// SPDX-License-Identifier: Apache-2.0

// Package preflight finds out before the first call whether a CallingBot can make and take calls: whether the login
// service gives it tokens, in its own and in every allowed tenant; whether they carry the roles that what the spec asks for
// needs; and whether its public name leads to the router.
//
// A pass observes what has to be observed anew, judges by a pure function and publishes conditions. It changes nothing else.
package preflight

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// fieldOwner marks what this controller writes.
const fieldOwner = client.FieldOwner("callfleet-preflight")

// conflictDelay is how long a pass that met somebody else's write waits for the cache to show it.
const conflictDelay = 100 * time.Millisecond

// Reconciler is the preflight controller. The fields are its settings; SetupWithManager gives it the rest.
type Reconciler struct {
	// Clock decides when to look again; nil: the real one.
	Clock clock.PassiveClock
	// Transport carries the requests; nil: one that trusts the system's roots. A bot's caBundle is trusted besides.
	Transport *http.Transport

	client client.Client
	live   client.Reader
	// metadata of Secrets and ConfigMaps, from the cache: the client asks the API server for those.
	metadata client.Reader

	mu    sync.Mutex
	looks map[types.NamespacedName]look
}

// look is what was found out by asking, and when that was.
type look struct {
	facts facts
	asked question
	at    time.Time
	// failures in a row, this one included.
	failures int
}

// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots;mediapods;meetingsessions;calls,verbs=get;list;watch
// +kubebuilder:rbac:groups=callfleet.dev,resources=callingbots/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets;configmaps,verbs=get;list;watch

// Reconcile makes one pass over one CallingBot.
func (r *Reconciler) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	bot := &v1alpha1.CallingBot{}
	if err := r.client.Get(ctx, request.NamespacedName, bot); apierrors.IsNotFound(err) {
		r.forget(request.NamespacedName)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("reading the bot: %w", err)
	}
	if !bot.DeletionTimestamp.IsZero() {
		r.forget(request.NamespacedName)
		return reconcile.Result{}, nil
	}
	q, err := r.questionOf(ctx, bot)
	if err != nil {
		return reconcile.Result{}, err
	}
	needs, err := r.needsOf(ctx, bot)
	if err != nil {
		return reconcile.Result{}, err
	}
	found := r.last(request.NamespacedName)
	if found.wait(q, r.Clock.Now()) <= 0 {
		last := found
		found = look{facts: r.observe(ctx, bot), asked: q, at: r.Clock.Now()}
		if err := ctx.Err(); err != nil {
			return reconcile.Result{}, fmt.Errorf("asking: %w", err)
		}
		if last.asked == q {
			found.failures = last.failures
		}
		if !allTrue(judge(bot, found.facts, needs, found.at)) || found.facts.webhook.outcome == webhookUnproved {
			found.failures++
		} else {
			found.failures = 0
		}
		r.keep(request.NamespacedName, found)
	}
	verdict := judge(bot, found.facts, needs, r.Clock.Now())
	if !allTrue(verdict) && found.failures == 0 {
		// Something is asked for now that was not when it was looked. It may have been granted since.
		found.failures = 1
		r.keep(request.NamespacedName, found)
	}
	if err := r.publish(ctx, bot, verdict); apierrors.IsConflict(err) {
		log.FromContext(ctx).V(1).Info("met another writer; trying again", "conflict", err.Error())
		return reconcile.Result{RequeueAfter: conflictDelay}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{RequeueAfter: max(time.Second, found.wait(q, r.Clock.Now()))}, nil
}

func allTrue(verdict []metav1.Condition) bool {
	return !slices.ContainsFunc(verdict, func(c metav1.Condition) bool { return c.Status != metav1.ConditionTrue })
}

// publish writes the conditions, if they are not what was written last. Those of others stay as they are.
func (r *Reconciler) publish(ctx context.Context, bot *v1alpha1.CallingBot, verdict []metav1.Condition) error {
	after := bot.DeepCopy()
	for _, c := range verdict {
		c.ObservedGeneration, c.LastTransitionTime = bot.Generation, metav1.NewTime(r.Clock.Now()).Rfc3339Copy()
		meta.SetStatusCondition(&after.Status.Conditions, c)
	}
	if apiequality.Semantic.DeepEqual(bot.Status.Conditions, after.Status.Conditions) {
		return nil
	}
	err := r.client.Status().Patch(ctx, after, client.MergeFromWithOptions(bot, client.MergeFromWithOptimisticLock{}), fieldOwner)
	if err == nil || apierrors.IsNotFound(err) {
		return nil
	}
	return fmt.Errorf("writing the status: %w", err)
}

// last is what was found out last; the zero look if nothing was yet.
func (r *Reconciler) last(name types.NamespacedName) look {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looks[name]
}

func (r *Reconciler) keep(name types.NamespacedName, l look) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks[name] = l
}

func (r *Reconciler) forget(name types.NamespacedName) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.looks, name)
}

// tenantsOf are the tenants the bot serves, its own first.
func tenantsOf(bot *v1alpha1.CallingBot) []string {
	tenants := []string{string(bot.Spec.Identity.TenantID)}
	for _, t := range bot.Spec.Identity.AllowedTenants {
		if !slices.Contains(tenants, string(t)) {
			tenants = append(tenants, string(t))
		}
	}
	return tenants
}
