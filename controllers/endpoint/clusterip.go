// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/podspec"
)

// ClusterPort is the media port behind a Service. Every pod has its own address, so all can use one number.
const ClusterPort int32 = 8445

// clusterIP gives each pod a Service of its own; its virtual IP is the address.
func clusterIP(f Facts) State {
	if f.Service == nil {
		return State{
			Port: ClusterPort, Service: service(f.MediaPod),
			Reason: v1alpha1.ReasonWaitingForAddress, Message: "waiting for the Service's address",
		}
	}
	if !metav1.IsControlledBy(f.Service, f.MediaPod) {
		return ForeignService(f.MediaPod, f.Service)
	}
	var pending *applycorev1.ServiceApplyConfiguration
	if drifted(f.Service, f.MediaPod) {
		pending = service(f.MediaPod)
	}
	if ip := f.Service.Spec.ClusterIP; ip == "" || ip == corev1.ClusterIPNone {
		return State{
			Port: ClusterPort, Service: pending, Reason: v1alpha1.ReasonWaitingForAddress,
			Message: fmt.Sprintf("Service %q has no cluster IP; delete it, and it is made again", f.Service.Name),
		}
	}
	state := known(f, f.Service.Spec.ClusterIP, ClusterPort)
	state.Service = pending
	return state
}

// ForeignService is the state when the Service's name is taken by one that is not the MediaPod's.
func ForeignService(mp *v1alpha1.MediaPod, service *corev1.Service) State {
	if owner := metav1.GetControllerOf(service); owner != nil && podspec.IsEarlier(*owner, mp.Name) {
		return State{
			Port: ClusterPort, Reason: v1alpha1.ReasonWaitingForAddress,
			Message: fmt.Sprintf("Service %q of an earlier media pod of this name is still being removed; it is waited for", mp.Name),
		}
	}
	return State{
		Port: ClusterPort, Reason: v1alpha1.ReasonEndpointUnavailable, Stalled: true,
		Message: fmt.Sprintf("a Service %q exists that does not belong to this media pod; delete or rename it", mp.Name),
	}
}

var protocols = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP}

func portName(p corev1.Protocol) string {
	if p == corev1.ProtocolUDP {
		return "media-udp"
	}
	return "media-tcp"
}

func labels(mp *v1alpha1.MediaPod) map[string]string {
	return map[string]string{v1alpha1.LabelBot: mp.Spec.BotRef.Name, v1alpha1.LabelMediaPod: mp.Name}
}

func selector(mp *v1alpha1.MediaPod) map[string]string {
	return map[string]string{v1alpha1.LabelMediaPod: mp.Name}
}

func service(mp *v1alpha1.MediaPod) *applycorev1.ServiceApplyConfiguration {
	spec := applycorev1.ServiceSpec().
		WithType(corev1.ServiceTypeClusterIP).
		WithSelector(selector(mp)).
		// A pod that is not ready, or is going away, still carries its calls' packets: the Service must not cut them.
		WithPublishNotReadyAddresses(true)
	for _, protocol := range protocols {
		spec.WithPorts(applycorev1.ServicePort().
			WithName(portName(protocol)).WithProtocol(protocol).
			WithPort(ClusterPort).WithTargetPort(intstr.FromInt32(ClusterPort)))
	}
	return applycorev1.Service(mp.Name, mp.Namespace).
		WithLabels(labels(mp)).
		WithAnnotations(mp.Spec.Media.Endpoint.ServiceAnnotations).
		WithOwnerReferences(applymetav1.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("MediaPod").WithName(mp.Name).WithUID(mp.UID).
			WithController(true)).
		WithSpec(spec)
}

// drifted says whether the Service differs from what is wanted of it. What others added is left alone.
func drifted(s *corev1.Service, mp *v1alpha1.MediaPod) bool {
	if s.Spec.Type != corev1.ServiceTypeClusterIP || !s.Spec.PublishNotReadyAddresses ||
		!apiequality.Semantic.DeepEqual(s.Spec.Selector, selector(mp)) ||
		!holds(s.Labels, labels(mp)) || !holds(s.Annotations, mp.Spec.Media.Endpoint.ServiceAnnotations) {
		return true
	}
	for _, protocol := range protocols {
		if !hasPort(s, protocol) {
			return true
		}
	}
	return false
}

func hasPort(s *corev1.Service, protocol corev1.Protocol) bool {
	for _, p := range s.Spec.Ports {
		if p.Protocol == protocol && p.Port == ClusterPort {
			return p.Name == portName(protocol) && p.TargetPort == intstr.FromInt32(ClusterPort)
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
