// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// wantRefused finds one refused action in the timeline, and nothing of its being done.
func wantRefused(t *testing.T, c *Call, says ...string) {
	t.Helper()
	synctest.Wait()
	var refused []Event
	for _, e := range c.Snapshot().Events {
		switch e.Event {
		case EventActionRefused:
			refused = append(refused, e)
		case EventAction, EventActionCompleted, EventActionFailed:
			t.Errorf("%s: %s", e.Event, e.Detail)
		}
	}
	if len(refused) != 1 {
		t.Errorf("%d refused actions in the timeline, want one", len(refused))
		return
	}
	for _, part := range says {
		if !strings.Contains(refused[0].Detail, part) {
			t.Errorf("the timeline tells %q, want %q in it", refused[0].Detail, part)
		}
	}
}

func TestAnActionThatComesTooEarlyIsInTheTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, &fakeGraph{})
		defer stop(t, s)
		c := join(t, s)
		if _, err := c.Act(t.Context(), "jane\n"+strings.Repeat("e", 1000), MuteParticipant{ID: "p"}); failureOf(err) != ActionNotEstablished {
			t.Errorf("got %v", err)
		}
		if _, err := c.Act(t.Context(), "", StopMedia{}); failureOf(err) != ActionNotEstablished { // by the bot itself
			t.Errorf("got %v", err)
		}
		wantRefused(t, c, "mute participant by jane ee", "refused: The call is not established yet.")
	})
}

// TestRefusedActionsDoNotPushTheCallOutOfItsTimeline: whoever may act can be refused any number of times.
func TestRefusedActionsDoNotPushTheCallOutOfItsTimeline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := act(t, nil)
		before := eventsOf(a.call.Snapshot())
		refuse := func(times int) {
			for range times {
				if _, err := a.call.Act(t.Context(), strings.Repeat("j", 1000), MuteParticipant{}); err == nil {
					t.Error("nobody was muted")
				}
			}
		}
		refuse(maxEvents)
		want(a.call, Wants{Muted: true})
		refuse(4 * maxEvents)
		synctest.Wait()
		got := eventsOf(a.call.Snapshot())
		if len(got) > maxEvents || !slices.Equal(got[:len(before)], before) || !slices.Contains(got, EventMuted) {
			t.Errorf("%d events %v, want %v at first, and %s", len(got), got, before, EventMuted)
		}
		stop(t, a.server)
	})
}
