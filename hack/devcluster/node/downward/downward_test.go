// SPDX-License-Identifier: Apache-2.0

package downward

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var pod = &corev1.Pod{
	ObjectMeta: metav1.ObjectMeta{
		Name: "reception-0", Namespace: "voice", UID: "u1",
		Labels:      map[string]string{"b": "2", "a": "1"},
		Annotations: map[string]string{"callfleet.dev/host": `say "hi"`},
	},
	Spec: corev1.PodSpec{NodeName: "local", ServiceAccountName: "bot", Containers: []corev1.Container{
		{Name: "mediapod", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"cpu": resource.MustParse("250m"), "memory": resource.MustParse("64Mi")},
			Limits:   corev1.ResourceList{"memory": resource.MustParse("100M")},
		}},
	}},
}

func TestField(t *testing.T) {
	addresses := Addresses{PodIP: "127.64.0.2", HostIP: "127.0.0.1"}
	for path, want := range map[string]string{
		"metadata.name":                              "reception-0",
		"metadata.namespace":                         "voice",
		"metadata.uid":                               "u1",
		"metadata.labels":                            "a=\"1\"\nb=\"2\"",
		"metadata.labels['b']":                       "2",
		"metadata.labels['none']":                    "",
		"metadata.annotations":                       `callfleet.dev/host="say \"hi\""`,
		"spec.nodeName":                              "local",
		"spec.serviceAccountName":                    "bot",
		"status.podIP":                               "127.64.0.2",
		"status.podIPs":                              "127.64.0.2",
		"status.hostIP":                              "127.0.0.1",
		"status.hostIPs":                             "127.0.0.1",
		"metadata.annotations['callfleet.dev/host']": `say "hi"`,
	} {
		if got, err := Field(pod, addresses, path); err != nil || got != want {
			t.Errorf("Field(%s) = %q, %v; want %q", path, got, err, want)
		}
	}
	for _, path := range []string{"spec.containers", "metadata.labels['x", ""} {
		if got, err := Field(pod, addresses, path); err == nil {
			t.Errorf("Field(%q) = %q, want an error", path, got)
		}
	}
}

func TestResource(t *testing.T) {
	node := corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("16Gi")}
	for name, c := range map[string]struct {
		ref  corev1.ResourceFieldSelector
		want string
	}{
		"cpu rounds up":         {corev1.ResourceFieldSelector{Resource: "requests.cpu"}, "1"},
		"cpu in milli":          {corev1.ResourceFieldSelector{Resource: "requests.cpu", Divisor: resource.MustParse("1m")}, "250"},
		"memory":                {corev1.ResourceFieldSelector{Resource: "limits.memory"}, "100000000"},
		"memory in Mi":          {corev1.ResourceFieldSelector{Resource: "limits.memory", Divisor: resource.MustParse("1Mi")}, "96"},
		"no limit: the node's":  {corev1.ResourceFieldSelector{Resource: "limits.cpu"}, "8"},
		"no request: nothing":   {corev1.ResourceFieldSelector{Resource: "requests.ephemeral-storage"}, "0"},
		"container in a volume": {corev1.ResourceFieldSelector{ContainerName: "mediapod", Resource: "requests.memory"}, "67108864"},
	} {
		container := &pod.Spec.Containers[0]
		if c.ref.ContainerName != "" {
			container = nil
		}
		if got, err := Resource(pod, container, node, &c.ref); err != nil || got != c.want {
			t.Errorf("%s: %q, %v; want %q", name, got, err, c.want)
		}
	}
	for _, ref := range []corev1.ResourceFieldSelector{{Resource: "cpu"}, {ContainerName: "other", Resource: "limits.cpu"}} {
		if got, err := Resource(pod, nil, node, &ref); err == nil {
			t.Errorf("%+v: %q, want an error", ref, got)
		}
	}
}
