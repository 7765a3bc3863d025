// SPDX-License-Identifier: Apache-2.0

// Package placement decides which media pod gets a call and keeps count of the seats that are taken, so that none is
// sold twice. It knows no client and no clock.
package placement

import (
	"cmp"

	"k8s.io/apimachinery/pkg/types"
)

// Pod is a media pod that may be given a call: the caller has already left out those that are not ready or drain.
type Pod struct {
	Name     types.NamespacedName
	Capacity int32
}

// Load is a pod and the seats taken on it.
type Load struct {
	Pod
	Taken int32
}

// Free seats; never negative, though a pod may be over its capacity after the capacity was lowered.
func (l Load) Free() int32 { return max(0, l.Capacity-l.Taken) }

// Packed picks the fullest pod that still has a seat, so that lightly used pods run empty and can be scaled in. Pods
// that are equally full are ordered by name: a decision can then be repeated.
func Packed(loads []Load) (Pod, bool) {
	best := -1
	for i, l := range loads {
		if l.Free() == 0 {
			continue
		}
		if best < 0 || fuller(l, loads[best]) {
			best = i
		}
	}
	if best < 0 {
		return Pod{}, false
	}
	return loads[best].Pod, true
}

// fuller compares what is left rather than what is used: with unequal pods it is the smallest gap that packing closes.
func fuller(a, b Load) bool {
	return cmp.Or(
		cmp.Compare(a.Free(), b.Free()),
		cmp.Compare(a.Name.Namespace, b.Name.Namespace),
		cmp.Compare(a.Name.Name, b.Name.Name),
	) < 0
}
