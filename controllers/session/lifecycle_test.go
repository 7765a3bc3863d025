// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func (w *world) awaitFinished(ms *v1alpha1.MeetingSession, phase v1alpha1.CallPhase, reason v1alpha1.EndReason) *v1alpha1.MeetingSession {
	w.t.Helper()
	return w.await(ms, fmt.Sprintf("end as %s/%s", phase, reason), func(ms *v1alpha1.MeetingSession) error {
		if ms.Status.Phase != phase || ms.Status.EndReason != reason || len(ms.Finalizers) > 0 {
			return fmt.Errorf("phase %s, endReason %s, finalizers %v", ms.Status.Phase, ms.Status.EndReason, ms.Finalizers)
		}
		return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionFinished, metav1.ConditionTrue, string(reason))
	})
}

func (w *world) update(ms *v1alpha1.MeetingSession, change func(*v1alpha1.MeetingSession)) {
	w.t.Helper()
	controllertest.Update(w.t, w.Client, ms, change)
}

func (w *world) delete(ms *v1alpha1.MeetingSession) {
	w.t.Helper()
	if err := w.Client.Delete(context.Background(), ms); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) deletePod(name string) {
	w.t.Helper()
	mp := &v1alpha1.MediaPod{}
	mp.Namespace, mp.Name = w.ns, name
	if err := w.Client.Delete(context.Background(), mp); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) setInstance(pod, instance string) {
	w.t.Helper()
	mp := &v1alpha1.MediaPod{}
	mp.Namespace, mp.Name = w.ns, pod
	controllertest.UpdateStatus(w.t, w.Client, mp, func(mp *v1alpha1.MediaPod) {
		if instance == "" {
			mp.Status.Agent = nil
			return
		}
		if mp.Status.Agent == nil {
			mp.Status.Agent = controllertest.MediaPod(w.ns, bot, mp.Spec.Slot).Ready().Object().Status.Agent
		}
		mp.Status.Agent.Instance = instance
	})
}

func TestScheduled(t *testing.T) {
	w := newWorld(t, 5)
	start := w.clock.Now().Add(time.Hour)
	ms := w.create(w.session("tomorrow").Start(start).End(start.Add(time.Hour)))
	w.awaitWaiting(ms, v1alpha1.ReasonScheduled, "the bot joins at startTime")
	if ms.Status.Phase != v1alpha1.PhaseScheduled || len(ms.Finalizers) > 0 {
		t.Errorf("phase %s, finalizers %v", ms.Status.Phase, ms.Finalizers)
	}
	if err := controllertest.LacksCondition(ms.Status.Conditions, v1alpha1.ConditionReconciling); err != nil {
		t.Error(err)
	}
	w.pass(time.Hour-time.Second, ms)
	w.awaitWaiting(ms, v1alpha1.ReasonScheduled)
	w.pass(time.Second, ms)
	w.awaitBound(ms, "reception-0")
}

func TestEndTime(t *testing.T) {
	t.Run("passes while it waits for a seat", func(t *testing.T) {
		w := newWorld(t)
		ms := w.create(w.session("standup").End(w.clock.Now().Add(time.Minute)))
		w.awaitWaiting(ms, v1alpha1.ReasonNoSeat)
		w.pass(time.Minute, ms)
		w.awaitFinished(ms, v1alpha1.PhaseFailed, v1alpha1.EndNoSeatInTime)
		if err := controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionStalled, metav1.ConditionTrue, string(v1alpha1.EndNoSeatInTime)); err != nil {
			t.Error(err)
		}
		if message := meta.FindStatusCondition(ms.Status.Conditions, v1alpha1.ConditionFinished).Message; !strings.Contains(message, "NoSeat: no free seat") {
			t.Errorf("the message does not say what was waited for: %s", message)
		}
	})
	t.Run("is the agent's to see, and the controller's when it does not", func(t *testing.T) {
		w := newWorld(t, 5)
		ms := w.awaitBound(w.create(w.session("standup").End(w.clock.Now().Add(time.Minute))), "reception-0")
		w.establish(ms)
		w.pass(time.Minute+29*time.Second, ms)
		w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
		if w.await(ms, "be read", func(*v1alpha1.MeetingSession) error { return nil }).Status.Phase != v1alpha1.PhaseEstablished {
			t.Errorf("phase %s before the agent had its time", ms.Status.Phase)
		}
		w.pass(time.Second, ms)
		w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndTimeReached)
	})
}

