// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// happening is an event about a session.
type happening struct {
	severity, reason, action, note string
	// pod is the media pod it is also about; empty if none.
	pod string
}

func waitingEvent(d decision) happening {
	severity := corev1.EventTypeNormal
	if d.stalled || d.attention != "" {
		severity = corev1.EventTypeWarning
	}
	return happening{severity: severity, reason: d.reason, action: "Wait", note: d.message}
}

func refusedEvent(r refusal) happening {
	return happening{corev1.EventTypeWarning, v1alpha1.ReasonPodRefused, "Unbind",
		fmt.Sprintf("media pod %s did not take it: %s", r.pod.Name, r.message), r.pod.Name}
}

func adoptingEvent(pod string, d decision) happening {
	return happening{corev1.EventTypeWarning, v1alpha1.ReasonAdopting, "HandOver",
		d.handOver + "; the call goes on, and another media pod takes it over", pod}
}

func rejoiningEvent(pod string, d decision) happening {
	return happening{corev1.EventTypeWarning, v1alpha1.ReasonRejoining, "Rejoin", d.message, pod}
}

func silentEvent(pod string, d decision) happening {
	return happening{corev1.EventTypeWarning, d.attention, "Watch", d.attentionMessage, pod}
}

func finishedEvent(pod string, end *v1alpha1.CallEnd) happening {
	severity := corev1.EventTypeNormal
	if end.Failed {
		severity = corev1.EventTypeWarning
	}
	return happening{severity, string(end.Reason), "Finish", end.Message, pod}
}

// happenings are the events of a decision that was written: before is the status it changed. That a session got its seat is
// none: the condition Assigned and the timeline say so, and an event would be a fifth write to the four that a session
// takes until it is in its call.
func happenings(before *v1alpha1.CallStatus, d decision) []happening {
	var list []happening
	switch {
	case d.handOver != "":
		list = append(list, adoptingEvent(before.MediaPod, d))
	case d.refused != nil:
		list = append(list, refusedEvent(*d.refused))
	}
	switch d.verdict {
	case rejoin:
		list = append(list, rejoiningEvent(before.MediaPod, d))
	case finish:
		list = append(list, finishedEvent(before.MediaPod, d.end))
	case wait:
		if reasonOf(before, v1alpha1.ConditionAssigned) != d.reason && d.refused == nil && d.handOver == "" {
			list = append(list, waitingEvent(d))
		}
	case keep:
		if d.attention != "" && reasonOf(before, v1alpha1.ConditionNeedsAttention) != d.attention {
			list = append(list, silentEvent(before.MediaPod, d))
		}
	}
	return list
}

func reasonOf(status *v1alpha1.CallStatus, conditionType string) string {
	for _, c := range status.Conditions {
		if c.Type == conditionType {
			return c.Reason
		}
	}
	return ""
}

func (r *Reconciler) announce(s *subject, h happening) {
	var related runtime.Object
	if h.pod != "" {
		related = &v1alpha1.MediaPod{ObjectMeta: metav1.ObjectMeta{Namespace: s.object.GetNamespace(), Name: h.pod}}
	}
	r.Recorder.Eventf(s.object, related, h.severity, h.reason, h.action, "%s", shorten.Bytes(h.note, shorten.Note))
}
