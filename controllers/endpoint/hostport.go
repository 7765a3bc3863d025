// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"github.com/callfleet/callfleet/api/v1alpha1"
)

// hostPort opens a port of the node. The port is chosen before, the address is known after scheduling.
//
// Ports are not the fleet's alone: two pods may have one number, and the scheduler puts them on different nodes. A range of n
// ports therefore holds n pods a node, however many nodes there are; when all have it full, the next Pod stays Pending,
// which is what a cluster autoscaler adds a node for.
func hostPort(f Facts) State {
	port := f.PodPort
	if port == 0 {
		port = leastUsed(f.MediaPod, f.PortUses)
	}
	if port == 0 { // only a MediaPod that the API server would not take has no range
		return State{PodFirst: true, Stalled: true, Reason: v1alpha1.ReasonPortsExhausted, Message: "no ports are given; set media.endpoint.ports"}
	}
	return atNode(f, port)
}
