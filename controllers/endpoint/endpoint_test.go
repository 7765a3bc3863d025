// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/endpoint"
)

func mediaPod(slot int32, change func(*v1alpha1.MediaEndpoint)) *v1alpha1.MediaPod {
	return controllertest.MediaPod("voice", "reception", slot).UID("u1").With(func(mp *v1alpha1.MediaPod) {
		change(&mp.Spec.Media.Endpoint)
	}).Object()
}

func onHostPort(from, to int32) func(*v1alpha1.MediaEndpoint) {
	return func(e *v1alpha1.MediaEndpoint) {
		*e = v1alpha1.MediaEndpoint{Type: v1alpha1.EndpointHostPort, Ports: &v1alpha1.PortRange{From: from, To: to}}
	}
}

func inDomain(next func(*v1alpha1.MediaEndpoint)) func(*v1alpha1.MediaEndpoint) {
	return func(e *v1alpha1.MediaEndpoint) {
		next(e)
		e.Domain = "media.contoso.com"
	}
}

func plain(*v1alpha1.MediaEndpoint) {}

func service(mp *v1alpha1.MediaPod, change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: mp.Name, Labels: map[string]string{"callfleet.dev/bot": "reception", "callfleet.dev/mediapod": mp.Name, "more": "x"},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(mp, v1alpha1.GroupVersion.WithKind("MediaPod"))},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeClusterIP, ClusterIP: "10.0.0.7", PublishNotReadyAddresses: true,
			Selector: map[string]string{"callfleet.dev/mediapod": mp.Name},
			Ports: []corev1.ServicePort{
				{Name: "media-tcp", Protocol: corev1.ProtocolTCP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
				{Name: "media-udp", Protocol: corev1.ProtocolUDP, Port: 8445, TargetPort: intstr.FromInt32(8445)},
			},
		},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func published(mp *v1alpha1.MediaPod, address string, port int32) *v1alpha1.MediaPod {
	mp = mp.DeepCopy()
	mp.Status.Endpoint = &v1alpha1.Endpoint{Host: address, Address: address, Port: port}
	return mp
}

func node(addresses ...string) *corev1.Node {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "win-1"}}
	for i := 0; i < len(addresses); i += 2 {
		n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{
			Type: corev1.NodeAddressType(addresses[i]), Address: addresses[i+1],
		})
	}
	return n
}

// want is what a strategy should find.
type want struct {
	Endpoint *v1alpha1.Endpoint
	Port     int32
	PodFirst bool
	Writes   bool
	Stalled  bool
	Reason   string
	Message  string
}

func found(s endpoint.State) want {
	return want{s.Endpoint, s.Port, s.PodFirst, s.Service != nil, s.Stalled, s.Reason, s.Message}
}

