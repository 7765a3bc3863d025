// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"testing"
	"time"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func TestTimelineDropsFromTheMiddle(t *testing.T) {
	var timeline []v1alpha1.TimelineEvent
	at := time.Unix(1_800_000_000, 0)
	for i := range 120 {
		timeline = record(timeline, at.Add(time.Duration(i)*time.Second), fmt.Sprintf("e%d", i), "")
	}
	if len(timeline) != timelineMax {
		t.Fatalf("%d entries, want %d", len(timeline), timelineMax)
	}
	for i, want := range map[int]string{0: "e0", timelineHead - 1: "e9", timelineHead: "e80", timelineMax - 1: "e119"} {
		if timeline[i].Event != want {
			t.Errorf("entry %d is %s, want %s", i, timeline[i].Event, want)
		}
	}
	if when, ok := lastOf(timeline, "e119"); !ok || !when.Equal(at.Add(119*time.Second)) {
		t.Errorf("the last entry is of %v", when)
	}
	if _, ok := lastOf(timeline, "e40"); ok {
		t.Error("a dropped entry was found")
	}
}

func TestRecordLeavesTheOldTimelineAlone(t *testing.T) {
	old := record(nil, time.Unix(1, 0), "a", "")
	old = old[:1:1]
	_ = record(old, time.Unix(2, 0), "b", "")
	if len(old) != 1 || old[0].Event != "a" {
		t.Errorf("the old timeline changed: %v", old)
	}
}
