// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// world is a namespace with a bot, some pods, and the session controller; the test plays users, agents and fleet.
type world struct {
	*controllertest.Cluster
	t          testing.TB
	ns         string
	clock      *clocktesting.FakePassiveClock
	manager    *controllertest.Manager
	reconciler *Reconciler
	registry   *prometheus.Registry
	reader     *countingReader
	nudges     chan event.GenericEvent
}

// countingReader counts passes: each begins with one read of a session or call.
type countingReader struct {
	client.Client
	passes atomic.Int64
}

func (c *countingReader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(v1alpha1.AnyCall); ok {
		c.passes.Add(1)
	}
	return c.Client.Get(ctx, key, o, opts...)
}

const bot = "reception"

// nudged has an object looked at without it having changed.
var nudged = handler.TypedFuncs[client.Object, request]{
	GenericFunc: func(_ context.Context, e event.GenericEvent, q workQueue) {
		q.Add(request{kindOf(e.Object), client.ObjectKeyFromObject(e.Object)})
	},
}

// newWorld has pods with so many seats each.
func newWorld(t testing.TB, seats ...int32) *world {
	w := emptyWorld(t)
	controllertest.Create(t, w.Client, controllertest.Bot(w.ns, bot).Object())
	for slot, n := range seats {
		w.addPod(int32(slot), n)
	}
	w.startManager()
	return w
}

func emptyWorld(t testing.TB) *world {
	cluster := controllertest.Start(t)
	return &world{
		Cluster: cluster, t: t, ns: cluster.Namespace(t),
		clock: clocktesting.NewFakePassiveClock(time.Now().Truncate(time.Second)),
	}
}

// startManager starts the controller, or starts it anew: the old one stops first.
func (w *world) startManager() {
	w.t.Helper()
	if w.manager != nil {
		w.manager.Stop()
	}
	w.registry = prometheus.NewRegistry()
	w.manager = w.StartManager(w.t, w.ns, func(mgr ctrl.Manager) error {
		w.reader = &countingReader{Client: mgr.GetClient()}
		w.reconciler = &Reconciler{Client: w.reader, Clock: w.clock, Registerer: w.registry}
		b, err := w.reconciler.builder(mgr)
		if err != nil {
			return err
		}
		w.nudges = make(chan event.GenericEvent)
		return b.WatchesRawSource(source.TypedChannel(w.nudges, nudged)).Complete(w.reconciler)
	})
}

func (w *world) addPod(slot, seats int32) *v1alpha1.MediaPod {
	w.t.Helper()
	config := controllertest.FleetConfig(bot)
	config.Capacity.Seats = seats
	return controllertest.Create(w.t, w.Client, controllertest.MediaPod(w.ns, bot, slot).Config(config).Ready().Object())
}

func instanceOf(pod string) string { return "instance-of-" + pod }

// session of the bot in a meeting of its own.
func (w *world) session(name string) *controllertest.SessionBuilder {
	return controllertest.Session(w.ns, name, bot)
}

func link(meeting string) string {
	return "https://teams.microsoft.com/l/meetup-join/19%3ameeting_" + meeting + "%40thread.v2/0?context=%7b%22Tid%22%3a%22t%22%7d"
}

func (w *world) create(b *controllertest.SessionBuilder) *v1alpha1.MeetingSession {
	w.t.Helper()
	ms := b.Object()
	if err := w.Client.Create(context.Background(), ms); err != nil {
		w.t.Fatalf("creating session %s: %v", ms.Name, err)
	}
	return ms
}

// await polls until the session satisfies check.
func (w *world) await(ms *v1alpha1.MeetingSession, what string, check func(*v1alpha1.MeetingSession) error) *v1alpha1.MeetingSession {
	w.t.Helper()
	return controllertest.Await(w.t, w.Client, ms, what, check)
}

func (w *world) awaitPhase(ms *v1alpha1.MeetingSession, phase v1alpha1.CallPhase) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.await(ms, "reach "+string(phase), func(ms *v1alpha1.MeetingSession) error {
		if ms.Status.Phase != phase {
			return fmt.Errorf("phase is %q", ms.Status.Phase)
		}
		return nil
	})
}

func (w *world) awaitBound(ms *v1alpha1.MeetingSession, pod string) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.await(ms, "be bound to "+pod, func(ms *v1alpha1.MeetingSession) error {
		if ms.Status.MediaPod != pod {
			return fmt.Errorf("it is bound to %q", ms.Status.MediaPod)
		}
		return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionAssigned, metav1.ConditionTrue, v1alpha1.ReasonBound)
	})
}

// awaitWaiting waits for a reason, and for a message with all of the words.
func (w *world) awaitWaiting(ms *v1alpha1.MeetingSession, reason string, words ...string) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.await(ms, "wait for "+reason, func(ms *v1alpha1.MeetingSession) error {
		if ms.Status.MediaPod != "" {
			return fmt.Errorf("it is bound to %q", ms.Status.MediaPod)
		}
		if err := controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionAssigned, metav1.ConditionFalse, reason); err != nil {
			return err
		}
		message := meta.FindStatusCondition(ms.Status.Conditions, v1alpha1.ConditionAssigned).Message
		for _, word := range words {
			if !strings.Contains(message, word) {
				return fmt.Errorf("the message %q lacks %q", message, word)
			}
		}
		return nil
	})
}

// The agent.

func (w *world) report(ms *v1alpha1.MeetingSession, change func(*v1alpha1.CallStatus)) *v1alpha1.MeetingSession {
	w.t.Helper()
	return controllertest.UpdateStatus(w.t, w.Client, ms, func(ms *v1alpha1.MeetingSession) { change(&ms.Status.CallStatus) })
}

func (w *world) claim(ms *v1alpha1.MeetingSession) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.report(ms, func(s *v1alpha1.CallStatus) {
		s.Phase, s.Call = v1alpha1.PhaseJoining, &v1alpha1.CallRecord{ClaimedBy: instanceOf(s.MediaPod), State: "establishing"}
	})
}

func (w *world) establish(ms *v1alpha1.MeetingSession) *v1alpha1.MeetingSession {
	w.t.Helper()
	w.claim(ms)
	return w.report(ms, func(s *v1alpha1.CallStatus) {
		s.Phase, s.Call.State = v1alpha1.PhaseEstablished, "established"
		for _, c := range []string{v1alpha1.ConditionConnected, v1alpha1.ConditionMediaFlowing} {
			meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: c, Status: metav1.ConditionTrue, Reason: "Established", Message: "in the call"})
		}
	})
}

func (w *world) end(ms *v1alpha1.MeetingSession, reason v1alpha1.EndReason, failed, retryable bool) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.report(ms, func(s *v1alpha1.CallStatus) {
		s.Call.End = &v1alpha1.CallEnd{Reason: reason, Message: "told by the agent", Failed: failed, Retryable: retryable}
	})
}

func (w *world) refuse(ms *v1alpha1.MeetingSession, message string) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.report(ms, func(s *v1alpha1.CallStatus) {
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionAssigned, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonPodRefused, Message: message,
		})
	})
}

// pass lets time go by for the controller, and wakes the sessions up as their timers would: those run on the wall clock.
func (w *world) pass(d time.Duration, sessions ...*v1alpha1.MeetingSession) {
	w.t.Helper()
	w.clock.SetTime(w.clock.Now().Add(d))
	for _, ms := range sessions {
		w.nudge(ms)
	}
}

func (w *world) nudge(o client.Object) {
	w.nudges <- event.GenericEvent{Object: o.DeepCopyObject().(client.Object)}
}
