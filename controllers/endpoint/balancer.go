// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// loadBalancer puts a fleet behind one Service with one public address; each pod has a port of it.
//
// The Service has every port of the range from the start, so adding a pod touches no cloud API: that takes minutes, and a
// change of a balancer's rules is a risk to calls of other pods. A Service has one selector for all its ports; what leads a
// port to one pod is the name of its target, media-<port>-tcp, which only that pod's container has. The cluster's own
// controller resolves it (one EndpointSlice for each set of ports), so new pods are reached while the operator is away.
//
// The alternative, a Service a slot that share an address, is spelt differently by every cloud, takes a cloud call for each
// pod, and an address only some balancers let Services share.
//
// Packets may come to any node and are passed on (externalTrafficPolicy: Cluster): with Local, the balancer's health check
// lets a node through that runs any pod of the Service, and that node drops what is for the others.
func loadBalancer(f Facts) State {
	ports := assign(f.Fleet)
	port := ports[f.MediaPod.Name]
	if f.PodPort != 0 {
		port = f.PodPort
	}
	if port == 0 {
		return exhausted(f.MediaPod, "the fleet's pods")
	}
	want := sharedService(f, ports)
	if f.Service == nil {
		return State{
			Port: port, Service: want.apply(f.MediaPod), Reason: v1alpha1.ReasonWaitingForAddress,
			Message: fmt.Sprintf("waiting for the public address of Service %q", SharedServiceName(f.MediaPod.Spec.BotRef.Name)),
		}
	}
	if state, foreign := notOurs(f); foreign {
		state.Port = port
		return state
	}
	for _, m := range f.Fleet {
		if m.Port == port && m.MediaPod.Spec.Slot < f.MediaPod.Spec.Slot {
			return State{Port: port, Stalled: true, Reason: v1alpha1.ReasonPortConflict, Message: fmt.Sprintf(
				"media pod %q has port %d too; delete this media pod, and another takes its place", m.MediaPod.Name, port)}
		}
	}
	state := behind(f, port)
	state.Service = want.ifDrifted(f)
	return state
}

// SharedServiceName is the Service of a fleet that shares one.
func SharedServiceName(bot string) string { return bot + "-media" }

// shared is what is wanted of the Service of a fleet.
type shared struct {
	bot         string
	ports       []int32
	annotations map[string]string
	owners      []metav1.OwnerReference
}

// sharedService follows the bot; ports that pods of an older configuration have stay as long as those pods. The Service is the
// bot's, so the address stays while the fleet is scaled to nothing, and its pods' once the bot has another type of endpoint:
// then it goes with the last of them.
func sharedService(f Facts, assigned map[string]int32) shared {
	want := shared{bot: f.MediaPod.Spec.BotRef.Name}
	newest := f.MediaPod.Spec.Media.Endpoint
	all := map[int32]bool{}
	for _, port := range assigned {
		all[port] = true
	}
	wants := f.Bot != nil && f.Bot.Spec.Media.Endpoint.Type == v1alpha1.EndpointLoadBalancer
	if wants {
		newest = f.Bot.Spec.Media.Endpoint
		if r := newest.Ports; r != nil {
			for port := r.From; port <= r.To; port++ {
				all[port] = true
			}
		}
	}
	var users []*v1alpha1.MediaPod
	for _, m := range f.Fleet {
		users = append(users, m.MediaPod)
	}
	want.owners = podspec.SharedOwners(f.Bot, wants, users)
	for port := range all {
		want.ports = append(want.ports, port)
	}
	slices.Sort(want.ports)
	want.annotations = annotations(newest, Wildcard(want.bot, newest.Domain))
	return want
}

func (want shared) labels() map[string]string { return map[string]string{v1alpha1.LabelBot: want.bot} }

