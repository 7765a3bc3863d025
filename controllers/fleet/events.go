// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// event is something to tell about a bot.
type event struct {
	// related is the other object, or nil.
	related runtime.Object
	kind    string
	reason  string
	action  string
	note    string
}

func mediaPodCreated(pod *v1alpha1.MediaPod, why string) event {
	return event{pod, corev1.EventTypeNormal, "MediaPodCreated", "Create", "created media pod " + pod.Name + ": " + why}
}

func mediaPodDraining(pod *v1alpha1.MediaPod, why string) event {
	return event{pod, corev1.EventTypeNormal, "MediaPodDraining", "Drain",
		"media pod " + pod.Name + " takes no more calls (" + pod.Spec.Drain.Reason + "): " + why}
}

func mediaPodDeadline(pod *v1alpha1.MediaPod, why string) event {
	return event{pod, corev1.EventTypeNormal, "MediaPodDeadline", "Drain", "media pod " + pod.Name + ": " + why}
}

func mediaPodGivenUp(pod *v1alpha1.MediaPod) event {
	return event{pod, corev1.EventTypeWarning, "MediaPodGivenUp", "GiveUp",
		"media pod " + pod.Name + " is given up: its process does not report, the bot is being deleted, and its deletionPolicy is Force"}
}

func mediaPodTakenBack(pod *v1alpha1.MediaPod, why string) event {
	return event{pod, corev1.EventTypeNormal, "MediaPodTakenBack", "Undrain", "media pod " + pod.Name + " takes calls again: " + why}
}

// mediaPodDeleted is a warning if it cost recordings.
func mediaPodDeleted(pod *v1alpha1.MediaPod, why string, costly bool) event {
	kind := corev1.EventTypeNormal
	if costly {
		kind = corev1.EventTypeWarning
	}
	return event{pod, kind, "MediaPodDeleted", "Delete", "deleted media pod " + pod.Name + ": " + why}
}

// stalled tells of a problem once, when it begins or changes.
func stalled(reason, message string) event {
	return event{nil, corev1.EventTypeWarning, reason, "Reconcile", message}
}

// record tells of it where people look: at the bot, and at the pod it happened to as long as that is there.
func (r *Reconciler) record(bot *v1alpha1.CallingBot, e event) {
	note := shorten.Bytes(e.note, shorten.Note)
	r.Recorder.Eventf(bot, e.related, e.kind, e.reason, e.action, "%s", note)
	if pod, ok := e.related.(*v1alpha1.MediaPod); ok && e.action != "Delete" {
		r.Recorder.Eventf(pod, bot, e.kind, e.reason, e.action, "%s", note)
	}
}
