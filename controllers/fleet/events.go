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

func (r *Reconciler) record(bot *v1alpha1.CallingBot, e event) {
	r.recorder.Eventf(bot, e.related, e.kind, e.reason, e.action, "%s", shorten.Bytes(e.note, shorten.Note))
}
