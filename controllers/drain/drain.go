// SPDX-License-Identifier: Apache-2.0

// Package drain answers one question: may this media pod be deleted? A call with application-hosted media lives and
// dies with the process that holds it, so the answer is yes only when it is known that no call can be there.
//
// It rests on what an agent promises:
//
//   - it admits no call before its first report was accepted by the API server;
//   - a report whose observedGeneration has reached the generation with the drain mark (or the deletion mark) was made
//     after it stopped admitting, so the calls and seats in it only fall.
//
// The mark may be taken back and given again. Each is a new generation, so a report from before it never counts.
//
// A yes is for the resourceVersion it was computed from. Whoever acts on it sends that along (Preconditions for a
// delete, the optimistic lock for removing the finalizer): a report that came in between then makes the act fail.
//
// Recordings that are on the disk of such a process alone hold it too, but not for ever.
//
// As long as the answer is no, the process is needed, if only to report: a Pod that is gone is made again.
package drain

import (
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Facts are what the question is judged by.
type Facts struct {
	// MediaPod to be deleted.
	MediaPod *v1alpha1.MediaPod
	// Sessions are the names of the unfinished sessions and calls bound to it; see BoundTo.
	Sessions []string
	// Now is the time by which recordings that are not stored are given up.
	Now time.Time
}

// Verdict is the answer. Without Allowed, Reason and Message say what is being waited for.
type Verdict struct {
	Allowed bool
	// Reason in one word.
	Reason string
	// Message for people.
	Message string
	// Until is when the answer changes by itself; zero if it does not.
	Until time.Time
}

// Reasons a media pod may not be deleted.
const (
	// ReasonNotDraining: it takes calls.
	ReasonNotDraining = "NotDraining"
	// ReasonAgentSilent: its process stopped without having been seen empty, and no new one has reported.
	ReasonAgentSilent = "AgentSilent"
	// ReasonNotAcknowledged: its process has not said that it saw the drain mark.
	ReasonNotAcknowledged = "NotAcknowledged"
	// ReasonLiveCalls: calls are on it.
	ReasonLiveCalls = "LiveCalls"
	// ReasonReserved: seats are promised to calls that are about to be.
	ReasonReserved = "Reserved"
	// ReasonSessionsBound: a session or call counts on it.
	ReasonSessionsBound = "SessionsBound"
)

// Reasons of an allowed deletion.
const (
	// ReasonEmpty: it is known that no call can be there.
	ReasonEmpty = "Empty"
	// ReasonGivenUp: a person said that the process is gone, with whatever calls it had.
	ReasonGivenUp = "GivenUp"
)

// A check answers with the reason against, or with "" for none.
type check func(Facts) (reason, message string)

// MayDelete asks every check in turn; the first objection is the answer.
func MayDelete(facts Facts) Verdict {
	if Marked(facts.MediaPod) && GivenUp(facts.MediaPod) {
		return Verdict{Allowed: true, Reason: ReasonGivenUp, Message: "somebody said that its process is gone (annotation " + v1alpha1.AnnotationLost + ")"}
	}
	for _, objects := range []check{notMarked, processUnknown, notAcknowledged, liveCalls, reserved, sessionsBound, uploadsPending} {
		if reason, message := objects(facts); reason != "" {
			v := Verdict{Reason: reason, Message: message}
			if reason == ReasonUploadsPending {
				v.Until = uploadDeadline(facts.MediaPod)
			}
			return v
		}
	}
	return given(facts)
}

// Marked reports whether the pod is to be emptied: by a drain mark, or because somebody deleted the MediaPod.
func Marked(pod *v1alpha1.MediaPod) bool {
	return pod.Spec.Drain != nil || !pod.DeletionTimestamp.IsZero()
}

// GivenUp reports whether a person gave the pod up. That of a pod that is ready is a mistake, and changes nothing.
func GivenUp(pod *v1alpha1.MediaPod) bool {
	return pod.Annotations[v1alpha1.AnnotationLost] == "true" && !meta.IsStatusConditionTrue(pod.Status.Conditions, v1alpha1.ConditionPodReady)
}

// BoundTo is the media pod that a session or call counts on; "" if it counts on none.
func BoundTo(call v1alpha1.AnyCall) string {
	if _, status := call.CallParts(); !status.Phase.Finished() {
		return status.MediaPod
	}
	return ""
}

// Preconditions tie a delete to the very state the verdict was computed from.
func Preconditions(pod *v1alpha1.MediaPod) client.Preconditions {
	uid, resourceVersion := pod.UID, pod.ResourceVersion
	return client.Preconditions{UID: &uid, ResourceVersion: &resourceVersion}
}

func notMarked(f Facts) (string, string) {
	if !Marked(f.MediaPod) {
		return ReasonNotDraining, "the pod takes calls; it must be drained first"
	}
	return "", ""
}

// processUnknown objects when a process ran and its end is not accounted for. Nothing is unknown about a pod whose agent
// has never reported (capacity comes with the first report) or which has no Pod.
func processUnknown(f Facts) (string, string) {
	status := &f.MediaPod.Status
	if status.Agent != nil {
		if status.Agent.Instance == "" {
			return ReasonAgentSilent, "the report of the pod's process does not say which process it is"
		}
		return "", ""
	}
	if status.PodUID != "" && status.Seats.Capacity > 0 {
		return ReasonAgentSilent, fmt.Sprintf(
			"the pod's process stopped and has not reported since; if it cannot start, see `kubectl logs %s`, or delete the Pod to give it up; if its node does not come back, annotate the MediaPod with %s=true", f.MediaPod.Name, v1alpha1.AnnotationLost)
	}
	return "", ""
}

func notAcknowledged(f Facts) (string, string) {
	agent := f.MediaPod.Status.Agent
	if agent != nil && agent.ObservedGeneration < f.MediaPod.Generation {
		return ReasonNotAcknowledged, fmt.Sprintf(
			"the pod's process has not acknowledged the drain: it saw generation %d, the mark is in %d", agent.ObservedGeneration, f.MediaPod.Generation)
	}
	return "", ""
}

// mayRun: without report and without Pod there is no process, and the counts are the last words of one that is gone.
func mayRun(f Facts) bool { return f.MediaPod.Status.Agent != nil || f.MediaPod.Status.PodUID != "" }

func liveCalls(f Facts) (string, string) {
	status := &f.MediaPod.Status
	if !mayRun(f) {
		return "", ""
	}
	if status.Calls > 0 || status.Seats.Used > 0 {
		return ReasonLiveCalls, fmt.Sprintf("waiting for %s to end", count(status.Calls, status.Seats.Used))
	}
	return "", ""
}

func reserved(f Facts) (string, string) {
	if n := f.MediaPod.Status.Seats.Reserved; n > 0 && mayRun(f) {
		return ReasonReserved, fmt.Sprintf("%d seats are reserved for calls that are about to begin", n)
	}
	return "", ""
}

func sessionsBound(f Facts) (string, string) {
	switch n := len(f.Sessions); {
	case n == 0:
		return "", ""
	case n > 3:
		return ReasonSessionsBound, fmt.Sprintf("%d sessions and calls are bound to the pod, %s among them", n, strings.Join(f.Sessions[:3], ", "))
	default:
		return ReasonSessionsBound, "bound to the pod: " + strings.Join(f.Sessions, ", ")
	}
}

func count(calls, seats int32) string {
	if calls == 1 {
		return fmt.Sprintf("1 call (%d seats)", seats)
	}
	return fmt.Sprintf("%d calls (%d seats)", calls, seats)
}
