// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
)

// act carries the plan out and brings the observation up to date. One failure does not keep the rest from being done.
func (r *Reconciler) act(ctx context.Context, seen *observation, next plan) error {
	var failures []error
	for _, d := range next.deletes {
		failures = append(failures, r.delete(ctx, seen, d))
	}
	for _, d := range next.drains {
		failures = append(failures, r.drain(ctx, seen, d, mediaPodDraining))
	}
	for _, d := range next.remarks {
		failures = append(failures, r.drain(ctx, seen, d, mediaPodDeadline))
	}
	for _, pod := range next.giveUps {
		failures = append(failures, r.giveUp(ctx, seen, pod))
	}
	for _, u := range next.undrains {
		failures = append(failures, r.undrain(ctx, seen, u))
	}
	for _, w := range next.waits {
		log.FromContext(ctx).V(1).Info("media pod drains", "mediaPod", w.pod.Name, "reason", w.verdict.Reason, "message", w.verdict.Message)
	}
	if !seen.bot.DeletionTimestamp.IsZero() {
		if len(seen.pods) > 0 {
			failures = append(failures, r.keepAccess(ctx, seen.bot))
		}
		return errors.Join(append(failures, r.letGo(ctx, seen.bot))...)
	}
	for _, pod := range next.follows {
		failures = append(failures, r.follow(ctx, seen, pod))
	}
	// What the pods need comes before the pods, and the finalizer before all of it.
	if err := r.hold(ctx, seen.bot); err != nil {
		return errors.Join(append(failures, err)...)
	}
	if err := r.grantAccess(ctx, seen.bot); err != nil {
		return errors.Join(append(failures, err)...)
	}
	for _, c := range next.creates {
		failures = append(failures, r.create(ctx, seen, c))
	}
	return errors.Join(failures...)
}

func (r *Reconciler) create(ctx context.Context, seen *observation, c creation) error {
	pod := newMediaPod(seen, c)
	if err := r.Client.Create(ctx, pod, fieldOwner); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return r.whoHas(ctx, pod, err)
		}
		return fmt.Errorf("creating media pod %s: %w", pod.Name, err)
	}
	seen.pods = append(seen.pods, *pod)
	created.WithLabelValues(pod.Namespace, seen.bot.Name).Inc()
	r.record(seen.bot, mediaPodCreated(pod, c.why))
	return nil
}

// whoHas tells a pod that the cache has yet to show, which is a conflict like any other, from one in the way.
func (r *Reconciler) whoHas(ctx context.Context, pod *v1alpha1.MediaPod, exists error) error {
	var there v1alpha1.MediaPod
	if err := r.APIReader.Get(ctx, client.ObjectKeyFromObject(pod), &there); err != nil {
		return fmt.Errorf("reading media pod %s: %w", pod.Name, err)
	}
	if there.Spec.BotRef == pod.Spec.BotRef && there.Spec.Slot == pod.Spec.Slot {
		return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("mediapods").GroupResource(), pod.Name, exists)
	}
	return fmt.Errorf("media pod %s, slot %d of bot %s, is %w", pod.Name, there.Spec.Slot, there.Spec.BotRef.Name, errInTheWay)
}

// drain marks a pod, or changes what its mark says, and tells of it.
func (r *Reconciler) drain(ctx context.Context, seen *observation, m marking, tell func(*v1alpha1.MediaPod, string) event) error {
	before := m.pod.DeepCopy()
	m.pod.Spec.Drain = &m.drain
	if err := r.Client.Patch(ctx, m.pod, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		before.DeepCopyInto(m.pod)
		return fmt.Errorf("draining media pod %s: %w", m.pod.Name, err)
	}
	if before.Spec.Drain == nil {
		drained.WithLabelValues(m.pod.Namespace, seen.bot.Name, m.drain.Reason).Inc()
	}
	r.record(seen.bot, tell(m.pod, m.why))
	return nil
}

