// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/endpoint"
)

// plan is what a pass will do, each item with its reason.
type plan struct {
	creates []creation
	drains  []marking
	deletes []deletion
	// follows are the pods that get the bot's present rules for incoming calls, and redirects.
	follows []*v1alpha1.MediaPod
	// waits are the draining pods that may not be deleted yet.
	waits []wait
}

type creation struct {
	slot int32
	why  string
}

type marking struct {
	pod   *v1alpha1.MediaPod
	drain v1alpha1.Drain
	why   string
}

type deletion struct {
	pod *v1alpha1.MediaPod
	why string
}

// again is when to plan anew without being told to; zero for never.
func (p *plan) again(now time.Time) time.Duration {
	var soonest time.Duration
	for _, w := range p.waits {
		if until := w.verdict.Until; !until.IsZero() {
			if in := max(until.Sub(now), time.Millisecond); soonest == 0 || in < soonest {
				soonest = in
			}
		}
	}
	return soonest
}

type wait struct {
	pod     *v1alpha1.MediaPod
	verdict drain.Verdict
}

// makePlan decides, from nothing but what was observed and the time.
//
// Serving pods of the present revision are made until there are as many as wanted; those of older ones serve on until as
// many new ones are ready, so a rollout needs no capacity taken away. Only pods that are marked and known to be empty are
// deleted.
func makePlan(seen *observation, now time.Time) plan {
	var p plan
	fleet := divide(seen)
	for _, pod := range fleet.draining {
		if !pod.DeletionTimestamp.IsZero() {
			continue // deleted already; the mediapod controller lets it go when it is empty
		}
		verdict := drain.MayDelete(drain.Facts{MediaPod: pod, Sessions: seen.bound[pod.Name], Now: now})
		if verdict.Allowed {
			p.deletes = append(p.deletes, deletion{pod: pod, why: verdict.Message})
		} else {
			p.waits = append(p.waits, wait{pod: pod, verdict: verdict})
		}
	}
	wanted := wantedPods(seen.bot)
	p.drains = surplus(seen, fleet, wanted, now)
	fleet.current = without(fleet.current, p.drains)
	p.drains = append(p.drains, superseded(seen, fleet, wanted, now)...)
	if seen.problem == nil {
		p.creates = creations(seen, fleet, wanted)
	}
	for _, pod := range without(slices.Concat(fleet.current, fleet.old), p.drains) {
		if !followsBot(pod, seen.bot) {
			p.follows = append(p.follows, pod)
		}
	}
	return p
}

// followsBot reports whether a pod has the bot's present rules and redirects. One that drains takes no calls and needs
// none.
func followsBot(pod *v1alpha1.MediaPod, bot *v1alpha1.CallingBot) bool {
	return apiequality.Semantic.DeepEqual(pod.Spec.Incoming, bot.Spec.Incoming) &&
		apiequality.Semantic.DeepEqual(pod.Spec.Signaling.Redirects, bot.Spec.Signaling.Redirects)
}

// follow gives a pod the bot's rules and redirects.
func follow(pod *v1alpha1.MediaPod, bot *v1alpha1.CallingBot) {
	now := bot.DeepCopy()
	pod.Spec.Incoming, pod.Spec.Signaling.Redirects = now.Spec.Incoming, now.Spec.Signaling.Redirects
}

// division of a fleet's pods.
type division struct {
	// current pods serve with the present configuration.
	current []*v1alpha1.MediaPod
	// old pods serve with an earlier one.
	old []*v1alpha1.MediaPod
	// draining pods only finish their calls.
	draining []*v1alpha1.MediaPod
}

func divide(seen *observation) division {
	var d division
	for i := range seen.pods {
		pod := &seen.pods[i]
		switch {
		case drain.Marked(pod):
			d.draining = append(d.draining, pod)
		case pod.Spec.Revision == seen.revision:
			d.current = append(d.current, pod)
		default:
			d.old = append(d.old, pod)
		}
	}
	return d
}

// wantedPods is what the user wants; of a bot that is being deleted, none.
func wantedPods(bot *v1alpha1.CallingBot) int {
	if !bot.DeletionTimestamp.IsZero() {
		return 0
	}
	return int(ptr.Deref(bot.Spec.Replicas, 1))
}

