// SPDX-License-Identifier: Apache-2.0

// Package downward resolves the references by which a pod learns about itself:
// fieldRef and resourceFieldRef, in environments and in volumes.
package downward

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Addresses are those of a pod and its node, which the pod's status may not
// show yet.
type Addresses struct {
	PodIP, HostIP string
}

// Field returns what a fieldRef refers to.
func Field(pod *corev1.Pod, addresses Addresses, path string) (string, error) {
	if key, ok := subscript(path, "metadata.annotations"); ok {
		return pod.Annotations[key], nil
	}
	if key, ok := subscript(path, "metadata.labels"); ok {
		return pod.Labels[key], nil
	}
	switch path {
	case "metadata.name":
		return pod.Name, nil
	case "metadata.namespace":
		return pod.Namespace, nil
	case "metadata.uid":
		return string(pod.UID), nil
	case "metadata.labels":
		return formatMap(pod.Labels), nil
	case "metadata.annotations":
		return formatMap(pod.Annotations), nil
	case "spec.nodeName":
		return pod.Spec.NodeName, nil
	case "spec.serviceAccountName":
		return pod.Spec.ServiceAccountName, nil
	case "status.podIP", "status.podIPs":
		return addresses.PodIP, nil
	case "status.hostIP", "status.hostIPs":
		return addresses.HostIP, nil
	}
	return "", fmt.Errorf("unsupported fieldPath: %s", path)
}

// subscript returns k of a path like field['k'].
func subscript(path, field string) (key string, ok bool) {
	rest, ok := strings.CutPrefix(path, field+"['")
	if !ok {
		return "", false
	}
	return strings.CutSuffix(rest, "']")
}

// formatMap writes labels or annotations as kubelet does: sorted lines of
// key="quoted value".
func formatMap(m map[string]string) string {
	lines := make([]string, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		lines = append(lines, key+"="+strconv.Quote(m[key]))
	}
	return strings.Join(lines, "\n")
}

// Resource returns what a resourceFieldRef refers to. A limit that is not set
// is what the node has, as with kubelet.
func Resource(pod *corev1.Pod, container *corev1.Container, node corev1.ResourceList, ref *corev1.ResourceFieldSelector) (string, error) {
	if ref.ContainerName != "" && (container == nil || ref.ContainerName != container.Name) {
		container = nil
		for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
			for i := range list {
				if list[i].Name == ref.ContainerName {
					container = &list[i]
				}
			}
		}
	}
	if container == nil {
		return "", fmt.Errorf("resourceFieldRef: there is no container %q", ref.ContainerName)
	}
	kind, name, ok := strings.Cut(ref.Resource, ".")
	if !ok || (kind != "limits" && kind != "requests") {
		return "", fmt.Errorf("unsupported container resource: %s", ref.Resource)
	}
	quantity := container.Resources.Requests[corev1.ResourceName(name)]
	if kind == "limits" {
		var set bool
		if quantity, set = container.Resources.Limits[corev1.ResourceName(name)]; !set {
			quantity = node[corev1.ResourceName(name)]
		}
	}
	return divide(corev1.ResourceName(name), quantity, ref.Divisor), nil
}

// divide rounds up, as kubelet does.
func divide(name corev1.ResourceName, quantity, divisor resource.Quantity) string {
	if divisor.IsZero() {
		divisor = resource.MustParse("1")
	}
	if name == corev1.ResourceCPU {
		return strconv.FormatInt(int64(math.Ceil(float64(quantity.MilliValue())/float64(divisor.MilliValue()))), 10)
	}
	return strconv.FormatInt(int64(math.Ceil(float64(quantity.Value())/float64(divisor.Value()))), 10)
}
