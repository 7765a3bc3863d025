// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func agentGone(mp *v1alpha1.MediaPod) error {
	if mp.Status.Agent != nil {
		return fmt.Errorf("the report of %s is still there", mp.Status.Agent.Instance)
	}
	return nil
}

func TestACrashDropsTheReportAndKeepsTheCounts(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(2))
	pod = w.kubelet(pod, crashed(time.Now().Add(time.Second)))
	got := w.awaitMediaPod(mp, "lose its report", func(mp *v1alpha1.MediaPod) error {
		return errors.Join(agentGone(mp),
			controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodCrashed))
	})
	if got.Status.State != v1alpha1.MediaPodNotReady || got.Status.Calls != 2 || got.Status.Seats.Used != 2 || got.Status.PodUID != string(pod.UID) {
		t.Errorf("status %+v", got.Status)
	}
	w.awaitEvent("ProcessLost")

	// The kubelet starts the container again, and a new process reports.
	w.kubelet(pod, running(time.Now(), true))
	w.agent(mp, pod, "i2")
	w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonReady)
}

func TestAPodThatIsGoneIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	first := w.serve(mp, "win-1", "i1")
	w.remove(first)
	second := w.awaitPod(mp)
	if second.UID == first.UID {
		t.Fatal("it is the old one")
	}
	got := w.awaitMediaPod(mp, "follow", func(mp *v1alpha1.MediaPod) error {
		if mp.Status.PodUID != string(second.UID) {
			return fmt.Errorf("podUID %s, want %s", mp.Status.PodUID, second.UID)
		}
		return agentGone(mp)
	})
	if got.Status.State != v1alpha1.MediaPodPending || got.Status.PodIP != "" {
		t.Errorf("state %s, podIP %q", got.Status.State, got.Status.PodIP)
	}
	w.serve(mp, "win-1", "i2")
}

func TestAPodSomebodyDeletesKeepsItsProcessUntilItsCallsEnd(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(1))
	if err := w.client.Delete(context.Background(), pod); err != nil {
		t.Fatal(err)
	}
	if err := w.get(pod); err != nil || pod.DeletionGracePeriodSeconds == nil || *pod.DeletionGracePeriodSeconds != 3600 {
		t.Fatalf("the Pod does not wait for its calls: %v", err)
	}
	got := w.awaitMediaPod(mp, "take no new calls", func(mp *v1alpha1.MediaPod) error {
		return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPodPending)
	})
	if got.Status.Agent == nil || got.Status.PodIP == "" || got.Status.Endpoint == nil {
		t.Errorf("the process with a call was given up: %+v", got.Status)
	}
	w.remove(pod)
	if again := w.awaitPod(mp); again.UID == pod.UID {
		t.Error("no new Pod")
	}
	w.awaitMediaPod(mp, "lose the old report", agentGone)
}

func TestAFinishedPodIsReplaced(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.kubelet(pod, func(s *corev1.PodStatus) {
		s.Phase, s.Reason, s.ContainerStatuses = corev1.PodFailed, "Evicted", nil
	})
	controllertest.Eventually(t, "another Pod", func() error {
		if again := w.awaitPod(mp); again.UID == pod.UID {
			return errors.New("it is the old one")
		}
		return nil
	})
	w.awaitMediaPod(mp, "lose its report", agentGone)
	w.awaitEvent("PodRemoved")
}

func TestThePodIsNeverChangedButForItsLabels(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.manager.Stop()
	// A newer operator makes Pods of another image, and meanwhile a label was taken away.
	controllertest.Update(t, w.client, pod, func(p *corev1.Pod) { delete(p.Labels, v1alpha1.LabelMediaPod) })
	newer := w.cluster.StartManager(t, w.namespace, (&Reconciler{MediaPodImage: "callfleet/mediapod:newer"}).SetupWithManager)
	controllertest.Await(t, w.client, pod, "have its label back", func(p *corev1.Pod) error {
		if p.Labels[v1alpha1.LabelMediaPod] != mp.Name {
			return fmt.Errorf("labels %v", p.Labels)
		}
		return nil
	})
	newer.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if err := w.get(pod); err != nil || pod.Spec.Containers[0].Image != image {
		t.Errorf("image %s (%v): the container was restarted under its calls", pod.Spec.Containers[0].Image, err)
	}
	if diff := cmp.Diff([]string{"PATCH pods/reception-0"}, newer.Writes.List()); diff != "" {
		t.Errorf("writes: %s", diff)
	}
}

