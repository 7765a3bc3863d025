// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// nodePort gives each pod a Service with a node port, which the process listens on too: ICE candidates cannot carry a port
// mapping. The API server gives the port, or, if the bot has a range, checks the one chosen from it; so the Service comes
// first, then the Pod, then the address of its node.
//
// Packets stay on the node they come to (externalTrafficPolicy: Local): no second hop, and the far side's address stays as it
// is, by which ICE tells paths apart. Then only the node that the pod runs on answers, which is the one announced.
func nodePort(f Facts) State {
	want := podService{kind: corev1.ServiceTypeNodePort, port: ClusterPort, local: true}
	want.target = func(p corev1.Protocol) intstr.IntOrString { return intstr.FromString(portName(p)) }
	if f.Service == nil {
		if f.MediaPod.Spec.Media.Endpoint.Ports != nil {
			if want.nodePort = firstFree(f.MediaPod, f.NodePorts); want.nodePort == 0 {
				state := exhausted(f.MediaPod, "Services of the cluster")
				state.PodFirst = true
				return state
			}
		}
		return State{
			PodFirst: true, Service: want.apply(f.MediaPod),
			Reason: v1alpha1.ReasonWaitingForAddress, Message: "waiting for the Service's node port",
		}
	}
	if state, foreign := notOurs(f); foreign {
		state.PodFirst = true
		return state
	}
	want.nodePort = nodePortOf(f.Service, corev1.ProtocolTCP)
	if want.nodePort == 0 || want.nodePort != nodePortOf(f.Service, corev1.ProtocolUDP) {
		return State{PodFirst: true, Stalled: true, Reason: v1alpha1.ReasonEndpointUnavailable, Message: fmt.Sprintf(
			"Service %q has no node port that is the same for TCP and UDP; delete it, and it is made again", f.Service.Name)}
	}
	port := want.nodePort
	if f.PodPort != 0 && f.PodPort != port {
		return State{PodFirst: true, Port: f.PodPort, Stalled: true, Reason: v1alpha1.ReasonPortConflict, Message: fmt.Sprintf(
			"the Service's node port is %d, and the process listens on %d: the Service was made anew; delete this media pod, and another takes its place", port, f.PodPort)}
	}
	state := atNode(f, port)
	state.Service = want.ifDrifted(f)
	return state
}

func nodePortOf(s *corev1.Service, protocol corev1.Protocol) int32 {
	for _, p := range s.Spec.Ports {
		if p.Protocol == protocol {
			return p.NodePort
		}
	}
	return 0
}