func TestUnclaimedSessionsMoveOn(t *testing.T) {
	w := newWorld(t, 1, 1)
	ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
	w.pass(claimWithin-time.Second, ms)
	w.awaitBound(ms, "reception-0")
	w.pass(time.Second, ms)
	w.awaitBound(ms, "reception-1")
	if ms.Status.Attempts != 1 {
		t.Errorf("%d attempts: one that was never begun was counted", ms.Status.Attempts)
	}
	want := []string{"Pending created", "Assigned reception-0", "Refused reception-0: it did not take the session within 15s", "Assigned reception-1"}
	if diff := cmp.Diff(want, story(ms)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, 3)
	ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
	w.refuse(ms, "the CPU is busy")
	w.awaitWaiting(ms, v1alpha1.ReasonPodRefused, "reception-0 did not take the session: the CPU is busy", "asked again after 10s")
	if ms.Status.Phase != v1alpha1.PhasePending || ms.Status.Attempts != 0 {
		t.Errorf("phase %s, attempts %d", ms.Status.Phase, ms.Status.Attempts)
	}
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	writes := w.manager.Writes.Len()
	w.pass(refusalLasts-time.Second, ms)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	if n := w.manager.Writes.Len() - writes; n > 0 {
		t.Errorf("%d writes while the pod is left in peace", n)
	}
	// Another pod is not kept waiting.
	w.addPod(1, 1)
	w.awaitBound(ms, "reception-1")
	w.refuse(ms, "no")
	w.awaitWaiting(ms, v1alpha1.ReasonPodRefused)
	w.pass(time.Second, ms)
	w.awaitBound(ms, "reception-0")
	w.claim(ms)
}

