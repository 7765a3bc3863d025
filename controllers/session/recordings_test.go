// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestRecordingsThatWentWithTheirMediaPodAreTold: there is no process that could, and the status would say for ever that they are
// on their way. Those of other pods, and those that are stored, stay as they are.
func TestRecordingsThatWentWithTheirMediaPodAreTold(t *testing.T) {
	w := newWorld(t, 5, 5)
	ms := w.awaitBound(w.create(w.session("standup").Rejoin(v1alpha1.RejoinNever, 1)), "reception-0")
	w.establish(ms)
	file := func(uri string, state v1alpha1.RecordingState) v1alpha1.RecordedFile {
		return v1alpha1.RecordedFile{URI: uri, Track: "mixed", State: state}
	}
	controllertest.UpdateStatus(t, w.Client, ms, func(ms *v1alpha1.MeetingSession) {
		ms.Status.Recordings = []v1alpha1.RecordedFile{
			file("file:///recordings/reception-0/a-1.mixed.wav", v1alpha1.RecordingUploading),
			file("file:///recordings/reception-0/a-2.mixed.wav", v1alpha1.RecordingWriting),
			file("file:///recordings/reception-1/a-3.mixed.wav", v1alpha1.RecordingUploading),
			file("s3://tapes/a-4/a-4.mixed.wav", v1alpha1.RecordingStored),
			file("file:///recordings/reception-0/a-5.mixed.wav", v1alpha1.RecordingLocal),
		}
	})
	states := func(ms *v1alpha1.MeetingSession) (list []v1alpha1.RecordingState) {
		for _, f := range ms.Status.Recordings {
			list = append(list, f.State)
		}
		return list
	}
	const up, lost, stored, local = v1alpha1.RecordingUploading, v1alpha1.RecordingLost, v1alpha1.RecordingStored, v1alpha1.RecordingLocal
	awaitStates := func(want ...v1alpha1.RecordingState) {
		t.Helper()
		w.await(ms, "tell what is lost", func(ms *v1alpha1.MeetingSession) error {
			if got := states(ms); !slices.Equal(got, want) {
				return fmt.Errorf("files are %v", got)
			}
			return controllertest.HasCondition(ms.Status.Conditions, v1alpha1.ConditionRecordingsStored, metav1.ConditionFalse, v1alpha1.ReasonRecordingsLost)
		})
	}

	w.deletePod("reception-0") // and the call, which ends for it
	awaitStates(lost, lost, up, stored, local)
	if m := ms.Status.Recordings[0].Message; !strings.Contains(m, "media pod reception-0, which had the file, went before it was stored") {
		t.Errorf("message %q", m)
	}
	w.manager.Writes.AwaitQuiet(t, 200*time.Millisecond)

	w.deletePod("reception-1") // long after the call
	awaitStates(lost, lost, lost, stored, local)
}
