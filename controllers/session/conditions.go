// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// ownConditions are written by the controller alone. Connected and MediaFlowing are the agent's while there is a call;
// the controller ends them with it.
var ownConditions = []string{
	v1alpha1.ConditionAssigned, v1alpha1.ConditionNeedsAttention, v1alpha1.ConditionFinished,
	v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled,
}

// conditionsAfter gives what a decision makes of the conditions: those to set, and the types to remove.
func conditionsAfter(d decision, noun string) (set []metav1.Condition, remove []string) {
	is := func(conditionType string, status metav1.ConditionStatus, reason, message string) {
		set = append(set, metav1.Condition{Type: conditionType, Status: status, Reason: reason, Message: message})
	}
	isNot := func(types ...string) { remove = append(remove, types...) }

	switch d.verdict {
	case wait:
		is(v1alpha1.ConditionAssigned, metav1.ConditionFalse, d.reason, d.message)
		switch {
		case d.stalled:
			is(v1alpha1.ConditionStalled, metav1.ConditionTrue, d.reason, d.message)
			isNot(v1alpha1.ConditionReconciling)
		case d.phase == v1alpha1.PhaseScheduled:
			// Waiting for a date is a steady state.
			isNot(v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)
		default:
			is(v1alpha1.ConditionReconciling, metav1.ConditionTrue, d.reason, d.message)
			isNot(v1alpha1.ConditionStalled)
		}
	case keep:
		if d.pod == "" {
			break // the pod has yet to take it, and may refuse
		}
		// Also true of a call that came in, and of one that a pod adopted of its own accord.
		is(v1alpha1.ConditionAssigned, metav1.ConditionTrue, v1alpha1.ReasonBound, fmt.Sprintf("the %s has a seat in media pod %s", noun, d.pod))
		isNot(v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled)
	case bind:
		is(v1alpha1.ConditionAssigned, metav1.ConditionTrue, v1alpha1.ReasonBound, fmt.Sprintf("the %s has a seat in media pod %s", noun, d.pod))
		// What the fleet controller said of seats to come has come true, or not.
		isNot(v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled, v1alpha1.ConditionCapacityReserved)
	case rejoin:
		is(v1alpha1.ConditionAssigned, metav1.ConditionFalse, d.reason, d.message)
		is(v1alpha1.ConditionReconciling, metav1.ConditionTrue, d.reason, d.message)
		is(v1alpha1.ConditionConnected, metav1.ConditionFalse, d.reason, d.message)
		isNot(v1alpha1.ConditionStalled, v1alpha1.ConditionMediaFlowing)
	case finish:
		is(v1alpha1.ConditionAssigned, metav1.ConditionFalse, v1alpha1.ReasonFinished, fmt.Sprintf("the %s is over", noun))
		is(v1alpha1.ConditionConnected, metav1.ConditionFalse, v1alpha1.ReasonEnded, fmt.Sprintf("the %s is over", noun))
		is(v1alpha1.ConditionFinished, metav1.ConditionTrue, string(d.end.Reason), d.end.Message)
		isNot(v1alpha1.ConditionReconciling, v1alpha1.ConditionMediaFlowing, v1alpha1.ConditionCapacityReserved)
		if d.end.Failed {
			is(v1alpha1.ConditionStalled, metav1.ConditionTrue, string(d.end.Reason), d.end.Message)
		} else {
			isNot(v1alpha1.ConditionStalled)
		}
	}
	if d.attention != "" {
		is(v1alpha1.ConditionNeedsAttention, metav1.ConditionTrue, d.attention, d.attentionMessage)
	} else {
		isNot(v1alpha1.ConditionNeedsAttention)
	}
	return set, remove
}

// applyConditions writes them into the status.
func applyConditions(s *subject, d decision, now metav1.Time) {
	set, remove := conditionsAfter(d, s.kind.noun)
	for _, c := range set {
		c.ObservedGeneration, c.LastTransitionTime = s.status.ObservedGeneration, now
		if was := s.condition(c.Type); was != nil && c.Type == v1alpha1.ConditionNeedsAttention && was.Reason != c.Reason {
			// How long an agent has been silent is counted from here, not from when something else was first amiss.
			was.LastTransitionTime = now
		}
		meta.SetStatusCondition(&s.status.Conditions, c)
	}
	for _, conditionType := range remove {
		if (d.verdict == keep || s.orphaned()) && agentsAttention(s.condition(conditionType)) {
			continue
		}
		meta.RemoveStatusCondition(&s.status.Conditions, conditionType)
	}
	stampConditions(s)
}

// agentsReasons are those of NeedsAttention that the agent gives; see CallStatus.
var agentsReasons = []string{v1alpha1.ReasonInviteFailed, v1alpha1.ReasonRefused, v1alpha1.ReasonRecordingFailed, v1alpha1.ReasonNoEffect}

// agentsAttention: NeedsAttention with a reason that the agent gives, and takes back. It goes with the call it is about.
func agentsAttention(c *metav1.Condition) bool {
	return c != nil && c.Type == v1alpha1.ConditionNeedsAttention && slices.Contains(agentsReasons, c.Reason)
}

// stampConditions makes the controller's conditions speak of the generation the status speaks of.
func stampConditions(s *subject) {
	for _, conditionType := range ownConditions {
		if c := s.condition(conditionType); c != nil && !agentsAttention(c) {
			c.ObservedGeneration = s.status.ObservedGeneration
		}
	}
}
