// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Plan derives the rules from the Services and pods of a one-node cluster:
// cluster IPs, balancers and node ports of Services, host ports of pods.
func Plan(services []*corev1.Service, pods []*corev1.Pod, nodeIP netip.Addr) []Rule {
	var rules []Rule
	for _, svc := range slices.SortedFunc(slices.Values(services), byAge) {
		rules = append(rules, serviceRules(svc, pods, nodeIP)...)
	}
	for _, pod := range slices.SortedFunc(slices.Values(pods), byAge) {
		rules = append(rules, hostPortRules(pod, nodeIP)...)
	}
	return rules
}

// byAge puts the older object first, which keeps a frontend that two want.
func byAge[T metav1.Object](a, b T) int {
	return cmp.Or(
		a.GetCreationTimestamp().Compare(b.GetCreationTimestamp().Time),
		cmp.Compare(a.GetNamespace(), b.GetNamespace()),
		cmp.Compare(a.GetName(), b.GetName()),
	)
}

func serviceRules(svc *corev1.Service, pods []*corev1.Pod, nodeIP netip.Addr) []Rule {
	if svc.Spec.Type == corev1.ServiceTypeExternalName || len(svc.Spec.Selector) == 0 {
		return nil
	}
	clusterIP, err := netip.ParseAddr(svc.Spec.ClusterIP)
	headless := err != nil // "None", or not assigned yet
	var behind []*corev1.Pod
	selector := labels.SelectorFromSet(svc.Spec.Selector)
	for _, pod := range pods {
		if pod.Namespace == svc.Namespace && selector.Matches(labels.Set(pod.Labels)) && serves(pod, svc.Spec.PublishNotReadyAddresses) {
			behind = append(behind, pod)
		}
	}
	var rules []Rule
	for _, port := range svc.Spec.Ports {
		network, ok := networkOf(port.Protocol)
		if !ok {
			continue
		}
		var backends []netip.AddrPort
		for _, pod := range behind {
			if target, ok := targetPort(pod, port); ok {
				backends = append(backends, netip.AddrPortFrom(netip.MustParseAddr(pod.Status.PodIP), target))
			}
		}
		what := "service " + svc.Namespace + "/" + svc.Name
		if !headless {
			rules = append(rules, Rule{Frontend{network, netip.AddrPortFrom(clusterIP, uint16(port.Port))}, backends, what, svc})
		}
		for _, ingress := range svc.Status.LoadBalancer.Ingress {
			if ip, err := netip.ParseAddr(ingress.IP); err == nil {
				rules = append(rules, Rule{Frontend{network, netip.AddrPortFrom(ip, uint16(port.Port))}, backends, what, svc})
			}
		}
		if port.NodePort != 0 {
			rules = append(rules, Rule{Frontend{network, netip.AddrPortFrom(nodeIP, uint16(port.NodePort))}, backends, what, svc})
		}
	}
	return rules
}

// serves says whether a pod belongs behind a Service.
func serves(pod *corev1.Pod, notReadyToo bool) bool {
	if _, err := netip.ParseAddr(pod.Status.PodIP); err != nil {
		return false
	}
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return false
	}
	if notReadyToo {
		return true
	}
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func targetPort(pod *corev1.Pod, port corev1.ServicePort) (uint16, bool) {
	if port.TargetPort.Type == intstr.Int {
		if port.TargetPort.IntVal == 0 {
			return uint16(port.Port), true
		}
		return uint16(port.TargetPort.IntVal), true
	}
	for _, container := range pod.Spec.Containers {
		for _, p := range container.Ports {
			if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
				return uint16(p.ContainerPort), true
			}
		}
	}
	return 0, false
}

// hostPortRules does what the portmap plug-in does. A pod on the host's
// network listens there itself. Readiness does not matter here.
func hostPortRules(pod *corev1.Pod, nodeIP netip.Addr) []Rule {
	if pod.Spec.HostNetwork || !serves(pod, true) {
		return nil
	}
	podIP := netip.MustParseAddr(pod.Status.PodIP)
	var rules []Rule
	for _, container := range pod.Spec.Containers {
		for _, port := range container.Ports {
			network, ok := networkOf(port.Protocol)
			if !ok || port.HostPort == 0 {
				continue
			}
			hostIP := nodeIP
			if ip, err := netip.ParseAddr(port.HostIP); err == nil && !ip.IsUnspecified() {
				hostIP = ip
			}
			rules = append(rules, Rule{
				Frontend: Frontend{network, netip.AddrPortFrom(hostIP, uint16(port.HostPort))},
				Backends: []netip.AddrPort{netip.AddrPortFrom(podIP, uint16(port.ContainerPort))},
				For:      "pod " + pod.Namespace + "/" + pod.Name,
				Object:   pod,
			})
		}
	}
	return rules
}

func networkOf(p corev1.Protocol) (Network, bool) {
	network := Network(strings.ToLower(string(p)))
	return network, network == TCP || network == UDP
}
