// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func (w *world) awaitCall(c *v1alpha1.Call, what string, check func(*v1alpha1.Call) error) *v1alpha1.Call {
	w.t.Helper()
	return controllertest.Await(w.t, w.Client, c, what, check)
}

func (w *world) awaitCallBound(c *v1alpha1.Call, pod string) *v1alpha1.Call {
	w.t.Helper()
	return w.awaitCall(c, "be bound to "+pod, func(c *v1alpha1.Call) error {
		if c.Status.MediaPod != pod {
			return fmt.Errorf("it is bound to %q", c.Status.MediaPod)
		}
		return controllertest.HasCondition(c.Status.Conditions, v1alpha1.ConditionAssigned, metav1.ConditionTrue, v1alpha1.ReasonBound)
	})
}

func (w *world) awaitCallClosed(c *v1alpha1.Call, phase v1alpha1.CallPhase, reason v1alpha1.EndReason) *v1alpha1.Call {
	w.t.Helper()
	return w.awaitCall(c, fmt.Sprintf("end as %s/%s", phase, reason), func(c *v1alpha1.Call) error {
		if c.Status.Phase != phase || c.Status.EndReason != reason || len(c.Finalizers) > 0 {
			return fmt.Errorf("phase %s, endReason %s, finalizers %v", c.Status.Phase, c.Status.EndReason, c.Finalizers)
		}
		return controllertest.HasCondition(c.Status.Conditions, v1alpha1.ConditionFinished, metav1.ConditionTrue, string(reason))
	})
}

func (w *world) reportCall(c *v1alpha1.Call, change func(*v1alpha1.CallStatus)) *v1alpha1.Call {
	w.t.Helper()
	return controllertest.UpdateStatus(w.t, w.Client, c, func(c *v1alpha1.Call) { change(&c.Status.CallStatus) })
}

// hold makes the call one that a pod's process holds, as its agent reports it.
func (w *world) hold(c *v1alpha1.Call, pod string, hosting v1alpha1.Hosting) *v1alpha1.Call {
	w.t.Helper()
	held := controllertest.Call(w.ns, c.Name, bot).Held(pod, instanceOf(pod), hosting).Object().Status
	return w.reportCall(c, func(s *v1alpha1.CallStatus) {
		s.MediaPod, s.Phase, s.Call = held.MediaPod, held.Phase, held.Call
	})
}

func (w *world) hungUp(c *v1alpha1.Call) {
	w.t.Helper()
	w.reportCall(c, func(s *v1alpha1.CallStatus) {
		s.Call.End = &v1alpha1.CallEnd{Reason: v1alpha1.EndRemoteHungUp, Message: "the other party hung up"}
	})
}

func (w *world) deleteObject(o *v1alpha1.Call) {
	w.t.Helper()
	if err := w.Client.Delete(context.Background(), o); err != nil {
		w.t.Fatal(err)
	}
}

func TestAnOutgoingCallFromBindingToItsEnd(t *testing.T) {
	w := newWorld(t, 20)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	c := controllertest.Create(t, w.Client, controllertest.Call(w.ns, "lunch", bot).Object())
	w.awaitCallBound(c, "reception-0")
	if c.Status.Direction != v1alpha1.CallOutgoing || c.Status.Attempts != 1 {
		t.Errorf("direction %q, attempts %d", c.Status.Direction, c.Status.Attempts)
	}
	w.hold(c, "reception-0", v1alpha1.HostingApplication)
	w.hungUp(c)
	w.awaitCallClosed(c, v1alpha1.PhaseCompleted, v1alpha1.EndRemoteHungUp)
	if len(c.OwnerReferences) > 0 {
		t.Errorf("the user's call is owned by %v", c.OwnerReferences)
	}
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	want := []string{"PATCH calls/lunch", "PATCH calls/lunch/status", "PATCH calls/lunch/status", "PATCH calls/lunch"}
	if diff := cmp.Diff(want, w.manager.Writes.List()); diff != "" {
		t.Errorf("writes (-want +got):\n%s", diff)
	}
}