func whyFewer(bot *v1alpha1.CallingBot) string {
	if !bot.DeletionTimestamp.IsZero() {
		return "the bot is being deleted"
	}
	return fmt.Sprintf("replicas is %d", wantedPods(bot))
}

// surplus are the current pods beyond what is wanted.
func surplus(seen *observation, fleet division, wanted int, now time.Time) []marking {
	excess := len(fleet.current) - wanted
	return mark(victims(seen, fleet.current, excess), v1alpha1.DrainScaleIn, now, whyFewer(seen.bot))
}

// superseded are the old pods whose place a ready current one has taken.
func superseded(seen *observation, fleet division, wanted int, now time.Time) []marking {
	if wanted == 0 {
		return mark(victims(seen, fleet.old, len(fleet.old)), v1alpha1.DrainScaleIn, now, whyFewer(seen.bot))
	}
	ready := countReady(fleet.current)
	excess := len(fleet.old) - max(0, wanted-ready)
	why := fmt.Sprintf("%d of %d pods are ready with revision %s", ready, wanted, seen.revision)
	if excess <= 0 && len(fleet.old) > 0 && stuckForPorts(seen, fleet, wanted) {
		// The port range has no room for a new pod beside the old ones: one has to make room.
		excess, why = 1, "no port is free for a pod of revision "+seen.revision
	}
	return mark(victims(seen, fleet.old, excess), v1alpha1.DrainRollout, now, why)
}

// stuckForPorts: a new pod is wanted, no port is free for it, and none is about to be.
func stuckForPorts(seen *observation, fleet division, wanted int) bool {
	return seen.problem == nil && len(fleet.current) < wanted && freePorts(seen) <= 0 && len(fleet.draining) == 0
}

func creations(seen *observation, fleet division, wanted int) []creation {
	missing := min(wanted-len(fleet.current), freePorts(seen))
	if missing <= 0 {
		return nil
	}
	taken := make(map[int32]bool, len(seen.pods))
	for i := range seen.pods {
		taken[seen.pods[i].Spec.Slot] = true
	}
	why := fmt.Sprintf("%d of %d pods exist", len(fleet.current), wanted)
	if len(fleet.old) > 0 {
		why += " with revision " + seen.revision
	}
	list := make([]creation, 0, missing)
	for slot := int32(0); len(list) < missing; slot++ {
		if !taken[slot] {
			list = append(list, creation{slot: slot, why: why})
		}
	}
	return list
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
	if n <= 0 {
		return nil
	}
	sorted := slices.Clone(pods)
	slices.SortStableFunc(sorted, func(a, b *v1alpha1.MediaPod) int {
		return cmp.Or(
			cmp.Compare(rank(isReady(a)), rank(isReady(b))),
			cmp.Compare(load(seen, a), load(seen, b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return sorted[:min(n, len(sorted))]
}

// load counts the calls that are, or are about to be, on a pod. Sessions that are bound and not yet in its report count.
func load(seen *observation, pod *v1alpha1.MediaPod) int {
	return max(int(pod.Status.Calls), len(seen.bound[pod.Name])) + int(pod.Status.Seats.Reserved)
}

// without leaves out the pods that are to be marked.
func without(pods []*v1alpha1.MediaPod, marked []marking) []*v1alpha1.MediaPod {
	return slices.DeleteFunc(slices.Clone(pods), func(pod *v1alpha1.MediaPod) bool {
		return slices.ContainsFunc(marked, func(m marking) bool { return m.pod == pod })
	})
}

func rank(ready bool) int {
	if ready {
		return 1
	}
	return 0
}

func mark(pods []*v1alpha1.MediaPod, reason string, now time.Time, why string) []marking {
	list := make([]marking, 0, len(pods))
	for _, pod := range pods {
		list = append(list, marking{pod: pod, drain: v1alpha1.Drain{Reason: reason, Since: metav1.NewTime(now).Rfc3339Copy()}, why: why})
	}
	return list
}

func isReady(pod *v1alpha1.MediaPod) bool {
	return meta.IsStatusConditionTrue(pod.Status.Conditions, v1alpha1.ConditionReady)
}

func countReady(pods []*v1alpha1.MediaPod) int {
	n := 0
	for _, pod := range pods {
		n += rank(isReady(pod))
	}
	return n
}