func TestRejoin(t *testing.T) {
	w := newWorld(t, 5)
	ms := w.awaitBound(w.create(w.session("standup").Rejoin(v1alpha1.RejoinOnFailure, 3)), "reception-0")
	for attempt, pause := range []time.Duration{time.Second, 2 * time.Second} {
		w.establish(ms)
		w.end(ms, v1alpha1.EndMediaLost, true, true)
		w.awaitWaiting(ms, v1alpha1.ReasonRejoining, fmt.Sprintf("attempt %d of 3 ended with MediaLost", attempt+1), pause.String(), "told by the agent")
		if ms.Status.Phase != v1alpha1.PhasePending || ms.Status.Call != nil || len(ms.Finalizers) != 1 {
			t.Errorf("phase %s, call %v, finalizers %v", ms.Status.Phase, ms.Status.Call, ms.Finalizers)
		}
		for _, err := range []error{
			controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionConnected, metav1.ConditionFalse, v1alpha1.ReasonRejoining),
			controllertest.LacksCondition(ms.Status.Conditions, v1alpha1.ConditionMediaFlowing),
		} {
			if err != nil {
				t.Error(err)
			}
		}
		w.pass(pause-time.Millisecond, ms)
		w.awaitWaiting(ms, v1alpha1.ReasonRejoining)
		w.pass(time.Millisecond, ms)
		w.awaitBound(ms, "reception-0")
	}
	w.establish(ms)
	w.end(ms, v1alpha1.EndMediaLost, true, true)
	w.awaitFinished(ms, v1alpha1.PhaseFailed, v1alpha1.EndMediaLost)
	if ms.Status.Attempts != 3 {
		t.Errorf("%d attempts, want 3", ms.Status.Attempts)
	}
	want := []string{
		"Pending created", "Assigned reception-0", "Rejoining attempt 1 of 3 ended: MediaLost",
		"Assigned reception-0", "Rejoining attempt 2 of 3 ended: MediaLost", "Assigned reception-0", "Failed MediaLost",
	}
	if diff := cmp.Diff(want, story(ms)); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func TestPodLost(t *testing.T) {
	cases := map[string]struct {
		lose func(*world, *v1alpha1.MeetingSession)
		// after is how long nothing but a warning may happen.
		after time.Duration
	}{
		"the MediaPod is deleted": {func(w *world, _ *v1alpha1.MeetingSession) { w.deletePod("reception-0") }, 0},
		"a new process that says nothing": {
			func(w *world, _ *v1alpha1.MeetingSession) { w.setInstance("reception-0", "another") }, silenceAllowed,
		},
		"no process at all": {func(w *world, _ *v1alpha1.MeetingSession) { w.setInstance("reception-0", "") }, silenceAllowed},
		"a new process that says so": {func(w *world, ms *v1alpha1.MeetingSession) {
			w.setInstance("reception-0", "another")
			w.end(ms, v1alpha1.EndPodLost, true, true)
		}, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 5)
			ms := w.awaitBound(w.create(w.session("standup").Rejoin(v1alpha1.RejoinNever, 1)), "reception-0")
			w.establish(ms)
			tc.lose(w, ms)
			if tc.after > 0 {
				w.await(ms, "need attention", func(ms *v1alpha1.MeetingSession) error {
					return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionNeedsAttention, metav1.ConditionTrue, v1alpha1.ReasonAgentSilent)
				})
				w.pass(tc.after-time.Second, ms)
				w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
				w.awaitPhase(ms, v1alpha1.PhaseEstablished)
				w.pass(time.Second, ms)
			}
			w.awaitFinished(ms, v1alpha1.PhaseFailed, v1alpha1.EndPodLost)
			if ms.Status.Call == nil || ms.Status.Call.End == nil {
				t.Error("the record of the call does not say how it ended")
			}
		})
	}

	t.Run("unless the agent comes back", func(t *testing.T) {
		w := newWorld(t, 5)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.setInstance("reception-0", "")
		w.await(ms, "need attention", func(ms *v1alpha1.MeetingSession) error {
			return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionNeedsAttention, metav1.ConditionTrue, v1alpha1.ReasonAgentSilent)
		})
		w.setInstance("reception-0", instanceOf("reception-0"))
		w.await(ms, "need no attention", func(ms *v1alpha1.MeetingSession) error {
			return controllertest.LacksCondition(ms.Status.Conditions, v1alpha1.ConditionNeedsAttention)
		})
	})

	t.Run("before it began", func(t *testing.T) {
		w := newWorld(t, 5, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-1")
		w.deletePod("reception-1")
		w.awaitBound(ms, "reception-0")
	})

	t.Run("and rejoined elsewhere", func(t *testing.T) {
		w := newWorld(t, 5, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-1")
		w.establish(ms)
		w.deletePod("reception-1")
		w.awaitWaiting(ms, v1alpha1.ReasonRejoining, "PodLost")
		w.pass(time.Second, ms)
		w.awaitBound(ms, "reception-0")
	})
}

func TestDelete(t *testing.T) {
	t.Run("while it waits", func(t *testing.T) {
		w := newWorld(t)
		ms := w.awaitWaiting(w.create(w.session("standup")), v1alpha1.ReasonNoSeat)
		w.delete(ms)
		controllertest.AwaitGone(t, w.Client, ms)
	})
	t.Run("bound and not begun", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.delete(ms)
		controllertest.AwaitGone(t, w.Client, ms)
		w.awaitBound(w.create(w.session("next")), "reception-0")
	})
	t.Run("in the call: the bot leaves first", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.delete(ms)
		w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
		w.await(ms, "still be there", func(ms *v1alpha1.MeetingSession) error {
			if ms.DeletionTimestamp == nil || ms.Status.Phase != v1alpha1.PhaseEstablished {
				return fmt.Errorf("phase %s", ms.Status.Phase)
			}
			return nil
		})
		w.end(ms, v1alpha1.EndSessionDeleted, false, false)
		controllertest.AwaitGone(t, w.Client, ms)
	})
	t.Run("in a call that is lost with its pod", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.delete(ms)
		w.deletePod("reception-0")
		controllertest.AwaitGone(t, w.Client, ms)
	})
	t.Run("in a call whose agent is silent", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.delete(ms)
		w.setInstance("reception-0", "")
		w.await(ms, "need attention", func(ms *v1alpha1.MeetingSession) error {
			return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionNeedsAttention, metav1.ConditionTrue, v1alpha1.ReasonAgentSilent)
		})
		w.pass(silenceAllowed, ms)
		controllertest.AwaitGone(t, w.Client, ms)
	})
	t.Run("between two attempts", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.end(ms, v1alpha1.EndMediaLost, true, true)
		w.awaitWaiting(ms, v1alpha1.ReasonRejoining)
		w.delete(ms)
		controllertest.AwaitGone(t, w.Client, ms)
	})
}

