// SPDX-License-Identifier: Apache-2.0

package story

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// TestWhatGraphSaysAtTheEndIsToldWithoutItsLinks: the service may quote the request.
func TestWhatGraphSaysAtTheEndIsToldWithoutItsLinks(t *testing.T) {
	s := Story{Signal: signaling.Snapshot{Result: &graph.ResultInfo{Code: 400, Subcode: 7,
		Message: "cannot join https://teams.microsoft.com/l/meetup-join/secret-thread?p=secret"}}}
	var st callfleetv1.CallStatus
	s.Tell(&st, 1)
	if r := st.Call.Result; r.Code != 400 || !strings.HasPrefix(r.Message, "cannot join") || strings.Contains(r.Message, "secret") {
		t.Errorf("result %+v", r)
	}
}

// TestAPathThatComesAndGoesForADay: the agent's own events stay few, copies of the story stay as they were, and telling
// them twice changes nothing.
func TestAPathThatComesAndGoesForADay(t *testing.T) {
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	told := []callfleetv1.TimelineEvent{Event(start, "Claimed", "by reception-0")}
	var s Story
	for i := range 1000 {
		before := s
		want := append([]callfleetv1.TimelineEvent(nil), before.own...)
		s.Note(Event(start.Add(time.Duration(i+1)*time.Second), "MediaSilence", ""))
		if diff := cmp.Diff(want, before.own); diff != "" {
			t.Fatalf("a copy of the story changed after %d events (-want +got):\n%s", i, diff)
		}
		told = Merge(told, s.Events())
		if again := Merge(told, s.Events()); !cmp.Equal(told, again) {
			t.Fatalf("telling the same twice changes the timeline after %d events:\n%s", i, cmp.Diff(told, again))
		}
	}
	if len(s.own) > maxTimeline || len(told) != maxTimeline || told[0].Event != "Claimed" {
		t.Errorf("%d events of its own, timeline of %d from %q", len(s.own), len(told), told[0].Event)
	}
}
