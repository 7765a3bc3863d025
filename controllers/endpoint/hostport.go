// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// hostPort opens a port of the node. The port is chosen before, the address is known after scheduling.
func hostPort(f Facts) State {
	port := f.PodPort
	if port == 0 {
		port = choosePort(f)
	}
	if port == 0 {
		r := ptr.Deref(f.MediaPod.Spec.Media.Endpoint.Ports, v1alpha1.PortRange{})
		return State{
			PodFirst: true, Stalled: true, Reason: v1alpha1.ReasonPortsExhausted,
			Message: fmt.Sprintf("the fleet's pods use every port from %d to %d; widen media.endpoint.ports", r.From, r.To),
		}
	}
	waiting := State{Port: port, PodFirst: true, Reason: v1alpha1.ReasonWaitingForNode}
	if f.NodeName == "" {
		waiting.Message = fmt.Sprintf("port %d of the node the Pod will run on; it is not scheduled yet", port)
		return waiting
	}
	if f.Node == nil {
		waiting.Message = fmt.Sprintf("node %q is not known; wait for it, or delete the Pod %q", f.NodeName, f.MediaPod.Name)
		return waiting
	}
	address := addressOf(f.Node)
	if address == "" {
		waiting.Reason = v1alpha1.ReasonWaitingForAddress
		waiting.Message = fmt.Sprintf("node %q has neither an external nor an internal IP address; give it one", f.NodeName)
		return waiting
	}
	state := known(f, address, port)
	state.PodFirst = true
	return state
}

// choosePort gives each slot its own port: the first of the range plus the slot, or the next that no other pod of the
// fleet uses. Pods of an older configuration may sit anywhere in the range. 0 if there is none.
func choosePort(f Facts) int32 {
	r := f.MediaPod.Spec.Media.Endpoint.Ports
	if r == nil {
		return 0
	}
	size := r.To - r.From + 1
	for i := range size {
		port := r.From + (f.MediaPod.Spec.Slot+i)%size
		if _, used := f.UsedPorts[port]; !used {
			return port
		}
	}
	return 0
}

// addressOf is the node's external address, else its internal one.
func addressOf(node *corev1.Node) string {
	for _, kind := range []corev1.NodeAddressType{corev1.NodeExternalIP, corev1.NodeInternalIP} {
		for _, a := range node.Status.Addresses {
			if a.Type == kind && net.ParseIP(a.Address) != nil {
				return a.Address
			}
		}
	}
	return ""
}

// SameAddress says whether two versions of a node give its pods the same address.
func SameAddress(a, b *corev1.Node) bool { return addressOf(a) == addressOf(b) }
