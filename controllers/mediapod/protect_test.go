// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// awaitMarks waits until the Pod says that it has calls, or that it has none, to all who ask.
func (w *world) awaitMarks(pod *corev1.Pod, calls string) {
	w.Helper()
	want := map[string]string{}
	if calls == "active" {
		want = map[string]string{"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
	}
	controllertest.Await(w.T, w.client, pod, "have calls: "+calls, func(pod *corev1.Pod) error {
		if got := pod.Labels["callfleet.dev/calls"]; got != calls {
			return fmt.Errorf("label is %q", got)
		}
		for _, key := range []string{"cluster-autoscaler.kubernetes.io/safe-to-evict", "karpenter.sh/do-not-disrupt"} {
			if got := pod.Annotations[key]; got != want[key] {
				return fmt.Errorf("annotation %s is %q", key, got)
			}
		}
		return nil
	})
}

// TestAPodIsMarkedFromBindingToTheLastReport: the session controller binds, the agent reports, the session ends, the agent
// reports again. In between, somebody meddles.
func TestAPodIsMarkedFromBindingToTheLastReport(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "n1", "i1")
	w.awaitMarks(pod, "none")

	session := controllertest.Create(t, w.client, controllertest.Session(w.namespace, "standup", "reception").Object())
	bind := func(phase v1alpha1.CallPhase) {
		controllertest.UpdateStatus(t, w.client, session, func(s *v1alpha1.MeetingSession) {
			s.Status.MediaPod, s.Status.Phase = mp.Name, phase
		})
	}
	bind(v1alpha1.PhaseAssigned)
	w.awaitMarks(pod, "active")
	w.agent(mp, pod, "i1", calls(1))
	controllertest.Update(t, w.client, pod, func(pod *corev1.Pod) {
		pod.Labels["callfleet.dev/calls"], pod.Annotations = "none", nil
	})
	w.awaitMarks(pod, "active")

	w.agent(mp, pod, "i1")
	bind(v1alpha1.PhaseCompleted)
	w.awaitMarks(pod, "none")

	w.agent(mp, pod, "i1", calls(1)) // one that came in
	w.awaitMarks(pod, "active")
	controllertest.Update(t, w.client, pod, func(pod *corev1.Pod) { pod.Annotations["callfleet.dev/allow-disruption"] = "true" })
	w.awaitMarks(pod, "none")
}

// TestAPodIsMarkedByWhatIsBoundAlreadyWhenTheManagerStarts: nothing may hinge on an event that another manager has seen.
func TestAPodIsMarkedByWhatIsBoundAlreadyWhenTheManagerStarts(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	pod := w.serve(mp, "n1", "i1")
	w.manager.Stop()
	session := controllertest.Create(t, w.client, controllertest.Session(w.namespace, "standup", "reception").Object())
	controllertest.UpdateStatus(t, w.client, session, func(s *v1alpha1.MeetingSession) { s.Status.MediaPod, s.Status.Phase = mp.Name, v1alpha1.PhaseAssigned })
	w.manager = w.cluster.StartManager(t, w.namespace, (&Reconciler{MediaPodImage: image}).SetupWithManager)
	w.awaitMarks(pod, "active")
}

// TestARestartUnmarksNoPodThatASessionCountsOn: the process that had the call is gone, and the one that follows takes the session on.
func TestARestartUnmarksNoPodThatASessionCountsOn(t *testing.T) {
	s := newStepper(t)
	mp := s.mediaPod(0)
	s.settle(mp)
	pod := s.awaitPod(mp)
	s.schedule(pod, "n1")
	pod = s.kubelet(pod, running(time.Now().Add(-time.Minute), true))
	session := controllertest.Create(t, s.client, controllertest.Session(s.namespace, "standup", "reception").Object())
	controllertest.UpdateStatus(t, s.client, session, func(ms *v1alpha1.MeetingSession) {
		ms.Status.MediaPod, ms.Status.Phase = mp.Name, v1alpha1.PhaseEstablished
	})
	s.agent(mp, pod, "i1", calls(1))
	s.settle(mp)
	s.awaitMarks(pod, "active")
	s.kubelet(pod, running(time.Now().Add(time.Minute), true))
	for _, pass := range s.settle(mp) {
		if slices.Contains(pass, "patch Pod") {
			t.Errorf("the Pod was marked otherwise: %v", pass)
		}
	}
	s.awaitMarks(pod, "active")
}

// TestAPodOfAnotherOperatorVersionLosesItsAnnotation: those made before carry one that nobody took away.
func TestAPodOfAnotherOperatorVersionLosesItsAnnotation(t *testing.T) {
	s := newStepper(t)
	mp := s.mediaPod(0)
	s.settle(mp)
	pod := s.awaitPod(mp)
	patch := client.RawPatch(types.MergePatchType, []byte(
		`{"metadata":{"labels":{"callfleet.dev/calls":null},"annotations":{"cluster-autoscaler.kubernetes.io/safe-to-evict":"false"}}}`))
	if err := s.client.Patch(context.Background(), pod, patch); err != nil {
		t.Fatal(err)
	}
	s.settle(mp)
	s.awaitMarks(pod, "none")
}

// TestAMediaPodHasAScale: the disruption controller asks for it, and nobody can change it.
func TestAMediaPodHasAScale(t *testing.T) {
	w := newWorld(t)
	mp := w.mediaPod(0)
	w.awaitPod(mp)
	scale := &autoscalingv1.Scale{}
	controllertest.Eventually(t, "the scale tells of the Pod", func() error {
		if err := w.client.SubResource("scale").Get(context.Background(), mp, scale); err != nil {
			return err
		}
		if scale.Spec.Replicas != 1 || scale.Status.Replicas != 1 || scale.UID != mp.UID {
			return fmt.Errorf("UID %s, spec %+v, status %+v", scale.UID, scale.Spec, scale.Status)
		}
		return nil
	})
	for _, n := range []int32{0, 2} {
		scale.Spec.Replicas = n
		if err := w.client.SubResource("scale").Update(context.Background(), mp, client.WithSubResourceBody(scale)); !apierrors.IsInvalid(err) {
			t.Errorf("scaling a media pod to %d: %v, want it to be invalid", n, err)
		}
	}
}
