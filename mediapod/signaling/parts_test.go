// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callfleet/callfleet/graph"
)

func TestTimelineKeepsTheBeginningAndTheEnd(t *testing.T) {
	var tl timeline
	story := []string{EventJoining, EventCallCreated, EventEstablished}
	for _, e := range story {
		tl.add(start, e, "")
	}
	var shared [][]Event
	var copies [][]Event
	for i := range 500 {
		event := EventParticipantJoined
		switch {
		case i%2 == 1:
			event = EventParticipantLeft
		case i%50 == 0:
			event = EventMediaInactive
			story = append(story, event)
		}
		tl.add(start.Add(time.Duration(i)*time.Second), event, fmt.Sprint(i))
		shared = append(shared, tl.shared())
		copies = append(copies, slices.Clone(tl.shared()))
	}
	tl.add(start.Add(time.Hour), EventEnded, "")
	story = append(story, EventEnded)

	var kept []string
	for _, e := range tl.events {
		if e.Event != EventParticipantJoined && e.Event != EventParticipantLeft {
			kept = append(kept, e.Event)
		}
	}
	if diff := cmp.Diff(story, kept); diff != "" {
		t.Errorf("events other than the roster's (-want +got):\n%s", diff)
	}
	if len(tl.events) != maxEvents {
		t.Errorf("%d events, want %d", len(tl.events), maxEvents)
	}
	if !slices.IsSortedFunc(tl.events, func(a, b Event) int { return a.Time.Compare(b.Time) }) {
		t.Error("the events are out of order")
	}
	if diff := cmp.Diff(copies, shared); diff != "" {
		t.Errorf("what was handed out has changed since (-then +now):\n%s", diff)
	}
}

func TestTimelineWithoutRosterEventsStaysBounded(t *testing.T) {
	var tl timeline
	for i := range 200 {
		tl.add(start, EventMediaActive, fmt.Sprint(i))
	}
	if n := len(tl.events); n != maxEvents || tl.events[0].Detail != "0" || tl.events[n-1].Detail != "199" {
		t.Errorf("%d events from %q to %q, want %d with the first and the last", n, tl.events[0].Detail, tl.events[n-1].Detail, maxEvents)
	}
}

func TestRosterReplace(t *testing.T) {
	removed := person(9)
	removed.RemovedState = &graph.RemovedState{Reason: "Removed"}
	type change struct {
		list         []graph.Participant
		want         rosterKind
		joined, left int
		inCall       int
		inLobby      int
	}
	tests := map[string][]change{
		"people come and go": {
			{list: []graph.Participant{bot()}, want: rosterChanged, joined: 1, inCall: 1},
			{list: []graph.Participant{bot(), person(1), person(2)}, want: rosterChanged, joined: 2, inCall: 3},
			{list: []graph.Participant{bot(), person(3)}, want: rosterChanged, joined: 1, left: 2, inCall: 2},
		},
		"the same again": {
			{list: []graph.Participant{bot(), person(1)}, want: rosterChanged, joined: 2, inCall: 2},
			{list: []graph.Participant{bot(), person(1)}, want: rosterSame, inCall: 2},
		},
		"from the lobby into the call": {
			{list: []graph.Participant{bot(), waiting(person(1))}, want: rosterChanged, joined: 1, inCall: 1, inLobby: 1},
			{list: []graph.Participant{bot(), person(1)}, want: rosterChanged, joined: 1, inCall: 2},
		},
		"overtaken, by its numbers": {
			{list: []graph.Participant{numbered(bot(), 5), numbered(person(1), 7)}, want: rosterChanged, joined: 2, inCall: 2},
			{list: []graph.Participant{numbered(bot(), 5)}, want: rosterStale, inCall: 2},
			{list: []graph.Participant{numbered(bot(), 8)}, want: rosterChanged, left: 1, inCall: 1},
		},
		"who was removed is not there": {
			{list: []graph.Participant{bot(), removed}, want: rosterChanged, joined: 1, inCall: 1},
		},
		"ids in another form": {
			{list: []graph.Participant{{ID: "AB-12"}}, want: rosterChanged, joined: 1, inCall: 1},
			{list: []graph.Participant{{ID: "ab12"}}, want: rosterChanged, inCall: 1},
		},
	}
	for name, changes := range tests {
		t.Run(name, func(t *testing.T) {
			var r roster
			for i, c := range changes {
				change := r.replace(c.list, false)
				got, joined, left := change.kind, change.joined, change.left
				if got != c.want || joined != c.joined || left != c.left || r.inCall != c.inCall || r.inLobby != c.inLobby {
					t.Errorf("roster %d: change %d, %d joined, %d left, %d in the call, %d in the lobby; want %+v", i, got, joined, left, r.inCall, r.inLobby, c)
				}
			}
		})
	}
}

func TestRosterListsFifty(t *testing.T) {
	var r roster
	list := []graph.Participant{bot()}
	for i := range 120 {
		list = append(list, person(i))
	}
	r.replace(list, false)
	if len(r.listed()) != maxListed || r.inCall != 121 {
		t.Errorf("%d listed and %d counted, want %d and 121", len(r.listed()), r.inCall, maxListed)
	}
}

