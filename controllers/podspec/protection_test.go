// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// TestABusyPodIsProtectedAndAnIdleOneIsNot: what the template says of the same annotations holds while the pod is idle.
func TestABusyPodIsProtectedAndAnIdleOneIsNot(t *testing.T) {
	evict := template(`{"metadata":{"annotations":{"cluster-autoscaler.kubernetes.io/safe-to-evict":"true","other":"x"}}}`)
	for name, tc := range map[string]struct {
		change      func(*v1alpha1.MediaPod)
		busy        bool
		calls       string
		annotations map[string]*string
	}{
		"idle": {func(*v1alpha1.MediaPod) {}, false, "none", map[string]*string{safeToEvict: nil, doNotDisrupt: nil}},
		"busy": {func(*v1alpha1.MediaPod) {}, true, "active", map[string]*string{safeToEvict: ptr.To("false"), doNotDisrupt: ptr.To("true")}},
		"idle, the template wants to be evicted": {
			evict, false, "none", map[string]*string{safeToEvict: ptr.To("true"), doNotDisrupt: nil},
		},
		"busy, the template wants to be evicted": {
			evict, true, "active", map[string]*string{safeToEvict: ptr.To("false"), doNotDisrupt: ptr.To("true")},
		},
	} {
		t.Run(name, func(t *testing.T) {
			labels, annotations := Marks(sample(tc.change), tc.busy)
			if labels[v1alpha1.LabelCalls] != tc.calls || labels[v1alpha1.LabelBot] != "reception" {
				t.Errorf("labels %v", labels)
			}
			if diff := cmp.Diff(tc.annotations, annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			pod := render(t, 8445, tc.change)
			if Marked(pod, labels, annotations) == tc.busy {
				t.Errorf("a new Pod, which is idle, counts as marked: %v", !tc.busy)
			}
		})
	}
}

func TestMarkedSeesEveryDifference(t *testing.T) {
	labels, annotations := map[string]string{"a": "1"}, map[string]*string{"there": ptr.To("x"), "not": nil}
	for name, tc := range map[string]struct {
		labels, annotations map[string]string
		want                bool
	}{
		"as it should be":          {map[string]string{"a": "1", "b": "2"}, map[string]string{"there": "x", "more": "y"}, true},
		"no label":                 {nil, map[string]string{"there": "x"}, false},
		"another label":            {map[string]string{"a": "2"}, map[string]string{"there": "x"}, false},
		"no annotation":            {map[string]string{"a": "1"}, nil, false},
		"another annotation":       {map[string]string{"a": "1"}, map[string]string{"there": "y"}, false},
		"an annotation too many":   {map[string]string{"a": "1"}, map[string]string{"there": "x", "not": "z"}, false},
		"an empty one is one, too": {map[string]string{"a": "1"}, map[string]string{"there": "x", "not": ""}, false},
	} {
		t.Run(name, func(t *testing.T) {
			pod := &corev1.Pod{}
			pod.Labels, pod.Annotations = tc.labels, tc.annotations
			if got := Marked(pod, labels, annotations); got != tc.want {
				t.Errorf("Marked = %v, want %v", got, tc.want)
			}
		})
	}
}

func TestATemplateHasTheLastWordOnPriorityAndSpread(t *testing.T) {
	pod := render(t, 8445)
	if pod.Spec.PriorityClassName != "callfleet-media" || len(pod.Spec.TopologySpreadConstraints) != 2 {
		t.Errorf("priority class %q, spread %+v", pod.Spec.PriorityClassName, pod.Spec.TopologySpreadConstraints)
	}
	pod = render(t, 8445, template(`{"spec":{"priorityClassName":"mine","topologySpreadConstraints":[
		{"topologyKey":"topology.kubernetes.io/zone","maxSkew":2,"whenUnsatisfiable":"DoNotSchedule"}]}}`))
	got := map[string]corev1.UnsatisfiableConstraintAction{}
	for _, c := range pod.Spec.TopologySpreadConstraints {
		got[c.TopologyKey] = c.WhenUnsatisfiable
	}
	want := map[string]corev1.UnsatisfiableConstraintAction{
		"kubernetes.io/hostname": corev1.ScheduleAnyway, "topology.kubernetes.io/zone": corev1.DoNotSchedule,
	}
	if diff := cmp.Diff(want, got); diff != "" || pod.Spec.PriorityClassName != "mine" {
		t.Errorf("priority class %q, spread (-want +got):\n%s", pod.Spec.PriorityClassName, diff)
	}
}
