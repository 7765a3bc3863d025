// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// ClusterPort is the media port behind a Service with an address of its own. All pods can use one number.
const ClusterPort int32 = 8445

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP}

func portName(p corev1.Protocol) string {
	if p == corev1.ProtocolUDP {
		return podspec.MediaUDP
	}
	return podspec.MediaTCP
}

// ServiceName is the Service through which the MediaPod is reached; "" if there is none.
func ServiceName(mp *v1alpha1.MediaPod) string {
	switch {
	case podspec.ServiceHosted(mp), mp.Spec.Media.Endpoint.Type == v1alpha1.EndpointHostPort:
		return ""
	case mp.Spec.Media.Endpoint.Type == v1alpha1.EndpointLoadBalancer:
		return SharedServiceName(mp.Spec.BotRef.Name)
	default:
		return mp.Name
	}
}

// podService is what is wanted of the Service of one pod.
type podService struct {
	kind corev1.ServiceType
	port int32
	// target of a protocol's port.
	target func(corev1.Protocol) intstr.IntOrString
	// nodePort, if not 0, of both protocols.
	nodePort int32
	// local: packets from outside stay on the node they come to.
	local bool
	// withoutNodePorts: a balancer that reaches the pods needs none, and the cluster has fewer than three thousand.
	withoutNodePorts bool
}

func toNumber(corev1.Protocol) intstr.IntOrString { return intstr.FromInt32(ClusterPort) }

func (want podService) apply(mp *v1alpha1.MediaPod) *applycorev1.ServiceApplyConfiguration {
	spec := applycorev1.ServiceSpec().
		WithType(want.kind).
		WithSelector(selector(mp)).
		// A pod that is not ready, or is going away, still carries its calls' packets: the Service must not cut them.
		WithPublishNotReadyAddresses(true)
	if want.local {
		spec.WithExternalTrafficPolicy(corev1.ServiceExternalTrafficPolicyLocal)
	}
	if want.withoutNodePorts {
		spec.WithAllocateLoadBalancerNodePorts(false)
	}
	for _, protocol := range protocols {
		port := applycorev1.ServicePort().
			WithName(portName(protocol)).WithProtocol(protocol).
			WithPort(want.port).WithTargetPort(want.target(protocol))
		if want.nodePort != 0 {
			port.WithNodePort(want.nodePort)
		}
		spec.WithPorts(port)
	}
	return applycorev1.Service(mp.Name, mp.Namespace).
		WithLabels(labels(mp)).
		WithAnnotations(annotations(mp.Spec.Media.Endpoint, Host(mp))).
		WithOwnerReferences(applymetav1.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("MediaPod").WithName(mp.Name).WithUID(mp.UID).
			WithController(true)).
		WithSpec(spec)
}

// ifDrifted is the Service to be written if the one observed differs from what is wanted of it; else nil. What others added
// is left alone.
func (want podService) ifDrifted(f Facts) *applycorev1.ServiceApplyConfiguration {
	s, mp := f.Service, f.MediaPod
	same := s.Spec.Type == want.kind && s.Spec.PublishNotReadyAddresses &&
		want.local == (s.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal) &&
		(!want.withoutNodePorts || !ptr.Deref(s.Spec.AllocateLoadBalancerNodePorts, true)) &&
		apiequality.Semantic.DeepEqual(s.Spec.Selector, selector(mp)) &&
		holds(s.Labels, labels(mp)) && holds(s.Annotations, annotations(mp.Spec.Media.Endpoint, Host(mp)))
	for _, protocol := range protocols {
		same = same && hasPort(s, corev1.ServicePort{Name: portName(protocol), Protocol: protocol, Port: want.port, TargetPort: want.target(protocol)})
	}
	if same {
		return nil
	}
	return want.apply(mp)
}

// notOurs is the state when the Service's name is taken by one that is not ours.
func notOurs(f Facts) (State, bool) {
	if Owned(f, f.Service) {
		return State{}, false
	}
	return ForeignService(f, f.Service), true
}