func TestEndOfResult(t *testing.T) {
	tests := map[string]struct {
		result    *graph.ResultInfo
		inLobby   bool
		want      EndReason
		failed    bool
		retryable bool
	}{
		"nothing said":              {want: EndMeetingEnded},
		"meeting ended":             {result: &graph.ResultInfo{Code: 200, Subcode: 5003}, want: EndMeetingEnded},
		"removed":                   {result: &graph.ResultInfo{Code: 200, Subcode: 5300}, want: EndRemovedFromMeeting},
		"everybody left":            {result: &graph.ResultInfo{Code: 200, Subcode: 5010}, want: EndEveryoneLeft},
		"nobody came":               {result: &graph.ResultInfo{Code: 200, Subcode: 5013}, want: EndEveryoneLeft},
		"ended by the bot":          {result: &graph.ResultInfo{Code: 200, Subcode: 10550}, want: EndedByBot},
		"lobby timeout":             {result: &graph.ResultInfo{Code: 200, Subcode: 5855}, inLobby: true, want: EndLobbyTimeout, failed: true},
		"removed from the lobby":    {result: &graph.ResultInfo{Code: 200, Subcode: 5000}, inLobby: true, want: EndLobbyDenied, failed: true},
		"nothing said in the lobby": {inLobby: true, want: EndMeetingEnded},
		"ended in the lobby":        {result: &graph.ResultInfo{Code: 200}, inLobby: true, want: EndLobbyDenied, failed: true},
		"meeting ended meanwhile":   {result: &graph.ResultInfo{Code: 200, Subcode: 5001}, inLobby: true, want: EndMeetingEnded},
		"keepAlive missed":          {result: &graph.ResultInfo{Code: 408, Subcode: 8537}, want: EndKeepAliveTimeout, failed: true},
		"media lost":                {result: &graph.ResultInfo{Code: 410, Subcode: 301005}, want: EndMediaLost, failed: true, retryable: true},
		"media not reached":         {result: &graph.ResultInfo{Code: 500, Subcode: 7106}, want: EndMediaUnreachable, failed: true, retryable: true},
		"media not agreed":          {result: &graph.ResultInfo{Code: 500, Subcode: 1203002}, want: EndMediaUnreachable, failed: true, retryable: true},
		"service failed":            {result: &graph.ResultInfo{Code: 500, Subcode: 1}, want: EndServiceError, failed: true, retryable: true},
		"a riddle":                  {result: &graph.ResultInfo{Code: 999, Subcode: 1}, want: EndUnknown, failed: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := endOfCall(tt.result, circumstances{group: true, established: !tt.inLobby, inLobby: tt.inLobby})
			if got.Reason != tt.want || got.Failed != tt.failed || got.Retryable != tt.retryable || got.Message == "" {
				t.Errorf("end %+v, want %s, failed %t, retryable %t, with a message", got, tt.want, tt.failed, tt.retryable)
			}
		})
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	for reason := range endReasons {
		end := EndFor(reason)
		if end.Reason != reason || !strings.HasSuffix(end.Message, ".") {
			t.Errorf("%s: end %+v, want itself and whole sentences", reason, end)
		}
		if end.Failed && endReasons[reason].remedy == "" {
			t.Errorf("%s is a fault without a word on what to do", reason)
		}
		if end.Retryable && !end.Failed {
			t.Errorf("%s is no fault, and yet worth another attempt", reason)
		}
	}
	if got := EndFor("SomethingElse").Reason; got != EndUnknown {
		t.Errorf("a reason outside the list became %s", got)
	}
}

func TestMessagesFitTheStatus(t *testing.T) {
	if got := sentences(strings.Repeat("ä", 2000)); len(got) > maxMessage || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes ending in %q", len(got), got[len(got)-3:])
	}
}

func TestOverCallsForgetsTheOldest(t *testing.T) {
	o := newOverCalls(3)
	for i := range 5 {
		if !o.add(fmt.Sprint("call-", i)) {
			t.Errorf("call %d was there before it was added", i)
		}
	}
	for i, want := range []bool{false, false, true, true, true} {
		if got := o.has(fmt.Sprint("CALL-", i)); got != want {
			t.Errorf("call %d remembered: %t, want %t", i, got, want)
		}
	}
	if o.add("CALL4") {
		t.Error("the same id in another form is new")
	}
}

func TestMetricsHoldNoIDs(t *testing.T) {
	reg := prometheus.NewRegistry()
	newTestServer(t, &fakeGraph{}, func(c *Config) { c.Registerer = reg })
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"outcome", "phase", "reason", "code", "result", "decision", "way"}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has the label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
	if _, err := New(func() Config { c := testConfig(&fakeGraph{}); c.Registerer = reg; return c }()); err == nil {
		t.Error("a second server registered the same metrics")
	}
}

func TestNewRefusesAConfigurationThatCannotWork(t *testing.T) {
	tests := map[string]func(*Config){
		"plain http":         func(c *Config) { c.BaseURL = "http://bots.example/voice/reception" },
		"no host":            func(c *Config) { c.BaseURL = "https:///voice/reception" },
		"query":              func(c *Config) { c.BaseURL += "?x=1" },
		"no home tenant":     func(c *Config) { c.HomeTenant = "" },
		"no pod":             func(c *Config) { c.MediaPod = "" },
		"pod with a slash":   func(c *Config) { c.MediaPod = "a/b" },
		"no Graph":           func(c *Config) { c.Graph = nil },
		"no verifier":        func(c *Config) { c.Verifier = nil },
		"keepAlive too rare": func(c *Config) { c.KeepAliveEvery = keepAliveDeadline },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig(&fakeGraph{})
			change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("New() accepted it")
			}
		})
	}
}
