// SPDX-License-Identifier: Apache-2.0

package story

import (
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// maxRecordings is the bound of the API's schema.
const maxRecordings = 50

// FileName is what a recorded file is known by, wherever it is: no two recordings have the same name.
func FileName(f v1alpha1.RecordedFile) string { return path.Base(f.URI) }

// MergeRecordings adds files that are not listed yet, and replaces those that were being written. What became of the others
// since is told by whoever stores them. Those of earlier attempts stay; what is too much is left out, the mix of each attempt
// being the first of its files.
func MergeRecordings(have, more []v1alpha1.RecordedFile) []v1alpha1.RecordedFile {
	out := slices.Clone(have)
	for _, f := range more {
		at := slices.IndexFunc(out, func(h v1alpha1.RecordedFile) bool { return FileName(h) == FileName(f) })
		switch {
		case at >= 0 && out[at].State == v1alpha1.RecordingWriting:
			out[at] = f
		case at < 0 && len(out) < maxRecordings:
			out = append(out, f)
		}
	}
	return out
}

// closed is the list without what a recording that is over was writing and did not bring to an end.
func closed(have, files []v1alpha1.RecordedFile, recording string) []v1alpha1.RecordedFile {
	if recording == "" {
		return have
	}
	return slices.DeleteFunc(slices.Clone(have), func(h v1alpha1.RecordedFile) bool {
		return h.State == v1alpha1.RecordingWriting && strings.HasPrefix(FileName(h), recording+".") &&
			!slices.ContainsFunc(files, func(f v1alpha1.RecordedFile) bool { return FileName(f) == FileName(h) })
	})
}

// TellStored says in a condition how far the files are on their way to the bucket, once there are some to be stored.
func TellStored(st *v1alpha1.CallStatus, generation int64) {
	c := metav1.Condition{
		Type: v1alpha1.ConditionRecordingsStored, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonStored,
		Message: "every file is in the bucket, which gave back what it was given", ObservedGeneration: generation,
	}
	concerns := false
	for _, rank := range []struct {
		state   v1alpha1.RecordingState
		trouble bool
		reason  string
		message string
	}{
		{v1alpha1.RecordingStored, false, "", ""},
		{v1alpha1.RecordingUploading, false, v1alpha1.ReasonUploading, "files are on their way to the bucket"},
		{v1alpha1.RecordingUploading, true, v1alpha1.ReasonUploadFailed, ""},
		{v1alpha1.RecordingLost, true, v1alpha1.ReasonRecordingsLost, ""},
	} {
		at := slices.IndexFunc(st.Recordings, func(f v1alpha1.RecordedFile) bool {
			return f.State == rank.state && (!rank.trouble || f.Message != "")
		})
		if at < 0 {
			continue
		}
		concerns = true
		if rank.reason == "" {
			continue
		}
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, rank.reason, rank.message
		if rank.trouble {
			f := st.Recordings[at]
			c.Message = Clip(FileName(f)+": "+f.Message, maxMessage)
		}
	}
	if concerns {
		meta.SetStatusCondition(&st.Conditions, c)
	}
}
