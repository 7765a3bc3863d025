// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// TestRecordingsOfAllAttemptsAreListed, each once, and not more than the schema takes.
func TestRecordingsOfAllAttemptsAreListed(t *testing.T) {
	files := func(attempt string, n int) (list []callfleetv1.RecordedFile) {
		for i := range n {
			list = append(list, callfleetv1.RecordedFile{URI: fmt.Sprintf("file:///recordings/%s.%d.wav", attempt, i)})
		}
		return list
	}
	var st callfleetv1.CallStatus
	Story{Recordings: files("first", 2)}.Tell(&st, 1)
	Story{}.Tell(&st, 1)
	second := Story{Recordings: files("second", 60)}
	second.Tell(&st, 1)
	once := append([]callfleetv1.RecordedFile(nil), st.Recordings...)
	second.Tell(&st, 1)
	if diff := cmp.Diff(once, st.Recordings); diff != "" {
		t.Errorf("telling it twice changes it (-once +twice):\n%s", diff)
	}
	if diff := cmp.Diff(append(files("first", 2), files("second", 48)...), st.Recordings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestWhatIsStoredStaysStored whoever writes the status next, and what was being written is replaced by what came of it.
func TestWhatIsStoredStaysStored(t *testing.T) {
	file := func(uri string, state callfleetv1.RecordingState) callfleetv1.RecordedFile {
		return callfleetv1.RecordedFile{URI: uri, State: state}
	}
	st := callfleetv1.CallStatus{Recordings: []callfleetv1.RecordedFile{
		file("file:///recordings/p-0/a-0.mixed.wav", callfleetv1.RecordingWriting), // of an attempt before
		file("s3://tapes/a-1/a-1.mixed.wav", callfleetv1.RecordingStored),
		file("file:///recordings/p-0/a-2.mixed.wav", callfleetv1.RecordingWriting),
		file("file:///recordings/p-0/a-2.bot.wav", callfleetv1.RecordingWriting), // nothing came of it
	}}
	Story{Recorded: "a-2", Recordings: []callfleetv1.RecordedFile{
		file("file:///recordings/p-0/a-1.mixed.wav", callfleetv1.RecordingUploading),
		file("file:///recordings/p-0/a-2.mixed.wav", callfleetv1.RecordingUploading),
	}}.Tell(&st, 1)
	want := []callfleetv1.RecordedFile{
		file("file:///recordings/p-0/a-0.mixed.wav", callfleetv1.RecordingWriting),
		file("s3://tapes/a-1/a-1.mixed.wav", callfleetv1.RecordingStored),
		file("file:///recordings/p-0/a-2.mixed.wav", callfleetv1.RecordingUploading),
	}
	if diff := cmp.Diff(want, st.Recordings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheConditionOfStoredRecordings(t *testing.T) {
	file := func(state callfleetv1.RecordingState, message string) callfleetv1.RecordedFile {
		return callfleetv1.RecordedFile{URI: "file:///recordings/p-0/a.wav", State: state, Message: message}
	}
	stored, underWay := file(callfleetv1.RecordingStored, ""), file(callfleetv1.RecordingUploading, "")
	failing, lost := file(callfleetv1.RecordingUploading, "the bucket says no"), file(callfleetv1.RecordingLost, "gone")
	local, writing := file(callfleetv1.RecordingLocal, ""), file(callfleetv1.RecordingWriting, "")
	for name, tc := range map[string]struct {
		files          []callfleetv1.RecordedFile
		reason, saying string
	}{
		"none":                       {nil, "", ""},
		"those that stay":            {[]callfleetv1.RecordedFile{local, writing}, "", ""},
		"stored":                     {[]callfleetv1.RecordedFile{stored, stored}, callfleetv1.ReasonStored, ""},
		"one under way":              {[]callfleetv1.RecordedFile{stored, underWay}, callfleetv1.ReasonUploading, ""},
		"one refused":                {[]callfleetv1.RecordedFile{underWay, failing, stored}, callfleetv1.ReasonUploadFailed, "a.wav: the bucket says no"},
		"one lost, others under way": {[]callfleetv1.RecordedFile{failing, lost}, callfleetv1.ReasonRecordingsLost, "a.wav: gone"},
	} {
		st := callfleetv1.CallStatus{Recordings: tc.files}
		TellStored(&st, 3)
		c := meta.FindStatusCondition(st.Conditions, callfleetv1.ConditionRecordingsStored)
		if (c == nil) != (tc.reason == "") || c != nil && (c.Reason != tc.reason || (c.Status == metav1.ConditionTrue) != (tc.reason == callfleetv1.ReasonStored) ||
			!strings.Contains(c.Message, tc.saying) || c.ObservedGeneration != 3) {
			t.Errorf("%s: %+v", name, c)
		}
	}
}
