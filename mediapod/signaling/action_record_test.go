// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/callfleet/callfleet/graph"
)

func TestARecordingIsFetchedWithoutItsTokenLeavingTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, serviceHosted).announced(t)
		a.graph.file = "RIFF"
		a.running("op1")
		done := a.begin(t.Context(), "jane", Record{})
		tell(t, a.server, operationEnded(graph.Operation{
			ID: "op1", Status: graph.OperationCompleted, ResultInfo: &graph.ResultInfo{Code: 200, Subcode: 8515},
			RecordingLocation: "https://rec/1", RecordingAccessToken: "rec0rdingtoken",
		}))
		got := <-done
		if got.err != nil || got.result.RecordingID != "op1" || got.result.Operation.RecordingAccessToken != "" || got.result.Operation.RecordingLocation != "" {
			t.Fatalf("%+v %v", got.result, got.err)
		}
		if !strings.Contains(got.result.Message, "longest") {
			t.Errorf("says %q", got.result.Message)
		}
		fetched, err := a.call.Act(t.Context(), "jane", FetchRecording{ID: "OP1"})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(fetched.Recording); err != nil || string(text) != "RIFF" {
			t.Errorf("%q %v", text, err)
		}
		stop(t, a.server)
	})
}

// Nothing is persisted before the service has taken in that the call is recorded, and nothing of when it was told otherwise.
func TestOnlyWhatWasAnnouncedThroughoutIsKept(t *testing.T) {
	const kept, dropped = "", ActionNotPossible
	recording, not := Wants{Recording: graph.Recording}, Wants{}
	for name, c := range map[string]struct {
		meanwhile func(a *acting, end graph.Notification)
		failure   ActionFailure
	}{
		"announced all along": {func(a *acting, end graph.Notification) { tell(t, a.server, end) }, kept},
		"ended meanwhile":     {func(a *acting, end graph.Notification) { want(a.call, not); tell(t, a.server, end) }, dropped},
		"ended and announced again": {func(a *acting, end graph.Notification) {
			want(a.call, not)
			want(a.call, recording)
			tell(t, a.server, end)
		}, dropped},
		"failed meanwhile": {func(a *acting, end graph.Notification) {
			want(a.call, Wants{Recording: graph.RecordingFailed})
			tell(t, a.server, end)
		}, dropped},
		"the caller hangs up": {func(a *acting, end graph.Notification) { tell(t, a.server, end, deleted(testCallID, 200, 5003)) }, kept},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := act(t, serviceHosted).announced(t)
				a.running("op1")
				done := a.begin(t.Context(), "jane", Record{})
				c.meanwhile(a, operationEnded(graph.Operation{
					ID: "op1", Status: graph.OperationCompleted, RecordingLocation: "https://rec/1", RecordingAccessToken: "rec0rdingtoken",
				}))
				if got := <-done; failureOf(got.err) != c.failure || (got.result.RecordingID == "op1") != (c.failure == kept) {
					t.Errorf("recorded %q: %v", got.result.RecordingID, got.err)
				}
				fetched, err := a.call.Act(t.Context(), "jane", FetchRecording{ID: "op1"})
				if (err == nil) != (c.failure == kept) || (fetched.Recording == nil) != (c.failure != kept) {
					t.Errorf("fetching it: %v", err)
				}
				stop(t, a.server)
			})
		})
	}
}

func TestARefusedRecordingStatusExplainsWhyNothingIsRecorded(t *testing.T) {
	s := Snapshot{Hosting: graph.ServiceHosted, Refusals: []Refusal{{WantRecording, "Calls.JoinGroupCall.All is missing."}}}
	if err := (Record{}).check(s); err == nil || !strings.Contains(err.Message, "Calls.JoinGroupCall.All is missing.") {
		t.Errorf("got %v", err)
	}
}
