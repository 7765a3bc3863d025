// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// Reasons of Reconciling.
const (
	reasonRollout  = "Rollout"
	reasonScaling  = "Scaling"
	reasonDeleting = "Deleting"
)

// facts are what the conditions of a CallingBot are computed from.
type facts struct {
	wanted, ready int
	rollout       rollout
	draining      int
	deleting      bool
	// problem keeps pods from being made.
	problem *problem
	// complaint is the most telling word of a pod that is not ready; nil if there is none.
	complaint *complaint
}

// judge computes the conditions but RolloutComplete, which is there as well whatever these are. Ready is always there.
func judge(f facts) []metav1.Condition {
	ready := readiness(f)
	conditions := []metav1.Condition{ready}
	switch {
	case f.problem != nil && !f.deleting:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: f.problem.reason, Message: f.problem.message})
	case ready.Status == metav1.ConditionFalse && f.complaint != nil && f.complaint.stalled && !f.deleting:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue, Reason: ready.Reason, Message: ready.Message})
	case f.deleting && f.draining > 0:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: reasonDeleting,
			Message: fmt.Sprintf("the bot goes when the calls on %s have ended", count(f.draining, "pod"))})
	case f.rollout.advancing():
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: reasonRollout,
			Message: fmt.Sprintf("pods ready with the new configuration: %d, wanted: %d; the old ones serve until then", f.rollout.ready, f.wanted)})
	case f.rollout.old == 0 && f.rollout.ready < f.wanted, f.ready < f.wanted:
		conditions = append(conditions, metav1.Condition{
			Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue, Reason: reasonScaling,
			Message: fmt.Sprintf("pods ready: %d, wanted: %d", f.ready, f.wanted)})
	}
	return conditions
}

func readiness(f facts) metav1.Condition {
	ready := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message}
	}
	takes := fmt.Sprintf("pods that take calls: %d, wanted: %d", f.ready, f.wanted)
	switch {
	case f.deleting:
		return ready(metav1.ConditionFalse, reasonDeleting, "the bot is being deleted")
	case f.problem != nil:
		return ready(metav1.ConditionFalse, f.problem.reason, f.problem.message)
	case f.wanted == 0:
		return ready(metav1.ConditionTrue, v1alpha1.ReasonScaledToZero, "no pods are wanted; set spec.replicas to serve calls")
	case f.ready >= f.wanted:
		return ready(metav1.ConditionTrue, v1alpha1.ReasonServing, takes)
	case f.complaint != nil:
		reason := f.complaint.reason
		if !telling(reason) {
			reason = v1alpha1.ReasonPodsNotReady
		}
		return ready(metav1.ConditionFalse, reason, shorten.Bytes(takes+"; "+f.complaint.String(), shorten.Note))
	default:
		return ready(metav1.ConditionFalse, v1alpha1.ReasonPodsNotReady, takes+"; see `kubectl get mp` for the others")
	}
}

// scalingConditions is the condition Autoscaling, if the bot asks for it.
func scalingConditions(seen *observation) []metav1.Condition {
	is := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: v1alpha1.ConditionAutoscaling, Status: status, Reason: reason, Message: message}}
	}
	bot := seen.bot
	switch {
	case bot.Spec.Autoscaling == nil || !bot.DeletionTimestamp.IsZero():
		return nil
	case seen.scaling == nil:
		return is(metav1.ConditionFalse, v1alpha1.ReasonReplicasSet, "spec.replicas is set, which takes over; remove it to have autoscaling decide")
	case seen.scaling.invalid != nil:
		return is(metav1.ConditionFalse, v1alpha1.ReasonScheduleInvalid, shorten.Bytes(seen.scaling.invalid.Error()+"; correct it, the rest of autoscaling holds meanwhile", shorten.Note))
	case seen.scaling.short > 0:
		return is(metav1.ConditionTrue, v1alpha1.ReasonMaxReached, fmt.Sprintf(
			"as many pods serve as autoscaling.max allows, %d; for the seats that are asked for %d more are needed", bot.Spec.Autoscaling.Max, seen.scaling.short))
	default:
		return is(metav1.ConditionTrue, v1alpha1.ReasonFollowingDemand, "as many pods serve as the calls, the sessions ahead and the free seats need")
	}
}

