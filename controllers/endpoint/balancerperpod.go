// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// loadBalancerPerPod gives each pod a Service with a public address of its own. Packets stay on the node they come to, and no
// node ports are taken: the balancer finds the pod's node by its health check.
func loadBalancerPerPod(f Facts) State {
	want := podService{kind: corev1.ServiceTypeLoadBalancer, port: ClusterPort, target: toNumber, local: true, withoutNodePorts: true}
	if f.Service == nil {
		return State{
			Port: ClusterPort, Service: want.apply(f.MediaPod),
			Reason: v1alpha1.ReasonWaitingForAddress, Message: "waiting for the Service's public address",
		}
	}
	if state, foreign := notOurs(f); foreign {
		state.Port = ClusterPort
		return state
	}
	state := behind(f, ClusterPort)
	state.Service = want.ifDrifted(f)
	return state
}