func TestACallThatCameIn(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	c := controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, "caller", bot).Object())
	controllertest.Consistently(t, 300*time.Millisecond, "it is left to the pod that answered", func() error {
		if n := w.manager.Writes.Len(); n > 0 {
			return fmt.Errorf("%v", w.manager.Writes.List())
		}
		return nil
	})
	w.hold(c, "reception-1", v1alpha1.HostingApplication)
	w.awaitCallBound(c, "reception-1")
	w.awaitCall(c, "be held until its bot has hung up", func(c *v1alpha1.Call) error {
		if len(c.Finalizers) != 1 || c.Status.Direction != v1alpha1.CallIncoming || c.Status.Phase != v1alpha1.PhaseEstablished || c.Status.Attempts != 0 {
			return fmt.Errorf("finalizers %v, direction %q, phase %s, attempts %d", c.Finalizers, c.Status.Direction, c.Status.Phase, c.Status.Attempts)
		}
		return nil
	})
	// A foreground deletion of the bot would hang up on the caller, were the live call the bot's.
	if len(c.OwnerReferences) > 0 {
		t.Errorf("the live call is owned by %v", c.OwnerReferences)
	}
	// Its seat counts, and is given away when it is over, to a waiting session as to a waiting call.
	w.awaitBound(w.create(w.session("standup")), "reception-0")
	late := w.create(w.session("late"))
	w.awaitWaiting(late, v1alpha1.ReasonNoSeat)
	before := w.manager.Writes.Len()
	w.hungUp(c)
	w.awaitCallClosed(c, v1alpha1.PhaseCompleted, v1alpha1.EndRemoteHungUp)
	w.awaitBound(late, "reception-1")
	if len(c.OwnerReferences) != 1 || c.OwnerReferences[0].Kind != "CallingBot" || c.OwnerReferences[0].Name != bot || c.OwnerReferences[0].BlockOwnerDeletion != nil {
		t.Errorf("the call that is over is owned by %v", c.OwnerReferences)
	}
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	mine := 0
	for _, write := range w.manager.Writes.List() {
		if write == "PATCH calls/caller" || write == "PATCH calls/caller/status" {
			mine++
		}
	}
	if mine > 4 {
		t.Errorf("%d writes for one call: %v, then %v", mine, w.manager.Writes.List()[:before], w.manager.Writes.List()[before:])
	}
	// A new leader finds nothing to do; an hour later the call goes.
	w.startManager()
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if n := w.manager.Writes.Len(); n != 0 {
		t.Errorf("%d writes after a restart: %v", n, w.manager.Writes.List())
	}
	w.passCalls(time.Hour, c)
	controllertest.AwaitGone(t, w.Client, c)
}

func TestACallOfWhichNobodyTells(t *testing.T) {
	w := newWorld(t, 1)
	c := controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, "caller", bot).Object())
	w.clock.SetTime(c.CreationTimestamp.Time) // which the API server gives, whatever the test's clock says by then
	w.passCalls(toldWithin-2*time.Second, c)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	if n := w.manager.Writes.Len(); n > 0 {
		t.Errorf("it was not left alone: %v", w.manager.Writes.List())
	}
	w.passCalls(4*time.Second, c)
	w.awaitCallClosed(c, v1alpha1.PhaseFailed, v1alpha1.EndPodLost)
	w.awaitCall(c, "become the bot's", func(c *v1alpha1.Call) error {
		if len(c.OwnerReferences) != 1 || c.Status.MediaPod != "" {
			return fmt.Errorf("owners %v, pod %q", c.OwnerReferences, c.Status.MediaPod)
		}
		return nil
	})
}

// TestACallOfWhichItsProcessIsYetToTell: the API server was away for longer than anybody else is waited for.
func TestACallOfWhichItsProcessIsYetToTell(t *testing.T) {
	w := newWorld(t, 1)
	c := controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, "caller", bot).With(func(c *v1alpha1.Call) {
		c.Spec.Incoming.AnsweredBy = &v1alpha1.AnsweringProcess{MediaPod: "reception-0", Instance: instanceOf("reception-0")}
	}).Object())
	w.passCalls(10*toldWithin, c)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	if n := w.manager.Writes.Len(); n > 0 {
		t.Errorf("it was not left alone: %v", w.manager.Writes.List())
	}
	w.setInstance("reception-0", "")
	w.passCalls(2*toldWithin, c)
	w.awaitCallClosed(c, v1alpha1.PhaseFailed, v1alpha1.EndPodLost)
}