func TestDesiredStateEnded(t *testing.T) {
	end := func(ms *v1alpha1.MeetingSession) { ms.Spec.DesiredState = v1alpha1.DesiredEnded }
	t.Run("while it waits", func(t *testing.T) {
		w := newWorld(t)
		ms := w.awaitWaiting(w.create(w.session("standup")), v1alpha1.ReasonNoSeat)
		w.update(ms, end)
		w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
	})
	t.Run("bound and not begun", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.update(ms, end)
		w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
	})
	t.Run("in the call, without a word of the controller's until the agent's", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
		writes := w.manager.Writes.Len()
		w.update(ms, end)
		w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
		if n := w.manager.Writes.Len() - writes; n > 0 {
			t.Errorf("%d writes that the agent's could clash with", n)
		}
		w.end(ms, v1alpha1.EndedByBot, false, false)
		w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
		if ms.Status.ObservedGeneration != ms.Generation {
			t.Errorf("observedGeneration %d, generation %d", ms.Status.ObservedGeneration, ms.Generation)
		}
	})
	t.Run("a fault on the way out is not repeated", func(t *testing.T) {
		w := newWorld(t, 1)
		ms := w.awaitBound(w.create(w.session("standup")), "reception-0")
		w.establish(ms)
		w.update(ms, end)
		w.end(ms, v1alpha1.EndMediaLost, true, true)
		w.awaitFinished(ms, v1alpha1.PhaseFailed, v1alpha1.EndMediaLost)
	})
}

func TestTTL(t *testing.T) {
	w := newWorld(t)
	ms := w.create(w.session("standup").TTL(60).DesiredState(v1alpha1.DesiredEnded))
	w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
	w.pass(59*time.Second, ms)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	w.awaitPhase(ms, v1alpha1.PhaseCompleted)
	w.pass(time.Second, ms)
	controllertest.AwaitGone(t, w.Client, ms)
}

func TestTTLIsATimer(t *testing.T) {
	w := newWorld(t)
	w.clock.SetTime(time.Now().Add(time.Hour)) // finished an hour ahead: the timer, not the clock, has to wake it up
	ms := w.create(w.session("standup").TTL(1).DesiredState(v1alpha1.DesiredEnded))
	w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
	w.awaitPhase(ms, v1alpha1.PhaseCompleted)
	w.clock.SetTime(w.clock.Now().Add(time.Hour))
	controllertest.AwaitGone(t, w.Client, ms)
}

func TestWhatChangesAfterTheEndIsSeen(t *testing.T) {
	w := newWorld(t)
	ms := w.create(w.session("standup").DesiredState(v1alpha1.DesiredEnded))
	finished := w.awaitFinished(ms, v1alpha1.PhaseCompleted, v1alpha1.EndedByBot)
	w.update(ms, func(ms *v1alpha1.MeetingSession) { ms.Spec.TTLSecondsAfterFinished = ptr.To[int32](3600) })
	// Otherwise kstatus, and with it flux, helm and kubectl wait, would see work in progress for ever.
	seen := w.await(ms, "speak of the new generation", func(ms *v1alpha1.MeetingSession) error {
		for _, c := range ms.Status.Conditions {
			if c.Type != v1alpha1.ConditionConnected && c.ObservedGeneration != ms.Generation {
				return fmt.Errorf("condition %s speaks of generation %d, not %d", c.Type, c.ObservedGeneration, ms.Generation)
			}
		}
		if ms.Status.ObservedGeneration != ms.Generation {
			return fmt.Errorf("the status speaks of generation %d, not %d", ms.Status.ObservedGeneration, ms.Generation)
		}
		return nil
	})
	if !seen.Status.FinishedTime.Equal(finished.Status.FinishedTime) || seen.Status.EndReason != v1alpha1.EndedByBot {
		t.Errorf("the end changed: %v %s", seen.Status.FinishedTime, seen.Status.EndReason)
	}
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)
}
