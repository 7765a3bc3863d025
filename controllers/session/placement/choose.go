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
	// Cost is how many of its seats the call takes, which depends on what calls of this pod use by default; 0 counts as one.
	Cost int32
	// Newest: it has the bot's present configuration. Such pods go first, so that the others run empty.
	Newest bool
}

func (p Pod) cost() int32 { return max(1, p.Cost) }

// Load is a pod and the seats taken on it.
type Load struct {
	Pod
	Taken int32
}

// Free seats; never negative, though a pod may be over its capacity after the capacity was lowered.
func (l Load) Free() int32 { return max(0, l.Capacity-l.Taken) }

// Order tells which of two pods with room is the better place.
type Order func(a, b Load) int

// Packed fills the fullest pod that still has room, so that lightly used pods run empty and can be scaled in. It compares
// what is left rather than what is used: with unequal pods it is the smallest gap that packing closes.
func Packed(a, b Load) int { return cmp.Compare(a.Free(), b.Free()) }

// Spread takes the pod with the most room, so that the loss of one costs the fewest calls.
func Spread(a, b Load) int { return cmp.Compare(b.Free(), a.Free()) }

// Choose picks the best pod that has room. Equals are ordered by name: a decision can then be repeated.
func Choose(loads []Load, order Order) (Pod, bool) {
	best := -1
	for i, l := range loads {
		if l.Free() < l.cost() {
			continue
		}
		if best < 0 || better(l, loads[best], order) {
			best = i
		}
	}
	if best < 0 {
		return Pod{}, false
	}
	return loads[best].Pod, true
}

func better(a, b Load, order Order) bool {
	if a.Newest != b.Newest {
		return a.Newest
	}
	return cmp.Or(
		order(a, b),
		cmp.Compare(a.Name.Namespace, b.Name.Namespace),
		cmp.Compare(a.Name.Name, b.Name.Name),
	) < 0
}
