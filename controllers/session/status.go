// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"time"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// unchanged reports whether the status, which is all that apply writes to, is as it was before.
func (s *subject) unchanged(before *subject) bool {
	return ptr.Equal(s.direction, before.direction) && apiequality.Semantic.DeepEqual(s.status, before.status)
}

// apply writes a decision into the session's status. It is pure; what is decided next, with the same facts at the same
// time, changes nothing more.
func apply(s *subject, d decision, now time.Time) {
	switch {
	case d.verdict == expire, d.verdict == idle:
		return
	case d.verdict == rest:
		// What is changed in the spec of a session that is over has no effect, but it has been seen: until the status says
		// so, tools that wait take the session for one that is being worked on.
		s.status.ObservedGeneration = s.object.GetGeneration()
		loseRecordings(s, d.recordersGone)
		stampConditions(s)
		return
	}
	status := s.status
	before := s.condition(v1alpha1.ConditionAssigned).DeepCopy()
	note := func(at time.Time, event, detail string) {
		status.Timeline = record(status.Timeline, at, event, detail)
	}
	orphaned := s.orphaned() || d.handOver != ""
	if d.handOver != "" {
		note(now, eventAdopting, d.handOver)
		status.Call.ClaimedBy = ""
	} else if d.refused != nil {
		note(now, eventRefused, d.refused.pod.Name+": "+d.refused.message)
	}
	attempts := status.Attempts
	if s.bound() && !s.claimed() && !orphaned {
		attempts = max(0, attempts-1) // counted when it was bound, and never begun
	}

	switch {
	case d.verdict == wait && orphaned:
		status.MediaPod, status.Seats = "", 0
	case d.verdict == bind && orphaned:
		status.MediaPod, status.Seats = d.pod, d.seats
		note(now, eventAssigned, d.pod)
	case d.verdict == wait:
		status.Phase, status.MediaPod, status.Seats, status.Call, status.Attempts = d.phase, "", 0, nil, attempts
		if before == nil || before.Reason != d.reason {
			note(now, waitEvent(d), waitDetail(d))
		}
	case d.verdict == bind:
		if len(status.Timeline) == 0 {
			note(s.object.GetCreationTimestamp().Time, eventPending, "created")
		}
		status.Phase, status.MediaPod, status.Seats, status.Call, status.Attempts = v1alpha1.PhaseAssigned, d.pod, d.seats, nil, attempts+1
		note(now, eventAssigned, d.pod)
	case d.verdict == rejoin:
		note(now, eventRejoining, fmt.Sprintf("attempt %d of %d ended: %s", status.Attempts, s.spec.Rejoin.MaxAttempts, d.end.Reason))
		status.Phase, status.MediaPod, status.Seats = d.phase, "", 0
		status.Call, status.Participants, status.Media = nil, nil, nil
	case d.verdict == finish:
		applyEnd(s, d.end, now)
	}
	if over := d.verdict == finish; over || !s.leaving(now) || d.verdict != keep && !orphaned {
		// As long as the pod has yet to act on a wish to leave, the status speaks of the generation before.
		status.ObservedGeneration = s.object.GetGeneration()
	}
	if s.direction != nil {
		*s.direction = v1alpha1.CallOutgoing
		if s.incoming {
			*s.direction = v1alpha1.CallIncoming
		}
	}
	applyConditions(s, d, metav1.NewTime(now))
	if d.verdict == bind && before != nil && before.Status == metav1.ConditionTrue {
		// Moved from one pod to another in one step: the time the new one has begins now.
		s.condition(v1alpha1.ConditionAssigned).LastTransitionTime = metav1.NewTime(now)
	}
}

func applyEnd(s *subject, end *v1alpha1.CallEnd, now time.Time) {
	status := s.status
	event := eventCompleted
	status.Phase = v1alpha1.PhaseCompleted
	if end.Failed {
		event, status.Phase = eventFailed, v1alpha1.PhaseFailed
	}
	if call := status.Call; call != nil && call.End == nil {
		// The agent is not there to say it.
		at := metav1.NewMicroTime(now.Truncate(time.Microsecond))
		call.End, call.EndedTime = end.DeepCopy(), &at
	}
	status.EndReason = end.Reason
	status.FinishedTime = &metav1.Time{Time: now}
	status.Timeline = record(status.Timeline, now, event, string(end.Reason))
}

func waitEvent(d decision) string {
	if d.phase == v1alpha1.PhaseScheduled {
		return eventScheduled
	}
	return eventPending
}

func waitDetail(d decision) string {
	if d.phase == v1alpha1.PhaseScheduled {
		return d.message
	}
	return d.reason
}
