// SPDX-License-Identifier: Apache-2.0

package endpoint_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/controllers/endpoint"
)

func ofType(kind v1alpha1.EndpointType, ports ...int32) func(*v1alpha1.MediaEndpoint) {
	return func(e *v1alpha1.MediaEndpoint) {
		*e = v1alpha1.MediaEndpoint{Type: kind}
		if len(ports) == 2 {
			e.Ports = &v1alpha1.PortRange{From: ports[0], To: ports[1]}
		}
	}
}

func onNodePort(number int32) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalTrafficPolicy = corev1.ServiceTypeNodePort, corev1.ServiceExternalTrafficPolicyLocal
		s.Spec.Ports[0].TargetPort, s.Spec.Ports[1].TargetPort = intstr.FromString("media-tcp"), intstr.FromString("media-udp")
		s.Spec.Ports[0].NodePort, s.Spec.Ports[1].NodePort = number, number
	}
}

func balanced(ingress ...corev1.LoadBalancerIngress) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Spec.Type, s.Spec.ExternalTrafficPolicy = corev1.ServiceTypeLoadBalancer, corev1.ServiceExternalTrafficPolicyLocal
		s.Spec.AllocateLoadBalancerNodePorts = ptr.To(false)
		s.Status.LoadBalancer.Ingress = ingress
	}
}

func at(ip string) corev1.LoadBalancerIngress { return corev1.LoadBalancerIngress{IP: ip} }

