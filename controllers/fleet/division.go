// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/endpoint"
)

// division of a fleet's pods.
type division struct {
	// current pods serve with the present configuration.
	current []*v1alpha1.MediaPod
	// old pods serve with an earlier one, or with an earlier certificate that they cannot change.
	old []*v1alpha1.MediaPod
	// draining pods only finish their calls.
	draining []*v1alpha1.MediaPod
	// doomed pods are about to be marked, because of where they run, or because somebody gave them up.
	doomed []*v1alpha1.MediaPod
	// away pods are on nodes that nobody hears of. Their calls may go on: they are neither counted on nor touched.
	away []*v1alpha1.MediaPod
	// returned are those of the current ones whose mark is about to be taken back: their processes have yet to see that.
	returned []*v1alpha1.MediaPod
}

func divide(seen *observation) division {
	var d division
	for i := range seen.pods {
		pod := &seen.pods[i]
		switch {
		case drain.Marked(pod):
			d.draining = append(d.draining, pod)
		case drain.GivenUp(pod), seen.nodes[pod.Status.NodeName].doomed != "":
			d.doomed = append(d.doomed, pod)
		case seen.nodes[pod.Status.NodeName].gone:
			d.away = append(d.away, pod)
		case upToDate(seen, pod):
			d.current = append(d.current, pod)
		default:
			d.old = append(d.old, pod)
		}
	}
	return d
}

// upToDate: the pod has the present configuration, and what its process cannot take over while it runs has not changed either.
func upToDate(seen *observation, pod *v1alpha1.MediaPod) bool {
	return pod.Spec.Revision == seen.revision && !meta.IsStatusConditionTrue(pod.Status.Conditions, v1alpha1.ConditionCertificateRenewed)
}

// serving are the pods that take calls, or will.
func (d division) serving() []*v1alpha1.MediaPod { return slices.Concat(d.current, d.old) }

// ready are so many of the current pods.
func (d division) ready() int { return countReady(d.current) - countReady(d.returned) }

// without leaves out the pods that are about to be marked.
func (d division) without(marked []marking) division {
	rest := func(pods []*v1alpha1.MediaPod) []*v1alpha1.MediaPod {
		return slices.DeleteFunc(slices.Clone(pods), func(pod *v1alpha1.MediaPod) bool {
			return slices.ContainsFunc(marked, func(m marking) bool { return m.pod == pod })
		})
	}
	d.current, d.old = rest(d.current), rest(d.old)
	return d
}

// withReturned counts the pods whose marks are about to be taken back among those that serve.
func (d division) withReturned(undrains []undrain) division {
	if len(undrains) == 0 {
		return d
	}
	d.current = slices.Clone(d.current)
	for _, u := range undrains {
		d.current, d.returned = append(d.current, u.pod), append(d.returned, u.pod)
	}
	d.draining = slices.DeleteFunc(slices.Clone(d.draining), func(pod *v1alpha1.MediaPod) bool { return returned(undrains, pod) })
	return d
}

// freePorts is how many more pods the endpoint has room for.
func freePorts(seen *observation) int {
	ports, limited := portsOf(seen.bot)
	if !limited {
		return math.MaxInt32
	}
	return ports - len(seen.pods)
}

// portsOf is how many pods the bot's endpoint has ports for, if they are limited.
func portsOf(bot *v1alpha1.CallingBot) (ports int, limited bool) {
	return endpoint.Limit(bot.Spec.Media.Endpoint)
}

// victims are the n pods whose loss costs least: those that are not ready before those that are, then the idle, then by
// calls, and the younger of two equals. A drained pod keeps its calls, so what is lost is the seats it could have given. The
// slot's number says nothing about a pod's worth.
func victims(seen *observation, pods []*v1alpha1.MediaPod, n int) []*v1alpha1.MediaPod {
	return first(n, pods, func(a, b *v1alpha1.MediaPod) int {
		return cmp.Or(
			cmp.Compare(rank(isReady(a)), rank(isReady(b))),
			cmp.Compare(load(seen, a), load(seen, b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

// returning are the n draining pods that are most worth taking back: those with seats to give, and of these the busiest,
// which would be the last to go; the idle ones are gone in a moment, and what they ran on is free then.
func returning(seen *observation, pods []*v1alpha1.MediaPod, n int) []*v1alpha1.MediaPod {
	full := func(pod *v1alpha1.MediaPod) int { return rank(pod.Status.Seats.Free <= 0) }
	return first(n, pods, func(a, b *v1alpha1.MediaPod) int {
		return cmp.Or(
			cmp.Compare(full(a), full(b)),
			cmp.Compare(load(seen, b), load(seen, a)),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

func first(n int, pods []*v1alpha1.MediaPod, order func(a, b *v1alpha1.MediaPod) int) []*v1alpha1.MediaPod {
	if n <= 0 {
		return nil
	}
	sorted := slices.Clone(pods)
	slices.SortStableFunc(sorted, order)
	return sorted[:min(n, len(sorted))]
}

// load counts the calls that are, or are about to be, on a pod. Sessions that are bound and not yet in its report count.
func load(seen *observation, pod *v1alpha1.MediaPod) int {
	return max(int(pod.Status.Calls), len(seen.bound[pod.Name])) + int(pod.Status.Seats.Reserved)
}

func rank(is bool) int {
	if is {
		return 1
	}
	return 0
}
