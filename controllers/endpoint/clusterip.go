// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// clusterIP gives each pod a Service of its own; its virtual IP is the address.
func clusterIP(f Facts) State {
	want := podService{kind: corev1.ServiceTypeClusterIP, port: ClusterPort, target: toNumber}
	if f.Service == nil {
		return State{
			Port: ClusterPort, Service: want.apply(f.MediaPod),
			Reason: v1alpha1.ReasonWaitingForAddress, Message: "waiting for the Service's address",
		}
	}
	if state, foreign := notOurs(f); foreign {
		state.Port = ClusterPort
		return state
	}
	pending := want.ifDrifted(f)
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
