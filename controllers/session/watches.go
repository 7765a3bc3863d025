// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

type workQueue = workqueue.TypedRateLimitingInterface[request]

// sessionWatch feeds the ledger, and wakes up the session and those that wait for what it gave up.
type sessionWatch struct {
	*Reconciler
	kind *kind
}

func (w sessionWatch) Create(_ context.Context, e event.CreateEvent, q workQueue) {
	s := w.kind.subject(e.Object)
	w.ledger.Observe(s.binding())
	if now := w.Clock.Now(); waitsForSeat(s, now) {
		w.queue.seen(s.uid(), s.bot(), now)
	}
	q.Add(s.request())
}

func (w sessionWatch) Update(ctx context.Context, e event.UpdateEvent, q workQueue) {
	before, s := w.kind.subject(e.ObjectOld), w.kind.subject(e.ObjectNew)
	relevant := differs(before, s)
	// A pass that met a cache older than what this process knew left it at that, and waits for this event.
	awaited := w.ledger.Observe(s.binding())
	if relevant || awaited {
		q.Add(s.request())
	}
	if relevant {
		w.yield(ctx, s, q)
	}
}

func (w sessionWatch) Delete(ctx context.Context, e event.DeleteEvent, q workQueue) {
	s := w.kind.subject(e.Object)
	w.ledger.Forget(s.uid())
	w.refusals.forget(s.uid())
	w.queue.leave(s.uid())
	q.Add(s.request())
	w.yield(ctx, s, q)
}

func (w sessionWatch) Generic(_ context.Context, e event.GenericEvent, q workQueue) {
	q.Add(w.kind.subject(e.Object).request())
}

// yield wakes up who may profit from a change of s.
func (w sessionWatch) yield(ctx context.Context, s *subject, q workQueue) {
	if !w.ledger.Holds(s.uid()) {
		w.wakeForSeats(ctx, s.bot(), q)
	}
	if s.meeting != "" {
		w.wake(ctx, q, func(o *subject) bool { return o.uid() != s.uid() && !o.bound() && !o.finished() },
			client.InNamespace(s.object.GetNamespace()), client.MatchingFields{indexMeeting: s.meeting})
	}
}

// podWatch wakes up the sessions that wait for a seat when the fleet changes, and those on a pod when their agent does.
// The seats and calls that agents report by the second change nothing here.
type podWatch struct{ *Reconciler }

func (w podWatch) Create(ctx context.Context, e event.CreateEvent, q workQueue) {
	w.wakeFleet(ctx, e.Object.(*v1alpha1.MediaPod), q)
	w.wakeHolders(ctx, e.Object, q)
}

func (w podWatch) Update(ctx context.Context, e event.UpdateEvent, q workQueue) {
	before, after := podFactsOf(e.ObjectOld.(*v1alpha1.MediaPod)), podFactsOf(e.ObjectNew.(*v1alpha1.MediaPod))
	if after.differs(before) {
		w.wakeFleet(ctx, e.ObjectNew.(*v1alpha1.MediaPod), q)
	}
	if before.instance != after.instance {
		w.wakeHolders(ctx, e.ObjectNew, q)
	}
}

func (w podWatch) Delete(ctx context.Context, e event.DeleteEvent, q workQueue) {
	w.wakeFleet(ctx, e.Object.(*v1alpha1.MediaPod), q)
	w.wakeHolders(ctx, e.Object, q)
	w.wake(ctx, q, (*subject).finished, client.InNamespace(e.Object.GetNamespace()), client.MatchingFields{indexUnsaved: e.Object.GetName()})
}

func (podWatch) Generic(context.Context, event.GenericEvent, workQueue) {}

func (w podWatch) wakeFleet(ctx context.Context, mp *v1alpha1.MediaPod, q workQueue) {
	w.wake(ctx, q, func(s *subject) bool { return !s.finished() && !s.bound() },
		client.InNamespace(mp.Namespace), client.MatchingFields{indexBot: mp.Spec.BotRef.Name})
}

func (w podWatch) wakeHolders(ctx context.Context, mp client.Object, q workQueue) {
	w.wake(ctx, q, func(s *subject) bool { return !s.finished() },
		client.InNamespace(mp.GetNamespace()), client.MatchingFields{indexMediaPod: mp.GetName()})
}

// botWatch wakes up the sessions that miss a bot; in all namespaces, since their messages name the others.
type botWatch struct{ *Reconciler }

func (w botWatch) Create(ctx context.Context, e event.CreateEvent, q workQueue) {
	w.wakeSessions(ctx, e.Object, q)
}

func (w botWatch) Update(ctx context.Context, e event.UpdateEvent, q workQueue) {
	if (e.ObjectOld.GetDeletionTimestamp() == nil) != (e.ObjectNew.GetDeletionTimestamp() == nil) {
		w.wakeSessions(ctx, e.ObjectNew, q)
	}
}

func (w botWatch) Delete(ctx context.Context, e event.DeleteEvent, q workQueue) {
	w.metrics.forgetBot(client.ObjectKeyFromObject(e.Object))
	w.wakeSessions(ctx, e.Object, q)
}

func (botWatch) Generic(context.Context, event.GenericEvent, workQueue) {}

func (w botWatch) wakeSessions(ctx context.Context, bot client.Object, q workQueue) {
	w.wake(ctx, q, func(s *subject) bool { return !s.finished() && !s.bound() }, client.MatchingFields{indexBot: bot.GetName()})
}

// differs reports whether a session changed in anything a decision may rest on. What an agent reports of a running
// call, every second, is not among it.
func differs(a, b *subject) bool {
	return a.object.GetGeneration() != b.object.GetGeneration() ||
		a.deleted() != b.deleted() || a.finalized() != b.finalized() ||
		a.status.Phase != b.status.Phase || a.status.MediaPod != b.status.MediaPod || a.status.Attempts != b.status.Attempts ||
		claimOf(a) != claimOf(b) || ended(a) != ended(b) ||
		stateOf(a, v1alpha1.ConditionAssigned) != stateOf(b, v1alpha1.ConditionAssigned) ||
		stateOf(a, v1alpha1.ConditionNeedsAttention) != stateOf(b, v1alpha1.ConditionNeedsAttention)
}

func claimOf(s *subject) string {
	if s.status.Call == nil {
		return ""
	}
	return s.status.Call.ClaimedBy
}

func ended(s *subject) bool { return s.status.Call != nil && s.status.Call.End != nil }

func stateOf(s *subject, conditionType string) string {
	c := s.condition(conditionType)
	if c == nil {
		return ""
	}
	return string(c.Status) + "/" + c.Reason + "/" + c.Message
}