func TestServicesOfOnePod(t *testing.T) {
	free, ranged := mediaPod(3, ofType(v1alpha1.EndpointNodePort)), mediaPod(3, ofType(v1alpha1.EndpointNodePort, 30100, 30104))
	own := mediaPod(3, ofType(v1alpha1.EndpointLoadBalancerPerPod))
	bound := node("InternalIP", "10.1.0.4")
	const noBalancer = "Service \"reception-3\" has no public address yet; if that stays, see `kubectl describe service -n voice reception-3`: the cluster needs a controller of load balancers"
	tests := map[string]struct {
		facts endpoint.Facts
		want  want
	}{
		"NodePort, no Service": {
			endpoint.Facts{MediaPod: free},
			want{PodFirst: true, Writes: true, Reason: "WaitingForAddress", Message: "waiting for the Service's node port"},
		},
		"NodePort, Service: the Pod can be made": {
			endpoint.Facts{MediaPod: free, Service: service(free, onNodePort(30777))},
			want{Port: 30777, PodFirst: true, Reason: "WaitingForNode", Message: "port 30777 of the node the Pod will run on; it is not scheduled yet"},
		},
		"NodePort, scheduled": {
			endpoint.Facts{MediaPod: free, Service: service(free, onNodePort(30777)), PodPort: 30777, NodeName: "win-1", Node: bound},
			want{Endpoint: &v1alpha1.Endpoint{Host: "10.1.0.4", Address: "10.1.0.4", Port: 30777}, Port: 30777, PodFirst: true,
				Reason: "Assigned", Message: "reached at 10.1.0.4, port 30777, TCP and UDP"},
		},
		"NodePort, TCP and UDP differ": {
			endpoint.Facts{MediaPod: free, Service: service(free, onNodePort(30777), func(s *corev1.Service) { s.Spec.Ports[1].NodePort = 30778 })},
			want{PodFirst: true, Stalled: true, Reason: "EndpointUnavailable",
				Message: `Service "reception-3" has no node port that is the same for TCP and UDP; delete it, and it is made again`},
		},
		"NodePort, the Service was made anew": {
			endpoint.Facts{MediaPod: free, Service: service(free, onNodePort(30778)), PodPort: 30777, NodeName: "win-1", Node: bound},
			want{Port: 30777, PodFirst: true, Stalled: true, Reason: "PortConflict",
				Message: "the Service's node port is 30778, and the process listens on 30777: the Service was made anew; delete this media pod, and another takes its place"},
		},
		"NodePort, every port of the range is a Service's": {
			endpoint.Facts{MediaPod: ranged, NodePorts: map[int32]string{30100: "a/b", 30101: "a/c", 30102: "a/d", 30103: "a/e", 30104: "a/f"}},
			want{PodFirst: true, Stalled: true, Reason: "PortsExhausted",
				Message: "Services of the cluster use every port from 30100 to 30104; widen media.endpoint.ports"},
		},
		"NodePort, somebody else's Service": {
			endpoint.Facts{MediaPod: free, Service: service(free, func(s *corev1.Service) { s.OwnerReferences = nil })},
			want{PodFirst: true, Stalled: true, Reason: "EndpointUnavailable",
				Message: `a Service "reception-3" exists that does not belong to this media pod; delete or rename it`},
		},

		"LoadBalancerPerPod, no Service": {
			endpoint.Facts{MediaPod: own},
			want{Port: 8445, Writes: true, Reason: "WaitingForAddress", Message: "waiting for the Service's public address"},
		},
		"LoadBalancerPerPod, no address": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced())},
			want{Port: 8445, Reason: "WaitingForAddress", Message: noBalancer},
		},
		"LoadBalancerPerPod, address": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced(at("20.0.0.9"), at("2001:db8::9")))},
			want{Endpoint: &v1alpha1.Endpoint{Host: "20.0.0.9", Address: "20.0.0.9", Port: 8445}, Port: 8445,
				Reason: "Assigned", Message: "reached at 20.0.0.9, port 8445, TCP and UDP"},
		},
		"LoadBalancerPerPod, a name and no address": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced(corev1.LoadBalancerIngress{Hostname: "x.elb.example.com"}))},
			want{Port: 8445, Stalled: true, Reason: "EndpointUnavailable",
				Message: `the balancer of Service "reception-3" has the name x.elb.example.com and no IP address, which is what far sides are told for UDP; have it given a fixed address, or use HostPort`},
		},
		"LoadBalancerPerPod, UDP is not served": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced(corev1.LoadBalancerIngress{IP: "20.0.0.9", Ports: []corev1.PortStatus{
				{Port: 8445, Protocol: corev1.ProtocolTCP}, {Port: 8445, Protocol: corev1.ProtocolUDP, Error: ptr.To("MixedProtocolNotSupported")},
			}}))},
			want{Port: 8445, Stalled: true, Reason: "EndpointUnavailable",
				Message: "the balancer does not serve port 8445, UDP: MixedProtocolNotSupported; choose a balancer that takes TCP and UDP on one address, or another endpoint type"},
		},
		"LoadBalancerPerPod, the balancer complains of its ports": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced(), func(s *corev1.Service) {
				s.Status.Conditions = []metav1.Condition{{Type: "LoadBalancerPortsError", Status: "True", Reason: "LoadBalancerMixedProtocolNotSupported", Message: "no"}}
			})},
			want{Port: 8445, Stalled: true, Reason: "EndpointUnavailable",
				Message: `the balancer cannot serve the ports of Service "reception-3": LoadBalancerMixedProtocolNotSupported: no; choose a balancer that takes TCP and UDP on one address, or another endpoint type`},
		},
		"LoadBalancerPerPod, node ports are taken after all": {
			endpoint.Facts{MediaPod: own, Service: service(own, balanced(), func(s *corev1.Service) { s.Spec.AllocateLoadBalancerNodePorts = nil })},
			want{Port: 8445, Writes: true, Reason: "WaitingForAddress", Message: noBalancer},
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

// written is the spec of a Service as it is applied.
func written(t *testing.T, s *applycorev1.ServiceApplyConfiguration) string {
	t.Helper()
	if s == nil {
		t.Fatal("no Service is written")
	}
	raw, err := yaml.Marshal(s.Spec)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestServicesAreAsReviewed(t *testing.T) {
	tests := map[string]struct {
		mp   *v1alpha1.MediaPod
		want string
	}{
		"NodePort": {mediaPod(3, ofType(v1alpha1.EndpointNodePort)), `
externalTrafficPolicy: Local
ports:
- name: media-tcp
  port: 8445
  protocol: TCP
  targetPort: media-tcp
- name: media-udp
  port: 8445
  protocol: UDP
  targetPort: media-udp
publishNotReadyAddresses: true
selector:
  callfleet.dev/mediapod: reception-3
type: NodePort
`},
		"NodePort of a range": {mediaPod(3, ofType(v1alpha1.EndpointNodePort, 30100, 30109)), `
externalTrafficPolicy: Local
ports:
- name: media-tcp
  nodePort: 30103
  port: 8445
  protocol: TCP
  targetPort: media-tcp
- name: media-udp
  nodePort: 30103
  port: 8445
  protocol: UDP
  targetPort: media-udp
publishNotReadyAddresses: true
selector:
  callfleet.dev/mediapod: reception-3
type: NodePort
`},
		"LoadBalancerPerPod": {mediaPod(3, ofType(v1alpha1.EndpointLoadBalancerPerPod)), `
allocateLoadBalancerNodePorts: false
externalTrafficPolicy: Local
ports:
- name: media-tcp
  port: 8445
  protocol: TCP
  targetPort: 8445
- name: media-udp
  port: 8445
  protocol: UDP
  targetPort: 8445
publishNotReadyAddresses: true
selector:
  callfleet.dev/mediapod: reception-3
type: LoadBalancer
`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := written(t, endpoint.Observe(endpoint.Facts{MediaPod: tc.mp}).Service)
			if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAnnotationsNameTheHost(t *testing.T) {
	annotated := func(kind v1alpha1.EndpointType, ports ...int32) *v1alpha1.MediaPod {
		return mediaPod(3, func(e *v1alpha1.MediaEndpoint) {
			ofType(kind, ports...)(e)
			e.Domain = "media.contoso.com"
			e.ServiceAnnotations = map[string]v1alpha1.AnnotationValue{"dns.example.com/hostname": "$(host)", "dns.example.com/ttl": "60"}
		})
	}
	shared := annotated(v1alpha1.EndpointLoadBalancer, 28550, 28559)
	bot := controllertest.Bot("voice", "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.Media = shared.Spec.Media }).Object()
	tests := map[string]struct {
		facts endpoint.Facts
		want  string
	}{
		"a Service of one pod":   {endpoint.Facts{MediaPod: annotated(v1alpha1.EndpointLoadBalancerPerPod)}, "3.reception.media.contoso.com"},
		"the Service of a fleet": {endpoint.Facts{MediaPod: shared, Bot: bot, Fleet: []endpoint.Member{{MediaPod: shared}}}, "*.reception.media.contoso.com"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := endpoint.Observe(tc.facts).Service.Annotations
			if diff := cmp.Diff(map[string]string{"dns.example.com/hostname": tc.want, "dns.example.com/ttl": "60"}, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestWhyTheAPIServerRefusesPorts(t *testing.T) {
	mp := mediaPod(3, ofType(v1alpha1.EndpointNodePort, 30100, 30109))
	tests := map[string]struct {
		err                  error
		reason, messageHolds string
	}{
		"nothing":     {nil, "", ""},
		"other ports": {errors.New("spec.ports[0].port: Invalid value: 0"), "", ""},
		"none left":   {errors.New("Internal error occurred: failed to allocate a nodePort: range is full"), "PortsExhausted", "--service-node-port-range"},
		"taken":       {fmt.Errorf("spec.ports[0].nodePort: Invalid value: 30103: provided port is already allocated"), "PortConflict", "get services -A"},
		"no node port": {errors.New("spec.ports[0].nodePort: Invalid value: 28550: provided port is not in the valid range. The range of valid ports is 30000-32767"),
			"PortConflict", "30000-32767); correct media.endpoint.ports, or leave it out"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			reason, message := endpoint.WhyRefused(mp, tc.err)
			if reason != tc.reason || !strings.Contains(message, tc.messageHolds) {
				t.Errorf("%s: %s", reason, message)
			}
		})
	}
}
