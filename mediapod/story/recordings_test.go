// SPDX-License-Identifier: Apache-2.0

package story

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

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