// undrain takes a pod's mark back. It missed what the bot's rules have become since.
func (r *Reconciler) undrain(ctx context.Context, seen *observation, u undrain) error {
	before := u.pod.DeepCopy()
	u.pod.Spec.Drain = nil
	follow(u.pod, seen.bot)
	if err := r.Client.Patch(ctx, u.pod, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		before.DeepCopyInto(u.pod)
		return fmt.Errorf("taking media pod %s back: %w", u.pod.Name, err)
	}
	undrained.WithLabelValues(u.pod.Namespace, seen.bot.Name).Inc()
	r.record(seen.bot, mediaPodTakenBack(u.pod, u.why))
	return nil
}

// giveUp says in the user's name that a pod is lost, who wants the bot deleted by force.
func (r *Reconciler) giveUp(ctx context.Context, seen *observation, pod *v1alpha1.MediaPod) error {
	if pod.Annotations[v1alpha1.AnnotationLost] == "true" {
		return nil
	}
	before := pod.DeepCopy()
	metav1.SetMetaDataAnnotation(&pod.ObjectMeta, v1alpha1.AnnotationLost, "true")
	if err := r.Client.Patch(ctx, pod, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		before.DeepCopyInto(pod)
		return fmt.Errorf("giving media pod %s up: %w", pod.Name, err)
	}
	r.record(seen.bot, mediaPodGivenUp(pod))
	return nil
}

func (r *Reconciler) follow(ctx context.Context, seen *observation, pod *v1alpha1.MediaPod) error {
	before := pod.DeepCopy()
	follow(pod, seen.bot)
	if err := r.Client.Patch(ctx, pod, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), fieldOwner); err != nil {
		before.DeepCopyInto(pod)
		return fmt.Errorf("giving media pod %s the bot's rules for incoming calls: %w", pod.Name, err)
	}
	return nil
}

func (r *Reconciler) delete(ctx context.Context, seen *observation, d deletion) error {
	if err := r.Client.Delete(ctx, d.pod, drain.Preconditions(d.pod)); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("deleting media pod %s: %w", d.pod.Name, err)
	}
	deleted.WithLabelValues(d.pod.Namespace, seen.bot.Name).Inc()
	if mark := d.pod.Spec.Drain; mark != nil {
		drainSeconds.WithLabelValues(d.pod.Namespace, seen.bot.Name).Observe(r.Clock.Since(mark.Since.Time).Seconds())
	}
	r.record(seen.bot, mediaPodDeleted(d.pod, d.why, drain.Unstored(d.pod) != nil))
	return nil
}

// mediaPodName is derived from the slot, so that a cache that does not show a pod yet can only cause AlreadyExists.
func mediaPodName(bot *v1alpha1.CallingBot, slot int32) string {
	return fmt.Sprintf("%s-%d", bot.Name, slot)
}

// newMediaPod is the pod of a slot. It has no owner reference: with one, `kubectl delete --cascade=foreground` on the bot
// would make the garbage collector delete the Pods below at once, under live calls. The bot's finalizer sees to the end
// instead.
func newMediaPod(seen *observation, c creation) *v1alpha1.MediaPod {
	bot := seen.bot
	revision, config := seen.revision, &bot.Spec.FleetConfig
	if c.like != nil {
		revision, config = c.like.Spec.Revision, &c.like.Spec.FleetConfig
	}
	pod := &v1alpha1.MediaPod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace:  bot.Namespace,
			Name:       mediaPodName(bot, c.slot),
			Labels:     map[string]string{v1alpha1.LabelBot: bot.Name},
			Finalizers: []string{v1alpha1.FinalizerDrain},
		},
		Spec: v1alpha1.MediaPodSpec{
			BotRef:      v1alpha1.BotReference{Name: bot.Name},
			Slot:        c.slot,
			Revision:    revision,
			FleetConfig: *config.DeepCopy(),
		},
	}
	follow(pod, bot)
	return pod
}