func TestADeletedCallStaysUntilItsBotHasHungUp(t *testing.T) {
	w := newWorld(t, 1)
	c := controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, "caller", bot).Object())
	w.hold(c, "reception-0", v1alpha1.HostingApplication)
	w.awaitCall(c, "have its finalizer", func(c *v1alpha1.Call) error {
		if len(c.Finalizers) == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
	w.deleteObject(c)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	w.reportCall(c, func(s *v1alpha1.CallStatus) {
		s.Call.End = &v1alpha1.CallEnd{Reason: v1alpha1.EndSessionDeleted, Message: "deleted"}
	})
	controllertest.AwaitGone(t, w.Client, c)
}

func TestACallThatOutlivesItsPod(t *testing.T) {
	w := newWorld(t, 2)
	c := controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, "caller", bot).Object())
	w.hold(c, "reception-0", v1alpha1.HostingService)
	w.awaitCallBound(c, "reception-0")
	w.deletePod("reception-0")
	w.awaitCall(c, "wait for a pod", func(c *v1alpha1.Call) error {
		if c.Status.MediaPod != "" || c.Status.Call == nil || c.Status.Call.ClaimedBy != "" || c.Status.Phase != v1alpha1.PhaseEstablished {
			return fmt.Errorf("pod %q, phase %s, call %+v", c.Status.MediaPod, c.Status.Phase, c.Status.Call)
		}
		return controllertest.HasCondition(c.Status.Conditions, v1alpha1.ConditionAssigned, metav1.ConditionFalse, v1alpha1.ReasonAdopting)
	})
	w.addPod(1, 2)
	w.awaitCallBound(c, "reception-1")
	if c.Status.Call.ClaimedBy != "" || c.Status.Call.ID == "" || c.Status.Attempts != 0 {
		t.Errorf("bound with %+v, attempts %d", c.Status.Call, c.Status.Attempts)
	}
	w.reportCall(c, func(s *v1alpha1.CallStatus) {
		s.Call.ClaimedBy = instanceOf(s.MediaPod)
		s.Timeline = record(s.Timeline, w.clock.Now(), eventAdopted, s.MediaPod)
	})
	// The process dies; another pod has room, and gets the call at once.
	w.addPod(2, 2)
	w.setInstance("reception-1", "")
	w.awaitCallBound(c, "reception-2")
	w.reportCall(c, func(s *v1alpha1.CallStatus) {
		s.Call.ClaimedBy = instanceOf(s.MediaPod)
		s.Timeline = record(s.Timeline, w.clock.Now(), eventAdopted, s.MediaPod)
	})
	w.hungUp(c)
	w.awaitCallClosed(c, v1alpha1.PhaseCompleted, v1alpha1.EndRemoteHungUp)
	var got []string
	for _, e := range c.Status.Timeline {
		got = append(got, e.Event+" "+e.Detail)
	}
	want := []string{
		"Adopting media pod reception-0, which held the call, was deleted", "Assigned reception-1", "Adopted reception-1",
		"Adopting the process in media pod reception-1 that held the call has ended", "Assigned reception-2", "Adopted reception-2",
		"Completed RemoteHungUp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

// passCalls is pass for Calls.
func (w *world) passCalls(d time.Duration, calls ...*v1alpha1.Call) {
	w.t.Helper()
	w.clock.SetTime(w.clock.Now().Add(d))
	for _, c := range calls {
		w.nudge(c)
	}
}

// TestAPodWithManyCallsIsLost: every call of a process that dies gets another pod, soon, and none is left out or counted
// twice.
func TestAPodWithManyCallsIsLost(t *testing.T) {
	const count = 200
	w := newWorld(t, count, count/2, count)
	for i := range count {
		controllertest.Create(t, w.Client, controllertest.IncomingCall(w.ns, fmt.Sprintf("caller-%03d", i), bot).
			Held("reception-0", instanceOf("reception-0"), v1alpha1.HostingService).Object())
	}
	perPod := func() map[string]int {
		var list v1alpha1.CallList
		if err := w.Client.List(context.Background(), &list, client.InNamespace(w.ns)); err != nil {
			t.Fatal(err)
		}
		perPod := map[string]int{}
		for _, c := range list.Items {
			if c.Status.Call == nil || c.Status.Call.ID == "" || c.Status.Phase != v1alpha1.PhaseEstablished {
				t.Fatalf("call %s is forgotten: phase %s, %+v", c.Name, c.Status.Phase, c.Status.Call)
			}
			if len(c.Finalizers) > 0 {
				perPod[c.Status.MediaPod]++
			}
		}
		return perPod
	}
	controllertest.Eventually(t, "all are held", func() error {
		if got := perPod(); got["reception-0"] != count {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	writes, begin := w.manager.Writes.Len(), time.Now()
	w.setInstance("reception-0", "")
	controllertest.Eventually(t, "all are given to others", func() error {
		got := perPod()
		if got["reception-1"] > count/2 || got["reception-2"] > count {
			t.Fatalf("seats are oversold: %v", got)
		}
		if got["reception-1"]+got["reception-2"] != count {
			return fmt.Errorf("%v", got)
		}
		return nil
	})
	t.Logf("%d calls were given to other pods within %s", count, time.Since(begin))
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if n := w.manager.Writes.Len() - writes; n > count {
		t.Errorf("%d writes for %d calls", n, count)
	}
}