// complaint is what a pod that is not ready says.
type complaint struct {
	pod, reason, message string
	// stalled: no waiting puts it right.
	stalled bool
}

func (c complaint) String() string {
	text := c.pod + ": " + c.reason
	if c.message != "" {
		text += ": " + c.message
	}
	return text
}

// tellingReasons, the most telling first: what one pod says that is likely true of all of them, and which somebody has to
// put right. Other reasons are about a pod on its way.
var tellingReasons = []string{
	v1alpha1.ReasonCredentialsRejected,
	v1alpha1.ReasonTemplateInvalid,
	v1alpha1.ReasonCertificateInvalid,
	v1alpha1.ReasonNameMismatch,
	v1alpha1.ReasonExpired,
	v1alpha1.ReasonSecretNotFound,
	v1alpha1.ReasonPodRejected,
	v1alpha1.ReasonPodConflict,
	v1alpha1.ReasonEndpointUnavailable,
	v1alpha1.ReasonPortsExhausted,
	v1alpha1.ReasonPodCrashed,
	v1alpha1.ReasonLoginUnreachable,
	v1alpha1.ReasonSigningKeysMissing,
}

func telling(reason string) bool { return slices.Contains(tellingReasons, reason) }

// mostTelling picks from the pods that should be ready and are not. What a process says of itself goes before what is
// seen of it from outside.
func mostTelling(pods []*v1alpha1.MediaPod) *complaint {
	var best *complaint
	bestRank := len(tellingReasons) + 1
	for _, pod := range pods {
		if isReady(pod) {
			continue
		}
		c := complaintOf(pod)
		if c == nil {
			continue
		}
		rank := slices.Index(tellingReasons, c.reason)
		if rank < 0 {
			rank = len(tellingReasons)
		}
		if rank < bestRank {
			best, bestRank = c, rank
		}
	}
	return best
}

func complaintOf(pod *v1alpha1.MediaPod) *complaint {
	stalled := meta.IsStatusConditionTrue(pod.Status.Conditions, v1alpha1.ConditionStalled)
	if agent := pod.Status.Agent; agent != nil && !agent.Ready && agent.Reason != "" && !stalled {
		return &complaint{pod: pod.Name, reason: agent.Reason, message: firstLine(agent.Message),
			stalled: agent.Reason == v1alpha1.ReasonCredentialsRejected}
	}
	c := meta.FindStatusCondition(pod.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil {
		return nil
	}
	return &complaint{pod: pod.Name, reason: c.Reason, message: firstLine(c.Message), stalled: stalled}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// own are the conditions this controller writes; others are the preflight's.
var own = []string{
	v1alpha1.ConditionReady, v1alpha1.ConditionRolloutComplete, v1alpha1.ConditionAutoscaling, v1alpha1.ConditionFlowsValid,
	v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
}

// settle merges the computed conditions into those there are: times change with status only, and what was not computed
// is not true any more. Those of others stay.
func settle(existing, computed []metav1.Condition, generation int64, now time.Time) []metav1.Condition {
	settled := slices.Clone(existing)
	for _, c := range computed {
		c.ObservedGeneration, c.LastTransitionTime = generation, metav1.NewTime(now).Rfc3339Copy()
		meta.SetStatusCondition(&settled, c)
	}
	return slices.DeleteFunc(settled, func(c metav1.Condition) bool {
		return slices.Contains(own, c.Type) && !slices.ContainsFunc(computed, func(k metav1.Condition) bool { return k.Type == c.Type })
	})
}