// Owned says whether a Service is the MediaPod's; one that is shared, the bot's or another of its pods'.
func Owned(f Facts, s *corev1.Service) bool {
	if f.MediaPod.Spec.Media.Endpoint.Type != v1alpha1.EndpointLoadBalancer {
		return metav1.IsControlledBy(s, f.MediaPod)
	}
	return slices.ContainsFunc(s.OwnerReferences, func(o metav1.OwnerReference) bool {
		return f.Bot != nil && o.UID == f.Bot.UID ||
			slices.ContainsFunc(f.Fleet, func(m Member) bool { return m.MediaPod.UID == o.UID })
	})
}

// WhyRefused is the reason and message for what the API server says about ports; "" if err is about something else. It has no
// codes of its own for either case (k8s.io/kubernetes, pkg/registry/core/service/portallocator).
func WhyRefused(mp *v1alpha1.MediaPod, err error) (reason, message string) {
	switch {
	case err == nil:
	case strings.Contains(err.Error(), "range is full"):
		return v1alpha1.ReasonPortsExhausted, "the cluster has no node port left for the Service: all are taken by other Services; " +
			"delete some of them, or widen the API server's --service-node-port-range"
	case strings.Contains(err.Error(), "provided port is already allocated"):
		return v1alpha1.ReasonPortConflict, "a node port of media.endpoint.ports is already taken by a Service that the operator does not see; " +
			"find it with `kubectl get services -A`, or choose other ports"
	case strings.Contains(err.Error(), "provided port is not in the valid range"):
		return v1alpha1.ReasonPortConflict, fmt.Sprintf("the ports from %d to %d are not all node ports of this cluster (%v); correct media.endpoint.ports, or leave it out",
			mp.Spec.Media.Endpoint.Ports.From, mp.Spec.Media.Endpoint.Ports.To, err)
	}
	return "", ""
}

// ForeignService is the state when the Service's name is taken by one that is not ours.
func ForeignService(f Facts, service *corev1.Service) State {
	for _, owner := range service.OwnerReferences {
		if podspec.IsEarlier(owner, f.MediaPod.Name) || owner.Kind == "CallingBot" && owner.Name == f.MediaPod.Spec.BotRef.Name {
			return State{Reason: v1alpha1.ReasonWaitingForAddress, Message: fmt.Sprintf(
				"Service %q of an earlier %s of this name is still being removed; it is waited for", service.Name, kindInWords(owner.Kind))}
		}
	}
	return State{Reason: v1alpha1.ReasonEndpointUnavailable, Stalled: true, Message: fmt.Sprintf(
		"a Service %q exists that does not belong to this %s; delete or rename it", service.Name, whose(f.MediaPod))}
}

func kindInWords(kind string) string {
	if kind == "CallingBot" {
		return "bot"
	}
	return "media pod"
}

func whose(mp *v1alpha1.MediaPod) string {
	if mp.Spec.Media.Endpoint.Type == v1alpha1.EndpointLoadBalancer {
		return "bot"
	}
	return "media pod"
}

func labels(mp *v1alpha1.MediaPod) map[string]string {
	return map[string]string{v1alpha1.LabelBot: mp.Spec.BotRef.Name, v1alpha1.LabelMediaPod: mp.Name}
}

func selector(mp *v1alpha1.MediaPod) map[string]string {
	return map[string]string{v1alpha1.LabelMediaPod: mp.Name}
}

// annotations puts the name that the Service is for in its place. Which annotations, and with which prefix, is the user's
// affair: that of external-dns alone has changed between versions.
func annotations(e v1alpha1.MediaEndpoint, name string) map[string]string {
	if len(e.ServiceAnnotations) == 0 {
		return nil
	}
	filled := make(map[string]string, len(e.ServiceAnnotations))
	for key, value := range e.ServiceAnnotations {
		filled[key] = strings.ReplaceAll(string(value), "$(host)", name)
	}
	return filled
}

func hasPort(s *corev1.Service, want corev1.ServicePort) bool {
	for _, p := range s.Spec.Ports {
		if p.Protocol == want.Protocol && p.Port == want.Port {
			return p.Name == want.Name && p.TargetPort == want.TargetPort
		}
	}
	return false
}

func holds(all, wanted map[string]string) bool {
	for key, value := range wanted {
		if got, ok := all[key]; !ok || got != value {
			return false
		}
	}
	return true
}
