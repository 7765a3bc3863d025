// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/fleet"
	"github.com/callfleet/callfleet/controllers/session"
)

// The leader of the time: the two real controllers, what they see, and when they are called.

// follow lets a cache see the last change some time later, in order.
func (w *world) follow(c *cached, feed func(change)) {
	n, term := len(w.server.log), w.term
	w.after(w.between(time.Millisecond, 20*time.Millisecond+w.stale), func() {
		if term == w.term {
			w.deliver(c, n, feed)
		}
	})
}

func (w *world) deliver(c *cached, until int, feed func(change)) {
	for c.seen < until {
		next := w.server.log[c.seen]
		c.seen++
		c.put(next.key, next.after, next.places)
		feed(next)
	}
}

// elect a new leader, who begins with a cache that may be old.
func (w *world) elect() {
	w.term++
	w.leaders++
	for _, c := range []*cached{w.fleetCache, w.sessionCache} {
		if c != nil {
			c.land() // a lease outlasts the requests made under it
		}
	}
	fault := func() fault {
		if !w.odds(w.faults) {
			return none
		}
		return fault(1 + w.random.IntN(3))
	}
	lag := w.random.IntN(8)
	newCache := func() *cached {
		c := &cached{objects: newObjects(w.server.indexes), server: w.server, fault: fault}
		return c
	}
	w.fleetCache, w.sessionCache = newCache(), newCache()
	w.fleets = &fleet.Reconciler{Client: w.fleetCache, APIReader: &w.server.objects, Recorder: recorder{w}, Clock: w.clock}
	w.fleets.Prepare(w.fleetCache)
	w.binder = &session.Reconciler{Client: w.sessionCache, APIReader: &w.server.objects, Recorder: silence{}, Clock: w.clock, Registerer: prometheus.NewRegistry()}
	w.must(w.binder.Prepare())
	w.watches = map[string]session.Watch{}
	for _, watch := range w.binder.Watches() {
		w.watches[kindOf(watch.Object)] = watch
	}
	w.fleetDue, w.binderDue = time.Time{}, map[session.Request]time.Time{}
	known := max(0, len(w.server.log)-lag)
	w.deliver(w.fleetCache, known, func(change) {})
	w.deliver(w.sessionCache, known, w.feedBinder)
	w.queueFleet(0)
	w.follow(w.fleetCache, w.feedFleet)
	w.follow(w.sessionCache, w.feedBinder)
}

// feedFleet has the fleet controller look at what its watches let through.
func (w *world) feedFleet(c change) {
	before, is := c.before.(v1alpha1.AnyCall)
	if after, still := c.after.(v1alpha1.AnyCall); is && still && drain.BoundTo(before) == drain.BoundTo(after) &&
		finished(before) == finished(after) && before.GetGeneration() == after.GetGeneration() {
		return
	}
	w.queueFleet(w.between(w.gather/10, w.gather))
}

// queueFleet has the fleet controller look at the bot; a pass that is due sooner is enough.
func (w *world) queueFleet(in time.Duration) {
	due := w.now().Add(in)
	if !w.fleetDue.IsZero() && !due.Before(w.fleetDue) {
		return
	}
	w.fleetDue = due
	term := w.term
	w.at(due, func() {
		if term != w.term || !w.fleetDue.Equal(due) {
			return
		}
		w.fleetDue = time.Time{}
		w.passes++
		result, err := w.fleets.Reconcile(context.Background(), reconcile.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: botName}})
		switch {
		case err != nil:
			w.queueFleet(time.Second)
		case result.RequeueAfter > 0:
			w.queueFleet(result.RequeueAfter)
		}
	})
}

// feedBinder has the session controller's watches see a change.
func (w *world) feedBinder(c change) {
	watch, ok := w.watches[c.key.kind]
	if !ok {
		return
	}
	ctx, q := context.Background(), binderQueue{w: w}
	switch {
	case c.before == nil:
		watch.Handler.Create(ctx, event.TypedCreateEvent[client.Object]{Object: c.after}, q)
	case c.after == nil:
		watch.Handler.Delete(ctx, event.TypedDeleteEvent[client.Object]{Object: c.before}, q)
	default:
		watch.Handler.Update(ctx, event.TypedUpdateEvent[client.Object]{ObjectOld: c.before, ObjectNew: c.after}, q)
	}
}

type binderQueue struct {
	workqueue.TypedRateLimitingInterface[session.Request]
	w *world
}

// Add implements the queue.
func (q binderQueue) Add(r session.Request) {
	q.in(r, q.w.between(time.Millisecond, 10*time.Millisecond))
}

func (q binderQueue) in(r session.Request, after time.Duration) {
	w := q.w
	due := w.now().Add(after)
	if sooner := w.binderDue[r]; !sooner.IsZero() && !due.Before(sooner) {
		return
	}
	w.binderDue[r] = due
	term := w.term
	w.at(due, func() {
		if term != w.term || !w.binderDue[r].Equal(due) {
			return
		}
		delete(w.binderDue, r)
		w.passes++
		result, err := w.binder.Reconcile(context.Background(), r)
		switch {
		case err != nil:
			q.in(r, time.Second)
		case result.RequeueAfter > 0:
			q.in(r, result.RequeueAfter)
		}
	})
}
