// SPDX-License-Identifier: Apache-2.0

package kubelet

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestABalancersAddressBelongsToItsClusterIP(t *testing.T) {
	n := Network{Slot: 2, Nodes: 2}
	seen := map[netip.Addr]bool{}
	for ip := n.Services().Addr().Next(); n.Services().Contains(ip); ip = ip.Next() {
		svc := &corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer, ClusterIP: ip.String()}}
		got, ok := n.balancer(svc)
		if !ok || !n.Balancers().Contains(got) || seen[got] {
			t.Fatalf("the balancer of %s is at %s, %v", ip, got, ok)
		}
		seen[got] = true
	}
	for name, spec := range map[string]corev1.ServiceSpec{
		"another type":      {Type: corev1.ServiceTypeNodePort, ClusterIP: n.Services().Addr().Next().String()},
		"not yet allocated": {Type: corev1.ServiceTypeLoadBalancer},
		"another cluster's": {Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.96.0.7"},
	} {
		if got, ok := n.balancer(&corev1.Service{Spec: spec}); ok {
			t.Errorf("%s: it has the balancer %s", name, got)
		}
	}
}

func TestWhatOnlySomeNodesTakeIsSentToOneOfThem(t *testing.T) {
	n := Network{Nodes: 3}
	service := func(policy corev1.ServiceExternalTrafficPolicy) *corev1.Service {
		return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "media"}, Spec: corev1.ServiceSpec{ExternalTrafficPolicy: policy}}
	}
	slice := func(namespace, service string, nodes ...string) *discoveryv1.EndpointSlice {
		s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
		for _, node := range nodes {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{NodeName: &node})
		}
		return s
	}
	others := []*discoveryv1.EndpointSlice{slice("voice", "else", "node2"), slice("other", "media", "node2")}
	for name, c := range map[string]struct {
		policy corev1.ServiceExternalTrafficPolicy
		ends   []*discoveryv1.EndpointSlice
		want   netip.Addr
	}{
		"any takes it":             {corev1.ServiceExternalTrafficPolicyCluster, append(others, slice("voice", "media", "node3")), n.Node(1)},
		"only that of the pod":     {corev1.ServiceExternalTrafficPolicyLocal, append(others, slice("voice", "media", "node3")), n.Node(3)},
		"there is no pod yet":      {corev1.ServiceExternalTrafficPolicyLocal, append(others, slice("voice", "media")), n.Node(1)},
		"the node is none of ours": {corev1.ServiceExternalTrafficPolicyLocal, append(others, slice("voice", "media", "node9")), n.Node(1)},
	} {
		if got := n.entry(service(c.policy), c.ends); got != c.want {
			t.Errorf("%s: it is sent to %s, want %s", name, got, c.want)
		}
	}
}