func TestDrain(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(1))
	controllertest.Update(t, w.client, mp, func(mp *v1alpha1.MediaPod) {
		mp.Spec.Drain = &v1alpha1.Drain{Reason: v1alpha1.DrainScaleIn, Since: metav1.Now()}
	})
	controllertest.Await(t, w.client, pod, "be labelled as draining", func(p *corev1.Pod) error {
		if got := p.Labels[v1alpha1.LabelState]; got != v1alpha1.LabelStateDraining {
			return fmt.Errorf("label %q", got)
		}
		return nil
	})
	got := w.awaitMediaPod(mp, "drain", func(mp *v1alpha1.MediaPod) error {
		if mp.Status.State != v1alpha1.MediaPodDraining {
			return fmt.Errorf("state %s", mp.Status.State)
		}
		return controllertest.HasCondition(mp.Status.Conditions, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	})
	if got.Status.Agent == nil {
		t.Error("the report is gone")
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if err := controllertest.LacksCondition(got.Status.Conditions, kind); err != nil {
			t.Error(err)
		}
	}
}

func TestADeletedMediaPodStaysUntilItsLastCallHasEnded(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(1))
	session := controllertest.Create(t, w.client, controllertest.Session(w.namespace, "standup", "reception").BoundTo(mp.Name).Object())
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	stays := func(why string) {
		t.Helper()
		w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
		if err := w.get(mp); err != nil {
			t.Fatalf("%s, and it is gone: %v", why, err)
		}
		if err := w.get(pod); err != nil || !pod.DeletionTimestamp.IsZero() {
			t.Fatalf("%s, and its Pod is going: %v", why, err)
		}
	}
	stays("the agent has not acknowledged")
	w.agent(mp, pod, "i1", calls(1))
	stays("a call is live")
	w.agent(mp, pod, "i1")
	stays("a session is bound")
	controllertest.UpdateStatus(t, w.client, session, func(s *v1alpha1.MeetingSession) { s.Status.Phase = v1alpha1.PhaseCompleted })
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
	w.awaitEvent("Drained")
}

func TestADeletedMediaPodWhoseProcessDiedWithACallIsHeldForANewOne(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(1))
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	pod = w.kubelet(pod, crashed(time.Now().Add(time.Second)))
	w.awaitMediaPod(mp, "lose its report", agentGone)
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if err := w.get(mp); err != nil {
		t.Fatalf("gone, though nobody knows what became of the call: %v", err)
	}
	if got := w.awaitCondition(mp, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDraining); !strings.Contains(got, "delete the Pod to give it up") {
		t.Errorf("message %q does not say how to let go of a pod that never comes back", got)
	}
	w.kubelet(pod, running(time.Now().Add(2*time.Second), true))
	w.agent(mp, pod, "i2")
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
}

func TestADeletedMediaPodWithoutProcessGoesAtOnce(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	w.awaitPod(mp)
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
}

func TestAMediaPodInANamespaceThatGoesAwayGoesToo(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "win-1", "i1")
	w.agent(mp, pod, "i1", calls(1))
	if err := w.client.Delete(context.Background(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}); err != nil {
		t.Fatal(err)
	}
	// The namespace controller deletes what is in it; the Pod ends after its call.
	if err := w.client.Delete(context.Background(), mp); err != nil {
		t.Fatal(err)
	}
	w.manager.Writes.AwaitQuiet(t, 300*time.Millisecond)
	if err := w.get(mp); err != nil {
		t.Fatalf("gone with a live call: %v", err)
	}
	w.remove(pod)
	controllertest.AwaitGone(t, w.client, mp.DeepCopy())
}
