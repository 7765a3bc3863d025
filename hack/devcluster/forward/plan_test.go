// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var node = netip.MustParseAddr("127.0.0.1")

func TestPlan(t *testing.T) {
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	deleting := func(p *corev1.Pod) { now := metav1.Now(); p.DeletionTimestamp = &now }
	ended := func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }
	noAddress := func(p *corev1.Pod) { p.Status.PodIP = "" }
	elsewhere := func(p *corev1.Pod) { p.Namespace = "other" }
	unlabelled := func(p *corev1.Pod) { p.Labels = nil }
	hostPort := func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].HostPort = 443 }
	hostIP := func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].HostIP = "127.0.0.9" }
	onHost := func(p *corev1.Pod) { p.Spec.HostNetwork = true }

	numbered := func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromInt32(9441) }
	same := func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.IntOrString{} }
	unknownName := func(s *corev1.Service) { s.Spec.Ports[0].TargetPort = intstr.FromString("nope") }
	early := func(s *corev1.Service) { s.Spec.PublishNotReadyAddresses = true }
	headless := func(s *corev1.Service) { s.Spec.ClusterIP = "None" }
	nodePort := func(s *corev1.Service) { s.Spec.Ports[0].NodePort = 30000 }
	balanced := func(s *corev1.Service) {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "x"}, {IP: "127.128.0.7"}}
	}
	udp := func(s *corev1.Service) {
		s.Spec.Ports[0].Protocol = corev1.ProtocolUDP
	}
	sctp := func(s *corev1.Service) { s.Spec.Ports[0].Protocol = corev1.ProtocolSCTP }
	external := func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeExternalName }
	noSelector := func(s *corev1.Service) { s.Spec.Selector = nil }

	svc := []*corev1.Service{service()}
	for name, c := range map[string]struct {
		services []*corev1.Service
		pods     []*corev1.Pod
		want     []string
	}{
		"named port, two pods":            {svc, []*corev1.Pod{pod("a", 2), pod("b", 3)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:8080 127.64.0.3:8080"}},
		"number":                          {[]*corev1.Service{service(numbered)}, []*corev1.Pod{pod("a", 2)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:9441"}},
		"same port":                       {[]*corev1.Service{service(same)}, []*corev1.Pod{pod("a", 2)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:80"}},
		"name no pod has":                 {[]*corev1.Service{service(unknownName)}, []*corev1.Pod{pod("a", 2)}, []string{"tcp/127.96.0.7:80 ->"}},
		"a name means a protocol too":     {[]*corev1.Service{service(udp)}, []*corev1.Pod{pod("a", 2)}, []string{"udp/127.96.0.7:80 ->"}},
		"no pods":                         {svc, nil, []string{"tcp/127.96.0.7:80 ->"}},
		"only pods that serve":            {svc, []*corev1.Pod{pod("a", 2, unready), pod("b", 3, deleting), pod("c", 4, ended), pod("d", 5, noAddress), pod("e", 6, elsewhere), pod("f", 7, unlabelled)}, []string{"tcp/127.96.0.7:80 ->"}},
		"not ready ones too":              {[]*corev1.Service{service(early)}, []*corev1.Pod{pod("a", 2, unready), pod("b", 3, deleting), pod("c", 4, ended)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:8080 127.64.0.3:8080"}},
		"headless":                        {[]*corev1.Service{service(headless)}, []*corev1.Pod{pod("a", 2)}, nil},
		"node port":                       {[]*corev1.Service{service(nodePort)}, []*corev1.Pod{pod("a", 2)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:8080", "tcp/127.0.0.1:30000 -> 127.64.0.2:8080"}},
		"balancer":                        {[]*corev1.Service{service(balanced)}, []*corev1.Pod{pod("a", 2)}, []string{"tcp/127.96.0.7:80 -> 127.64.0.2:8080", "tcp/127.128.0.7:80 -> 127.64.0.2:8080"}},
		"protocols nobody forwards":       {[]*corev1.Service{service(sctp)}, []*corev1.Pod{pod("a", 2)}, nil},
		"external names, no selector":     {[]*corev1.Service{service(external), service(noSelector)}, []*corev1.Pod{pod("a", 2)}, nil},
		"host port, ready or not":         {nil, []*corev1.Pod{pod("a", 2, hostPort, unready)}, []string{"tcp/127.0.0.1:443 -> 127.64.0.2:8080"}},
		"host port on an address":         {nil, []*corev1.Pod{pod("a", 2, hostPort, hostIP)}, []string{"tcp/127.0.0.9:443 -> 127.64.0.2:8080"}},
		"host port of an ended pod":       {nil, []*corev1.Pod{pod("a", 2, hostPort, ended)}, nil},
		"host port on the host's network": {nil, []*corev1.Pod{pod("a", 2, hostPort, onHost)}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range Plan(c.services, c.pods, node) {
				line := r.Frontend.String() + " ->"
				for _, b := range r.Backends {
					line += " " + b.String()
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPlanPutsTheOlderPodFirst(t *testing.T) {
	older, newer := pod("z", 2), pod("a", 3)
	for _, p := range []*corev1.Pod{older, newer} {
		p.Spec.Containers[0].Ports[0].HostPort = 443
	}
	newer.CreationTimestamp = metav1.NewTime(older.CreationTimestamp.Add(time.Second))
	rules := Plan(nil, []*corev1.Pod{newer, older}, node)
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.For == "pod voice/z" })
	if len(rules) != 2 || i != 0 {
		t.Errorf("rules: %+v", rules)
	}
}

func service(change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: "svc"},
		Spec: corev1.ServiceSpec{
			ClusterIP: "127.96.0.7", Selector: map[string]string{"app": "x"},
			Ports: []corev1.ServicePort{{Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("http")}},
		},
	}
	for _, f := range change {
		f(s)
	}
	return s
}

func pod(name string, last int, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "voice", Name: name, Labels: map[string]string{"app": "x", "more": "y"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080, Protocol: corev1.ProtocolTCP}},
		}}},
		Status: corev1.PodStatus{
			PodIP: fmt.Sprintf("127.64.0.%d", last), Phase: corev1.PodRunning,
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, f := range change {
		f(p)
	}
	return p
}
