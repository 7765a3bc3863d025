// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Member is a media pod whose port must differ from those of the others.
type Member struct {
	MediaPod *v1alpha1.MediaPod
	// Port it has; 0 before it was given one.
	Port int32
}

// Limit is how many pods the endpoint has ports for. With HostPort there is none: on another node each port is free again.
func Limit(e v1alpha1.MediaEndpoint) (pods int, limited bool) {
	if e.Ports == nil || e.Type == v1alpha1.EndpointHostPort {
		return 0, false
	}
	return int(e.Ports.To - e.Ports.From + 1), true
}

// inTurn are the ports of a slot's range, its own first: the first of the range plus the slot. So the port a pod has tells its
// slot, unless pods of an older configuration, which may sit anywhere in the range, push it on.
func inTurn(mp *v1alpha1.MediaPod) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		r := mp.Spec.Media.Endpoint.Ports
		if r == nil {
			return
		}
		size := r.To - r.From + 1
		for i := range size {
			if !yield(r.From + (mp.Spec.Slot+i)%size) {
				return
			}
		}
	}
}

// firstFree is the first of the slot's ports that nobody has; 0 if there is none.
func firstFree(mp *v1alpha1.MediaPod, taken map[int32]string) int32 {
	for port := range inTurn(mp) {
		if _, is := taken[port]; !is {
			return port
		}
	}
	return 0
}

// leastUsed is the slot's port that the fewest pods have. The scheduler keeps two of one number off the same node; the fewer
// have it, the more nodes are left to it.
func leastUsed(mp *v1alpha1.MediaPod, uses map[int32]int) int32 {
	var best int32
	for port := range inTurn(mp) {
		if best == 0 || uses[port] < uses[best] {
			best = port
		}
	}
	return best
}

// assign gives each member its port. All who compute it from the same fleet come to the same answer, and giving one of them
// its port does not change the others': passes that run at once cannot give a port away twice.
func assign(fleet []Member) map[string]int32 {
	ports, taken := map[string]int32{}, map[int32]string{}
	var waiting []*v1alpha1.MediaPod
	for _, m := range fleet {
		if m.Port == 0 {
			waiting = append(waiting, m.MediaPod)
			continue
		}
		ports[m.MediaPod.Name], taken[m.Port] = m.Port, m.MediaPod.Name
	}
	slices.SortFunc(waiting, func(a, b *v1alpha1.MediaPod) int { return cmp.Compare(a.Spec.Slot, b.Spec.Slot) })
	for _, mp := range waiting {
		if port := firstFree(mp, taken); port != 0 {
			ports[mp.Name], taken[port] = port, mp.Name
		}
	}
	return ports
}

// exhausted is the state when no port is left.
func exhausted(mp *v1alpha1.MediaPod, whose string) State {
	r := mp.Spec.Media.Endpoint.Ports
	return State{
		Stalled: true, Reason: v1alpha1.ReasonPortsExhausted,
		Message: fmt.Sprintf("%s use every port from %d to %d; widen media.endpoint.ports", whose, r.From, r.To),
	}
}
