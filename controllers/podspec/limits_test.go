// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// TestEveryContainerOnWindowsHasLimits: those of the template, or some.
func TestEveryContainerOnWindowsHasLimits(t *testing.T) {
	pod := render(t, 8445, func(mp *v1alpha1.MediaPod) { mp.Spec.Capacity.Seats = 100 }, template(`{"spec":{
		"initContainers":[{"name":"first","image":"x"}],
		"containers":[
			{"name":"bare","image":"x"},
			{"name":"large","image":"x","resources":{"requests":{"memory":"8Gi"}}},
			{"name":"limited","image":"x","resources":{"limits":{"memory":"100Mi"}}}]}}`))
	want := map[string][4]string{ // requests and limits: CPU, memory
		"first":    {"250m", "256Mi", "2", "1Gi"},
		"bare":     {"250m", "256Mi", "2", "1Gi"},
		"large":    {"250m", "8Gi", "2", "8Gi"},
		"limited":  {"250m", "", "2", "100Mi"}, // the API server takes the limit for the request
		"mediapod": {"250m", "256Mi", "2", "1224Mi"},
	}
	got := map[string][4]string{}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		text := func(list corev1.ResourceList, name corev1.ResourceName) string {
			q, ok := list[name]
			if !ok {
				return ""
			}
			return q.String()
		}
		r := c.Resources
		got[c.Name] = [4]string{
			text(r.Requests, corev1.ResourceCPU), text(r.Requests, corev1.ResourceMemory),
			text(r.Limits, corev1.ResourceCPU), text(r.Limits, corev1.ResourceMemory),
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	if q := windowsLimits[corev1.ResourceMemory]; q.Cmp(resource.MustParse("1Gi")) != 0 {
		t.Errorf("the default itself was changed to %s", q.String())
	}
	if r := render(t, 8445, template(`{"spec":{"os":{"name":"linux"}}}`)).Spec.Containers[0].Resources; len(r.Limits) != 0 {
		t.Errorf("on Linux, where the node copes, limits are the template's: %+v", r)
	}
}
