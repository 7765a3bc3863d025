// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/test/rig"
)

// TestABusyPodIsNotEvicted: the disruption controller of Kubernetes counts the pods with calls by the scale of their MediaPods, and
// the API server refuses to evict them. An idle one may go.
func TestABusyPodIsNotEvicted(t *testing.T) {
	m, ada := meeting(t)
	s := inMeeting(t, m)
	pod := podOf(t, s.Status.MediaPod, "active")
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: rig.BotName + "-mediapod"}}
	// The controller manager looks for new kinds every 30 seconds, and counts again when something has changed.
	must(t, world.Await(t.Context(), budget, 2*patience, "the pod to be counted", func() error {
		st := budget.Status
		// A count that fails has the reason SyncFailed.
		c := meta.FindStatusCondition(st.Conditions, policyv1.DisruptionAllowedCondition)
		if st.ExpectedPods != 1 || st.DesiredHealthy != 1 || st.CurrentHealthy != 1 || c == nil || c.Reason != policyv1.InsufficientPodsReason {
			touched := client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"metadata":{"annotations":{"touched":"%d"}}}`, time.Now().Unix()))
			return errors.Join(fmt.Errorf("status %+v", st), world.Client.Patch(t.Context(), budget, touched))
		}
		return nil
	}))
	if err := evict(t, pod); !apierrors.IsTooManyRequests(err) {
		t.Fatalf("evicting a pod with a call: %v, want 429", err)
	}
	clearVoice(t, "echo after the eviction that was refused", speakAndListen(t, ada))
	end(t, s)

	pod = podOf(t, pod.Name, "none")
	if err := evict(t, pod); err != nil {
		t.Fatalf("evicting a pod without calls: %v", err)
	}
	must(t, world.Await(t.Context(), pod, patience, "another Pod in its place", func() error {
		if c := podReady(pod); pod.DeletionTimestamp != nil || c != corev1.ConditionTrue {
			return fmt.Errorf("being deleted since %v, ready: %s", pod.DeletionTimestamp, c)
		}
		return nil
	}))
	awaitFleet(t, 1)
}

// podOf waits until a Pod says whether it has calls.
func podOf(t *testing.T, name, calls string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: rig.Namespace, Name: name}}
	must(t, world.Await(t.Context(), pod, patience, "the Pod to have calls: "+calls, func() error {
		if got := pod.Labels[callfleetv1.LabelCalls]; got != calls {
			return fmt.Errorf("label %q", got)
		}
		return nil
	}))
	return pod
}

func podReady(pod *corev1.Pod) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status
		}
	}
	return ""
}

func evict(t *testing.T, pod *corev1.Pod) error {
	t.Helper()
	return world.Client.SubResource("eviction").Create(t.Context(), pod, &policyv1.Eviction{}, client.FieldOwner("e2e"))
}

// TestKubectlIsToldWhichCallsHoldAPod: with config/admission, deleting is refused and draining waits, both by name. The agents do
// their work under the same policies.
func TestKubectlIsToldWhichCallsHoldAPod(t *testing.T) {
	policies := filepath.Join(world.Root, "config", "admission")
	_, err := world.Kubectl(t.Context(), "apply", "-k", policies)
	must(t, err)
	t.Cleanup(func() {
		_, err := world.Kubectl(context.Background(), "delete", "-k", policies)
		must(t, err)
	})
	m, ada := meeting(t)
	s := inMeeting(t, m)
	pod := podOf(t, s.Status.MediaPod, "active")
	mp := &callfleetv1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	must(t, world.Await(t.Context(), mp, patience, "the call in the report", func() error {
		if mp.Status.Agent == nil || len(mp.Status.Agent.Calls) == 0 {
			return errors.New("none")
		}
		return nil
	}))
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) { // a policy takes a moment to hold
		_, err = world.Kubectl(t.Context(), "-n", pod.Namespace, "delete", "pod", pod.Name, "--dry-run=server")
		if err != nil || time.Now().After(end) {
			break
		}
	}
	told := func(err error, what ...string) {
		t.Helper()
		for _, part := range append(what, "pod "+pod.Name+" has 1 call (MeetingSession/"+s.Name+")", "callfleet.dev/allow-disruption=true") {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("kubectl does not say %q: %v", part, err)
			}
		}
	}
	_, err = world.Kubectl(t.Context(), "-n", pod.Namespace, "delete", "pod", pod.Name)
	told(err, "Forbidden")
	t.Cleanup(func() { _, _ = world.Kubectl(context.Background(), "uncordon", pod.Spec.NodeName) })
	_, err = world.Kubectl(t.Context(), "drain", pod.Spec.NodeName, "--force", "--delete-emptydir-data", "--timeout=3s", "--pod-selector=callfleet.dev/mediapod="+pod.Name)
	told(err, "will retry")
	_, err = world.Kubectl(t.Context(), "uncordon", pod.Spec.NodeName)
	must(t, err)
	clearVoice(t, "echo after both", speakAndListen(t, ada))
	end(t, s)
	podOf(t, pod.Name, "none")
	_, err = world.Kubectl(t.Context(), "-n", pod.Namespace, "delete", "pod", pod.Name)
	must(t, err)
	awaitFleet(t, 1)
}
