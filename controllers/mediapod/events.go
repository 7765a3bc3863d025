// SPDX-License-Identifier: Apache-2.0

package mediapod

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/shorten"
)

// event is something that happened to a MediaPod and that people may want to know afterwards.
type event struct {
	kind, reason, action, note string
}

func serviceApplied() event {
	return event{corev1.EventTypeNormal, "ServiceApplied", "ApplyService", "gave the media pod a Service"}
}

func certificateRequested(name string) event {
	return event{corev1.EventTypeNormal, "CertificateRequested", "RequestCertificate", "asked cert-manager for Certificate " + name}
}

func authorityIssued(secret string) event {
	return event{corev1.EventTypeNormal, "AuthorityIssued", "IssueAuthority",
		"made a new authority in Secret " + secret + "; far sides have to trust it"}
}

func certificateIssued(names string) event {
	return event{corev1.EventTypeNormal, "CertificateIssued", "IssueCertificate", "issued a certificate for " + names}
}

func podCreated() event {
	return event{corev1.EventTypeNormal, "PodCreated", "CreatePod", "made the Pod"}
}

func podRemoved(phase string) event {
	return event{corev1.EventTypeWarning, "PodRemoved", "DeletePod", "removed the Pod, which has " + phase}
}

func processLost(p plan) event {
	note := "the process is gone, and with it the calls it held: "
	if p.noMedia {
		note = "the process is gone; the calls it held go on, and another takes them over: "
	}
	return event{corev1.EventTypeWarning, "ProcessLost", "DropReport", note + p.agentLost}
}

func drained() event {
	return event{corev1.EventTypeNormal, "Drained", "Release", "the last call has ended; the media pod goes away"}
}

// recordingsLost is told when the Pod is gone that had them, or is let go.
func recordingsLost(note string) event {
	return event{corev1.EventTypeWarning, v1alpha1.ReasonRecordingsLost, "Release", note}
}

func becameReady() event {
	return event{corev1.EventTypeNormal, "Ready", "Serve", "takes calls"}
}

// stalled tells of something that somebody has to change.
func stalled(reason, message string) event {
	return event{corev1.EventTypeWarning, reason, "Wait", message}
}

// emit keeps to the length of a note that the events API takes, which is that of our messages.
func (r *Reconciler) emit(mp *v1alpha1.MediaPod, e event) {
	r.Recorder.Eventf(mp, nil, e.kind, e.reason, e.action, "%s", shorten.Bytes(e.note, shorten.Note))
}
