// SPDX-License-Identifier: Apache-2.0

package drain

import (
	"fmt"
	"strings"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// Reasons that have to do with recordings.
const (
	// ReasonUploadsPending: recordings are not in the bucket yet.
	ReasonUploadsPending = "UploadsPending"
	// ReasonRecordingsLost is the reason of a deletion that is allowed although recordings are not stored: they were waited for
	// as long as the bot says.
	ReasonRecordingsLost = "RecordingsLost"
)

// defaultUploadTimeout is that of the schema, for objects that never went through it.
const defaultUploadTimeout = time.Hour

// Unstored are the recordings of a pod that are not in the bucket, as far as it is known that they are there.
func Unstored(pod *v1alpha1.MediaPod) *v1alpha1.PendingUploads {
	if p := pod.Status.PendingUploads; p != nil && p.Recordings > 0 {
		return p
	}
	return nil
}

// uploadDeadline is when a pod is no longer kept for its recordings: so long after it was marked, or after the last of them was
// finished, whichever came later.
func uploadDeadline(pod *v1alpha1.MediaPod) time.Time {
	from := pod.Status.PendingUploads.Since.Time
	if mark := markedAt(pod); mark.After(from) {
		from = mark
	}
	wait := defaultUploadTimeout
	if s := pod.Spec.Media.StoredIn(); s != nil && s.UploadTimeout != "" {
		wait = s.UploadTimeout.Duration()
	}
	return from.Add(wait)
}

func markedAt(pod *v1alpha1.MediaPod) time.Time {
	switch {
	case pod.Spec.Drain != nil:
		return pod.Spec.Drain.Since.Time
	case pod.DeletionTimestamp != nil:
		return pod.DeletionTimestamp.Time
	}
	return time.Time{}
}

func uploadsPending(f Facts) (string, string) {
	waiting := Unstored(f.MediaPod)
	if waiting == nil || !mayRun(f) {
		return "", ""
	}
	deadline := uploadDeadline(f.MediaPod)
	if !f.Now.Before(deadline) {
		return "", ""
	}
	return ReasonUploadsPending, fmt.Sprintf("%s not stored yet; waiting until %s%s",
		recordings(waiting), deadline.UTC().Format(time.RFC3339), failure(waiting))
}

// given is the answer when nothing objects: it says so if recordings are given up.
func given(f Facts) Verdict {
	if waiting := Unstored(f.MediaPod); waiting != nil && mayRun(f) {
		return Verdict{Allowed: true, Reason: ReasonRecordingsLost, Message: fmt.Sprintf(
			"drained, and no call is left; uploadTimeout is over, and %s not stored: what the process cannot store in its grace period is lost with an emptyDir%s",
			recordings(waiting), failure(waiting))}
	}
	return Verdict{Allowed: true, Reason: ReasonEmpty, Message: "drained, and no call is left"}
}

func recordings(p *v1alpha1.PendingUploads) string {
	names := strings.Join(p.Names, ", ")
	if more := int(p.Recordings) - len(p.Names); more > 0 && len(p.Names) > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	if p.Recordings == 1 {
		return fmt.Sprintf("1 recording (%s) is", names)
	}
	return fmt.Sprintf("%d recordings (%s) are", p.Recordings, names)
}

func failure(p *v1alpha1.PendingUploads) string {
	if p.Failure == "" {
		return ""
	}
	return ": " + p.Failure
}
