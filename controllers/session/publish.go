// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// act takes the seat that a decision asks for. If there is none, the decision's alternative holds.
func (r *Reconciler) act(s *subject, d decision) decision {
	if d.verdict != place {
		return d
	}
	reservation, ok := r.ledger.Reserve(s.seeker(), d.candidates, d.order)
	switch {
	case ok:
		return decision{verdict: bind, pod: reservation.Pod.Name, seats: reservation.Seats, reserved: true, refused: d.refused, handOver: d.handOver}
	case reservation.Rival.Name != "":
		return rivalled(*d.orElse, reservation.Rival.Name)
	default:
		return *d.orElse
	}
}

// publish writes a decision down: the finalizer before the first binding, then the status, and the finalizer away at
// the end.
func (r *Reconciler) publish(ctx context.Context, s *subject, d decision, now time.Time) error {
	if d.verdict == expire {
		return r.expire(ctx, s)
	}
	r.queue.track(s, d, now)
	if needsFinalizer(s, d) {
		if err := r.patchMetadata(ctx, s, func() { controllerutil.AddFinalizer(s.object, v1alpha1.FinalizerHangUp) }); err != nil {
			r.settle(s, d, "", err, false)
			return err
		}
	}
	if err := r.patchStatus(ctx, s, d, now); err != nil {
		return err
	}
	if s.finished() && (s.finalized() || s.unowned()) {
		return r.release(ctx, s)
	}
	return nil
}

// needsFinalizer: before the first binding; and of a call that came in, which was bound when it was made, once its pod has
// told of it. Were it sooner, the pod's first report would always meet a newer version.
func needsFinalizer(s *subject, d decision) bool {
	switch {
	case s.finalized() || s.deleted():
		return false
	case d.verdict == bind:
		return true
	default:
		return s.incoming && (d.verdict == keep || d.verdict == wait)
	}
}

// release lets go of an object whose call is over: the finalizer goes, and a call that came in becomes its bot's.
func (r *Reconciler) release(ctx context.Context, s *subject) error {
	var owners []metav1.OwnerReference
	if s.unowned() {
		var bot v1alpha1.CallingBot
		switch err := r.Client.Get(ctx, s.bot(), &bot); {
		case err == nil:
			owner := metav1.NewControllerRef(&bot, v1alpha1.GroupVersion.WithKind("CallingBot"))
			owner.BlockOwnerDeletion = nil
			owners = []metav1.OwnerReference{*owner}
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("reading bot %s: %w", s.bot(), err)
		case !s.finalized():
			return nil
		}
	}
	return r.patchMetadata(ctx, s, func() {
		controllerutil.RemoveFinalizer(s.object, v1alpha1.FinalizerHangUp)
		s.object.SetOwnerReferences(append(s.object.GetOwnerReferences(), owners...))
	})
}

func (r *Reconciler) patchStatus(ctx context.Context, s *subject, d decision, now time.Time) error {
	base := s.object.DeepCopyObject().(client.Object)
	before := s.kind.subject(base)
	apply(s, d, now)
	if s.unchanged(before) {
		return nil
	}
	err := r.Client.Status().Patch(ctx, s.object, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}), fieldOwner)
	r.settle(s, d, base.GetResourceVersion(), err, true)
	if err != nil {
		return fmt.Errorf("writing the status of %s %s: %w", s.kind.noun, s.key(), err)
	}
	r.wrote(ctx, s, d, before.status)
	return nil
}

// settle tells the ledger what became of a write. An answer that never came leaves a reservation in doubt; if the
// write that was to take the seat was not even tried, there is nothing to doubt.
func (r *Reconciler) settle(s *subject, d decision, base string, err error, tried bool) {
	switch {
	case err == nil && d.reserved:
		r.ledger.Confirm(s.binding())
	case err == nil:
		r.ledger.Observe(s.binding())
	case !d.reserved:
	case !tried || refusedByServer(err):
		r.ledger.Release(s.uid())
	default:
		r.ledger.Doubt(s.uid(), base)
	}
}

// refusedByServer reports whether the API server said that it did not write.
func refusedByServer(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	code := status.Status().Code
	return code >= http.StatusBadRequest && code < http.StatusInternalServerError && !apierrors.IsTimeout(err)
}

// wrote follows a status write that succeeded: what was decided now holds, and may be told and counted.
func (r *Reconciler) wrote(ctx context.Context, s *subject, d decision, before *v1alpha1.CallStatus) {
	if d.refused != nil {
		r.refusals.add(s.uid(), *d.refused)
	}
	r.metrics.count(s, d, r.Clock.Now())
	for _, h := range happenings(before, d) {
		r.announce(s, h)
	}
	log.FromContext(ctx).V(1).Info("decided", "verdict", d.verdict, "phase", s.status.Phase, "reason", d.reason, "mediaPod", s.status.MediaPod)
}

// patchMetadata changes finalizers and owners. The lock is needed because a merge patch replaces lists.
func (r *Reconciler) patchMetadata(ctx context.Context, s *subject, change func()) error {
	base := s.object.DeepCopyObject().(client.Object)
	change()
	if err := r.Client.Patch(ctx, s.object, client.MergeFromWithOptions(base, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		return fmt.Errorf("writing the metadata of %s %s: %w", s.kind.noun, s.key(), err)
	}
	r.ledger.Observe(s.binding())
	return nil
}

// expire deletes a session whose time after the end is over.
func (r *Reconciler) expire(ctx context.Context, s *subject) error {
	uid := s.uid()
	if err := r.Client.Delete(ctx, s.object, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s %s, whose ttlSecondsAfterFinished has passed: %w", s.kind.noun, s.key(), err)
	}
	return nil
}
