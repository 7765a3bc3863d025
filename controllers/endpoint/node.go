// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// atNode is the state of a pod whose port is one of its node: the address is known when the Pod is scheduled.
func atNode(f Facts, port int32) State {
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
	if other := takenBy(f, *state.Endpoint); other != "" {
		// Two nodes behind one address: the scheduler keeps ports apart on a node, not on an address.
		waiting.Reason, waiting.Stalled = v1alpha1.ReasonPortConflict, true
		waiting.Message = fmt.Sprintf(
			"port %d of address %s leads to media pod %q, on another node with the same address; give each node an address of its own, or widen media.endpoint.ports and delete this media pod",
			port, address, other)
		return waiting
	}
	return state
}

// takenBy is the other media pod that is announced at this address and port. Who was there first stays.
func takenBy(f Facts, e v1alpha1.Endpoint) string {
	if is := f.MediaPod.Status.Endpoint; is != nil && is.Address == e.Address && is.Port == e.Port {
		return ""
	}
	for other, name := range f.Endpoints {
		if other.Address == e.Address && other.Port == e.Port {
			return name
		}
	}
	return ""
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
