// SPDX-License-Identifier: Apache-2.0

package podspec

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// What a container on Windows gets if the template does not say.
var (
	windowsRequests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("256Mi")}
	windowsLimits   = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("1Gi")}
)

// memoryPerSeat is what the limit grows by: a call of sound holds about a quarter of a mebibyte, one with video some more.
const memoryPerSeat = 2 << 20

// withLimits gives every container limits. Windows has no memory eviction and kills nobody: a container without limits that
// leaks takes its whole node along.
// https://kubernetes.io/docs/concepts/configuration/windows-resource-management/
func withLimits(spec *corev1.PodSpec, seats int32) {
	for i := range spec.InitContainers {
		limit(&spec.InitContainers[i].Resources, windowsLimits)
	}
	for i := range spec.Containers {
		limits := windowsLimits
		if c := &spec.Containers[i]; c.Name == ContainerName {
			limits = limits.DeepCopy()
			memory := limits[corev1.ResourceMemory]
			memory.Add(*resource.NewQuantity(int64(seats)*memoryPerSeat, resource.BinarySI))
			limits[corev1.ResourceMemory] = memory
		}
		limit(&spec.Containers[i].Resources, limits)
	}
}

// limit fills in what is missing. A request that is missing while a limit is there would become as large as the limit.
func limit(r *corev1.ResourceRequirements, limits corev1.ResourceList) {
	for name, least := range limits {
		request, asked := r.Requests[name]
		given, limited := r.Limits[name]
		if !asked && !limited {
			request = windowsRequests[name]
			set(&r.Requests, name, request)
		}
		if !limited {
			if given = least; request.Cmp(given) > 0 {
				given = request
			}
			set(&r.Limits, name, given)
		}
	}
}

func set(list *corev1.ResourceList, name corev1.ResourceName, q resource.Quantity) {
	if *list == nil {
		*list = corev1.ResourceList{}
	}
	(*list)[name] = q
}
