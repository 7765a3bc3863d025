// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/drain"
	"github.com/callfleet/callfleet/controllers/shorten"
	"github.com/callfleet/callfleet/controllers/soonest"
)

// plan is what a pass will do, each item with its reason.
type plan struct {
	// wanted is how many pods should serve.
	wanted  int
	creates []creation
	drains  []marking
	// undrains are pods whose drain mark is taken back.
	undrains []undrain
	// remarks are draining pods whose deadline changes.
	remarks []marking
	// giveUps are silent pods of a bot that is to be deleted whatever becomes of its calls.
	giveUps []*v1alpha1.MediaPod
	deletes []deletion
	// follows are the pods that get the bot's present rules for incoming calls, and redirects.
	follows []*v1alpha1.MediaPod
	// waits are the draining pods that may not be deleted yet.
	waits []wait
}

type creation struct {
	slot int32
	// like, if set, is the pod whose configuration the new one gets instead of the bot's present one.
	like *v1alpha1.MediaPod
	why  string
}

type marking struct {
	pod   *v1alpha1.MediaPod
	drain v1alpha1.Drain
	why   string
}

type undrain struct {
	pod *v1alpha1.MediaPod
	why string
}

type deletion struct {
	pod *v1alpha1.MediaPod
	why string
}

// until is when a wait is over by itself; zero for never.
func (p *plan) until() time.Time {
	var next time.Time
	for _, w := range p.waits {
		next = soonest.Of(next, w.verdict.Until)
	}
	return next
}

type wait struct {
	pod     *v1alpha1.MediaPod
	verdict drain.Verdict
}

// makePlan decides, from nothing but what was observed and the time.
//
// Serving pods of the present revision are made until there are as many as wanted, within what the rollout may have beside
// those that serve already; the older ones serve on until as many new ones are ready, so a rollout needs no capacity taken
// away. Only pods that are marked and known to be empty are deleted.
func makePlan(seen *observation, now time.Time) plan {
	p := plan{wanted: wantedPods(seen)}
	fleet := divide(seen)
	doomed := leaving(seen, fleet, now)
	p.undrains = takeBack(seen, fleet, p.wanted, now)
	fleet = fleet.withReturned(p.undrains)

	for _, pod := range fleet.draining {
		if !pod.DeletionTimestamp.IsZero() {
			continue // deleted already; the mediapod controller lets it go when it is empty
		}
		verdict := drain.MayDelete(drain.Facts{MediaPod: pod, Sessions: seen.bound[pod.Name], Now: now})
		if verdict.Allowed {
			p.deletes = append(p.deletes, deletion{pod: pod, why: verdict.Message})
			continue
		}
		p.waits = append(p.waits, wait{pod: pod, verdict: verdict})
		if forced(seen.bot) && verdict.Reason == drain.ReasonAgentSilent {
			p.giveUps = append(p.giveUps, pod)
			continue
		}
		if m, changed := remark(seen.bot, pod); changed {
			p.remarks = append(p.remarks, m)
		}
	}

	p.drains = surplus(seen, fleet, p.wanted, now)
	fleet = fleet.without(p.drains)
	relieved := superseded(seen, fleet, p.wanted, now)
	p.drains = slices.Concat(doomed, p.drains, relieved)
	if seen.problem == nil {
		p.creates = creations(seen, fleet, p.wanted)
	}
	for _, pod := range fleet.without(relieved).serving() {
		if !followsBot(pod, seen.bot) && !returned(p.undrains, pod) {
			p.follows = append(p.follows, pod)
		}
	}
	return p
}

// irrevocable: the plan does what a later pass would only undo at a price, and so is not done by a cache that may be old.
func (p *plan) irrevocable() bool { return len(p.drains)+len(p.undrains)+len(p.remarks) > 0 }

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

// wantedPods is what the user wants, or autoscaling; of a bot that is being deleted, none.
func wantedPods(seen *observation) int {
	switch bot := seen.bot; {
	case !bot.DeletionTimestamp.IsZero():
		return 0
	case seen.scaling != nil:
		return seen.scaling.wanted
	default:
		return int(ptr.Deref(bot.Spec.Replicas, 1))
	}
}

func whyFewer(seen *observation, wanted int) string {
	switch {
	case !seen.bot.DeletionTimestamp.IsZero():
		return "the bot is being deleted"
	case seen.scaling != nil:
		return fmt.Sprintf("autoscaling wants %s: %s", count(wanted, "pod"), seen.scaling.why)
	default:
		return fmt.Sprintf("replicas is %d", wanted)
	}
}

// leaving are the pods that have to go wherever they are in the plan: their node is about to, or somebody gave them up.
func leaving(seen *observation, fleet division, now time.Time) []marking {
	var list []marking
	for _, pod := range fleet.doomed {
		reason, why := v1alpha1.DrainNode, seen.nodes[pod.Status.NodeName].doomed+": "+pod.Status.NodeName
		if drain.GivenUp(pod) {
			reason, why = v1alpha1.DrainLost, "somebody said that its process is gone (annotation "+v1alpha1.AnnotationLost+")"
		}
		list = append(list, mark(seen.bot, []*v1alpha1.MediaPod{pod}, reason, now, why)...)
	}
	return list
}