func (want shared) apply(mp *v1alpha1.MediaPod) *applycorev1.ServiceApplyConfiguration {
	spec := applycorev1.ServiceSpec().
		WithType(corev1.ServiceTypeLoadBalancer).
		WithExternalTrafficPolicy(corev1.ServiceExternalTrafficPolicyCluster).
		WithSelector(want.labels()).
		WithPublishNotReadyAddresses(true) // as for the Service of one pod
	for _, port := range want.ports {
		for _, protocol := range protocols {
			name := podspec.MediaPortName(port, protocol)
			spec.WithPorts(applycorev1.ServicePort().
				WithName(name).WithProtocol(protocol).WithPort(port).WithTargetPort(intstr.FromString(name)))
		}
	}
	service := applycorev1.Service(SharedServiceName(want.bot), mp.Namespace).
		WithLabels(want.labels()).
		WithAnnotations(want.annotations).
		WithSpec(spec)
	for _, o := range want.owners {
		service.WithOwnerReferences(&applymetav1.OwnerReferenceApplyConfiguration{
			APIVersion: &o.APIVersion, Kind: &o.Kind, Name: &o.Name, UID: &o.UID, Controller: o.Controller,
		})
	}
	return service
}

func (want shared) ifDrifted(f Facts) *applycorev1.ServiceApplyConfiguration {
	s := f.Service
	same := s.Spec.Type == corev1.ServiceTypeLoadBalancer && s.Spec.PublishNotReadyAddresses &&
		s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyCluster &&
		len(s.Spec.Selector) == 1 && holds(s.Spec.Selector, want.labels()) &&
		holds(s.Labels, want.labels()) && holds(s.Annotations, want.annotations) &&
		len(s.Spec.Ports) == len(protocols)*len(want.ports) && want.sameOwners(s)
	has := make(map[corev1.ServicePort]bool, len(s.Spec.Ports))
	for _, p := range s.Spec.Ports {
		has[corev1.ServicePort{Name: p.Name, Protocol: p.Protocol, Port: p.Port, TargetPort: p.TargetPort}] = true
	}
	for _, port := range want.ports {
		for _, protocol := range protocols {
			name := podspec.MediaPortName(port, protocol)
			same = same && has[corev1.ServicePort{Name: name, Protocol: protocol, Port: port, TargetPort: intstr.FromString(name)}]
		}
	}
	if same {
		return nil
	}
	return want.apply(f.MediaPod)
}

func (want shared) sameOwners(s *corev1.Service) bool {
	if len(want.owners) != len(s.OwnerReferences) {
		return false
	}
	for _, o := range want.owners {
		if !slices.ContainsFunc(s.OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == o.UID }) {
			return false
		}
	}
	return true
}

// behind is the state of a pod whose Service has, or will have, a public address.
func behind(f Facts, port int32) State {
	s := f.Service
	waiting := State{Port: port, Reason: v1alpha1.ReasonWaitingForAddress, Message: fmt.Sprintf(
		"Service %q has no public address yet; if that stays, see `kubectl describe service -n %s %s`: the cluster needs a controller of load balancers",
		s.Name, f.MediaPod.Namespace, s.Name)}
	unusable := func(text string) State {
		return State{Port: port, Reason: v1alpha1.ReasonEndpointUnavailable, Stalled: true, Message: text}
	}
	for _, c := range s.Status.Conditions {
		if c.Type == corev1.LoadBalancerPortsError && c.Status == "True" {
			return unusable(fmt.Sprintf("the balancer cannot serve the ports of Service %q: %s: %s; choose a balancer that takes TCP and UDP on one address, or another endpoint type", s.Name, c.Reason, c.Message))
		}
	}
	var name string
	for _, ingress := range s.Status.LoadBalancer.Ingress {
		for _, p := range ingress.Ports {
			if p.Port == port && p.Error != nil {
				return unusable(fmt.Sprintf("the balancer does not serve port %d, %s: %s; choose a balancer that takes TCP and UDP on one address, or another endpoint type", port, p.Protocol, *p.Error))
			}
		}
		if net.ParseIP(ingress.IP) != nil {
			return known(f, ingress.IP, port)
		}
		if ingress.Hostname != "" {
			name = ingress.Hostname
		}
	}
	if name != "" {
		return unusable(fmt.Sprintf(
			"the balancer of Service %q has the name %s and no IP address, which is what far sides are told for UDP; have it given a fixed address, or use HostPort", s.Name, name))
	}
	return waiting
}