func TestObserve(t *testing.T) {
	cluster := mediaPod(3, plain)
	ports := mediaPod(3, onHostPort(28550, 28559))
	bound := node("Hostname", "win-1", "InternalIP", "10.1.0.4", "ExternalIP", "20.0.0.4")
	tests := map[string]struct {
		facts endpoint.Facts
		want  want
	}{
		"ClusterIP, no Service": {
			endpoint.Facts{MediaPod: cluster},
			want{Port: 8445, Writes: true, Reason: "WaitingForAddress", Message: "waiting for the Service's address"},
		},
		"ClusterIP, Service": {
			endpoint.Facts{MediaPod: cluster, Service: service(cluster)},
			want{Endpoint: &v1alpha1.Endpoint{Host: "10.0.0.7", Address: "10.0.0.7", Port: 8445}, Port: 8445,
				Reason: "Assigned", Message: "reached at 10.0.0.7, port 8445, TCP and UDP"},
		},
		"ClusterIP, domain": {
			endpoint.Facts{MediaPod: mediaPod(3, inDomain(plain)), Service: service(cluster)},
			want{Endpoint: &v1alpha1.Endpoint{Host: "3.reception.media.contoso.com", Address: "10.0.0.7", Port: 8445}, Port: 8445,
				Reason: "Assigned", Message: "reached at 3.reception.media.contoso.com, port 8445, TCP and UDP"},
		},
		"ClusterIP, headless Service": {
			endpoint.Facts{MediaPod: cluster, Service: service(cluster, func(s *corev1.Service) { s.Spec.ClusterIP = "None" })},
			want{Port: 8445, Reason: "WaitingForAddress", Message: `Service "reception-3" has no cluster IP; delete it, and it is made again`},
		},
		"ClusterIP, somebody else's Service": {
			endpoint.Facts{MediaPod: cluster, Service: service(cluster, func(s *corev1.Service) { s.OwnerReferences = nil })},
			want{Port: 8445, Stalled: true, Reason: "EndpointUnavailable",
				Message: `a Service "reception-3" exists that does not belong to this media pod; delete or rename it`},
		},
		"ClusterIP, Service of an earlier pod of this name": {
			endpoint.Facts{MediaPod: cluster, Service: service(cluster, func(s *corev1.Service) { s.OwnerReferences[0].UID = "u0" })},
			want{Port: 8445, Reason: "WaitingForAddress",
				Message: `Service "reception-3" of an earlier media pod of this name is still being removed; it is waited for`},
		},
		"HostPort, before the Pod": {
			endpoint.Facts{MediaPod: ports},
			want{Port: 28553, PodFirst: true, Reason: "WaitingForNode", Message: "port 28553 of the node the Pod will run on; it is not scheduled yet"},
		},
		"HostPort, scheduled": {
			endpoint.Facts{MediaPod: ports, PodPort: 28553, NodeName: "win-1", Node: bound},
			want{Endpoint: &v1alpha1.Endpoint{Host: "20.0.0.4", Address: "20.0.0.4", Port: 28553}, Port: 28553, PodFirst: true,
				Reason: "Assigned", Message: "reached at 20.0.0.4, port 28553, TCP and UDP"},
		},
		"HostPort, domain": {
			endpoint.Facts{MediaPod: mediaPod(3, inDomain(onHostPort(28550, 28559))), PodPort: 28553, NodeName: "win-1", Node: bound},
			want{Endpoint: &v1alpha1.Endpoint{Host: "3.reception.media.contoso.com", Address: "20.0.0.4", Port: 28553}, Port: 28553, PodFirst: true,
				Reason: "Assigned", Message: "reached at 3.reception.media.contoso.com, port 28553, TCP and UDP"},
		},
		"HostPort, the Pod's port stands though the range has moved": {
			endpoint.Facts{MediaPod: ports, PodPort: 30000, NodeName: "win-1", Node: bound},
			want{Endpoint: &v1alpha1.Endpoint{Host: "20.0.0.4", Address: "20.0.0.4", Port: 30000}, Port: 30000, PodFirst: true,
				Reason: "Assigned", Message: "reached at 20.0.0.4, port 30000, TCP and UDP"},
		},
		"HostPort, no external address": {
			endpoint.Facts{MediaPod: ports, PodPort: 28553, NodeName: "win-1", Node: node("InternalIP", "10.1.0.4")},
			want{Endpoint: &v1alpha1.Endpoint{Host: "10.1.0.4", Address: "10.1.0.4", Port: 28553}, Port: 28553, PodFirst: true,
				Reason: "Assigned", Message: "reached at 10.1.0.4, port 28553, TCP and UDP"},
		},
		"HostPort, no address": {
			endpoint.Facts{MediaPod: ports, PodPort: 28553, NodeName: "win-1", Node: node("Hostname", "win-1")},
			want{Port: 28553, PodFirst: true, Reason: "WaitingForAddress",
				Message: `node "win-1" has neither an external nor an internal IP address; give it one`},
		},
		"HostPort, node unknown": {
			endpoint.Facts{MediaPod: ports, PodPort: 28553, NodeName: "win-1"},
			want{Port: 28553, PodFirst: true, Reason: "WaitingForNode",
				Message: `node "win-1" is not known; wait for it, or delete the Pod "reception-3"`},
		},
		"HostPort, the port that the fewest have": {
			endpoint.Facts{MediaPod: ports, PortUses: map[int32]int{28553: 1, 28554: 2}},
			want{Port: 28555, PodFirst: true, Reason: "WaitingForNode", Message: "port 28555 of the node the Pod will run on; it is not scheduled yet"},
		},
		"HostPort, slot beyond the range": {
			endpoint.Facts{MediaPod: mediaPod(12, onHostPort(28550, 28559))},
			want{Port: 28552, PodFirst: true, Reason: "WaitingForNode", Message: "port 28552 of the node the Pod will run on; it is not scheduled yet"},
		},
		"HostPort, the last port of all": {
			endpoint.Facts{MediaPod: mediaPod(3, onHostPort(65535, 65535))},
			want{Port: 65535, PodFirst: true, Reason: "WaitingForNode", Message: "port 65535 of the node the Pod will run on; it is not scheduled yet"},
		},
		"HostPort, every port in use: one is used again, on another node": {
			endpoint.Facts{MediaPod: mediaPod(3, onHostPort(28550, 28551)), PortUses: map[int32]int{28550: 1, 28551: 2}},
			want{Port: 28550, PodFirst: true, Reason: "WaitingForNode", Message: "port 28550 of the node the Pod will run on; it is not scheduled yet"},
		},
		"HostPort, two nodes have one address": {
			endpoint.Facts{MediaPod: ports, PodPort: 28553, NodeName: "win-1", Node: bound,
				Endpoints: map[v1alpha1.Endpoint]string{{Host: "x", Address: "20.0.0.4", Port: 28553}: "voice/menu-0"}},
			want{Port: 28553, PodFirst: true, Stalled: true, Reason: "PortConflict",
				Message: `port 28553 of address 20.0.0.4 leads to media pod "voice/menu-0", on another node with the same address; give each node an address of its own, or widen media.endpoint.ports and delete this media pod`},
		},
		"HostPort, two nodes have one address: who was there first stays": {
			endpoint.Facts{MediaPod: published(ports, "20.0.0.4", 28553), PodPort: 28553, NodeName: "win-1", Node: bound,
				Endpoints: map[v1alpha1.Endpoint]string{{Host: "x", Address: "20.0.0.4", Port: 28553}: "voice/menu-0"}},
			want{Endpoint: &v1alpha1.Endpoint{Host: "20.0.0.4", Address: "20.0.0.4", Port: 28553}, Port: 28553, PodFirst: true,
				Reason: "Assigned", Message: "reached at 20.0.0.4, port 28553, TCP and UDP"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(endpoint.Observe(tc.facts))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestADriftedServiceIsWrittenAgain(t *testing.T) {
	mp := mediaPod(3, func(e *v1alpha1.MediaEndpoint) {
		e.ServiceAnnotations = map[string]v1alpha1.AnnotationValue{"example.com/dns": "x"}
	})
	tests := map[string]struct {
		change func(*corev1.Service)
		want   bool
	}{
		"as wanted":               {func(*corev1.Service) {}, false},
		"others added things":     {func(s *corev1.Service) { s.Annotations["cloud.example.com/id"] = "7"; s.Labels["x"] = "y" }, false},
		"annotation changed":      {func(s *corev1.Service) { s.Annotations["example.com/dns"] = "y" }, true},
		"annotation removed":      {func(s *corev1.Service) { s.Annotations = nil }, true},
		"label removed":           {func(s *corev1.Service) { delete(s.Labels, "callfleet.dev/bot") }, true},
		"selector changed":        {func(s *corev1.Service) { s.Spec.Selector["app"] = "x" }, true},
		"not-ready pods left out": {func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = false }, true},
		"type changed":            {func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeNodePort }, true},
		"UDP removed":             {func(s *corev1.Service) { s.Spec.Ports = s.Spec.Ports[:1] }, true},
		"target changed":          {func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromInt32(1) }, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s := service(mp)
			s.Annotations = map[string]string{"example.com/dns": "x"}
			tc.change(s)
			state := endpoint.Observe(endpoint.Facts{MediaPod: mp, Service: s})
			if got := state.Service != nil; got != tc.want {
				t.Errorf("written: %v, want %v", got, tc.want)
			}
			if state.Endpoint == nil {
				t.Error("the address is forgotten meanwhile")
			}
		})
	}
}

func TestSameAddress(t *testing.T) {
	a := node("InternalIP", "10.1.0.4")
	if !endpoint.SameAddress(a, node("InternalIP", "10.1.0.4", "Hostname", "x")) {
		t.Error("another host name is no other address")
	}
	if endpoint.SameAddress(a, node("InternalIP", "10.1.0.4", "ExternalIP", "20.0.0.1")) {
		t.Error("an external address changes the address")
	}
}