// surplus are the serving pods beyond what is wanted: those of the present revision, or, while the rollout is paused, any.
func surplus(seen *observation, fleet division, wanted int, now time.Time) []marking {
	from := fleet.current
	if paused(seen.bot) {
		from = fleet.serving()
	}
	staying := slices.DeleteFunc(slices.Clone(from), func(pod *v1alpha1.MediaPod) bool { return slices.Contains(fleet.returned, pod) })
	return mark(seen.bot, victims(seen, staying, len(from)-wanted), v1alpha1.DrainScaleIn, now, whyFewer(seen, wanted))
}

// creations are the pods that are missing.
func creations(seen *observation, fleet division, wanted int) []creation {
	there := len(fleet.current)
	missing := wanted - there
	var like *v1alpha1.MediaPod
	if paused(seen.bot) {
		there = len(fleet.serving())
		missing = wanted - there
		like = modelWhilePaused(seen, fleet)
	} else {
		// What is missing altogether is no surge.
		missing = min(missing, max(surgeRoom(seen, fleet, wanted), wanted-len(fleet.serving())))
	}
	missing = min(missing, freePorts(seen))
	if missing <= 0 {
		return nil
	}
	why := fmt.Sprintf("%d of %d pods exist", there, wanted)
	switch {
	case like != nil:
		why += "; the rollout is paused, so it is made with revision " + like.Spec.Revision
	case slices.ContainsFunc(fleet.old, func(pod *v1alpha1.MediaPod) bool { return pod.Spec.Revision != seen.revision }):
		why += " with revision " + seen.revision
	case len(fleet.old) > 0:
		why += " with the renewed certificate"
	}
	if n := len(fleet.away); n > 0 {
		why += fmt.Sprintf(", and nobody hears of the node of %s", count(n, "other"))
	}
	if seen.scaling != nil {
		why += "; autoscaling: " + seen.scaling.why
	}
	taken := make(map[int32]bool, len(seen.pods))
	for i := range seen.pods {
		taken[seen.pods[i].Spec.Slot] = true
	}
	list := make([]creation, 0, missing)
	for slot := int32(0); len(list) < missing; slot++ {
		if !taken[slot] {
			list = append(list, creation{slot: slot, like: like, why: why})
		}
	}
	return list
}

// takeBack are the draining pods that are wanted again: their calls are there anyway, and nothing has to start. Taking a
// mark back is safe because everybody judges by generations. The agent admits again only when it has seen the generation
// without the mark, and says so in its report, without which the pod is not Ready; a delete that was decided on by the
// generation before fails by its preconditions; and a new mark has to be acknowledged anew.
func takeBack(seen *observation, fleet division, wanted int, now time.Time) []undrain {
	missing := wanted - len(fleet.current)
	if paused(seen.bot) {
		missing = wanted - len(fleet.serving())
	}
	var fit, back []*v1alpha1.MediaPod
	for _, pod := range fleet.draining {
		switch {
		case !mayReturn(seen, pod, now):
		case pod.Spec.Drain.Reason == v1alpha1.DrainNode:
			back = append(back, pod)
		default:
			fit = append(fit, pod)
		}
	}
	var list []undrain
	take := func(pods []*v1alpha1.MediaPod, n int, why string) {
		for _, pod := range returning(seen, pods, n) {
			list = append(list, undrain{pod: pod, why: why})
		}
	}
	// Who comes back before the replacement is ready is worth more than that: it has its calls.
	take(back, wanted-countReady(fleet.current), "its node stays, and it has the present configuration")
	take(fit, missing-len(list), fmt.Sprintf("%d of %d pods exist, and it has the present configuration", len(fleet.current), wanted))
	return list
}

// mayReturn: the pod could serve again. One that is to hang up by now has begun to.
func mayReturn(seen *observation, pod *v1alpha1.MediaPod, now time.Time) bool {
	mark, node := pod.Spec.Drain, seen.nodes[pod.Status.NodeName]
	if node.doomed != "" || !node.away.IsZero() || drain.GivenUp(pod) {
		return false
	}
	return pod.DeletionTimestamp.IsZero() && mark != nil && upToDate(seen, pod) && pod.Status.Agent != nil &&
		(mark.HangUpAt == nil || now.Before(mark.HangUpAt.Time))
}

func returned(undrains []undrain, pod *v1alpha1.MediaPod) bool {
	return slices.ContainsFunc(undrains, func(u undrain) bool { return u.pod == pod })
}

func mark(bot *v1alpha1.CallingBot, pods []*v1alpha1.MediaPod, reason string, now time.Time, why string) []marking {
	list := make([]marking, 0, len(pods))
	for _, pod := range pods {
		d := v1alpha1.Drain{Reason: reason, Message: shorten.Bytes(why, 512), Since: metav1.NewTime(now).Rfc3339Copy()}
		d.HangUpAt = hangUpAt(bot, &d)
		list = append(list, marking{pod: pod, why: why, drain: d})
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
