// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

// step is one input to a machine.
type step func(m *machine, now time.Time)

func notify(batch ...graph.Notification) step {
	return func(m *machine, now time.Time) { m.notified(now, batch) }
}

func created(id string) step {
	return func(m *machine, now time.Time) { m.created(now, createdCall(id), nil) }
}

func createError(err error) step {
	return func(m *machine, now time.Time) { m.created(now, nil, err) }
}

func hangUpFor(reason EndReason) step {
	return func(m *machine, now time.Time) { m.leave(now, reason) }
}

// errLost is a connection that broke after the request was sent.
var errLost = errors.New("create call: POST /v1.0/communications/calls: EOF")

// errNoConnection is one that never came about.
var errNoConnection = &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}

// tickUntil runs the timers due up to a time, each at its own.
func tickUntil(m *machine, until time.Time) {
	for {
		next, ok := m.next()
		if !ok || next.After(until) {
			return
		}
		m.tick(next)
	}
}

func TestMachineTellsWhatNotificationsMean(t *testing.T) {
	in := []step{created(testCallID), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, bot(), person(1)))}
	type want struct {
		phase   Phase
		state   graph.CallState
		reason  EndReason
		failed  bool
		events  []string // not looked at if nil
		strays  []string
		counted map[outcome]int // only those named are looked at
	}
	tests := map[string]struct {
		steps []step
		want  want
	}{
		"asked for": {
			want: want{phase: PhaseJoining, events: []string{EventJoining}},
		},
		"created": {
			steps: []step{created(testCallID)},
			want:  want{phase: PhaseJoining, state: graph.StateEstablishing, events: []string{EventJoining, EventCallCreated, EventEstablishing}},
		},
		"the usual way in": {
			steps: []step{
				created(testCallID), notify(updated(testCallID, graph.StateEstablishing)), notify(updated(testCallID, graph.StateEstablished)),
				notify(rosterOf(testCallID, bot(), person(1))), notify(updated(testCallID, graph.StateEstablished, withAudio(graph.MediaActive))),
			},
			want: want{
				phase: PhaseEstablished, state: graph.StateEstablished,
				events:  []string{EventJoining, EventCallCreated, EventEstablishing, EventParticipantJoined, EventEstablished, EventMediaActive},
				counted: map[outcome]int{outcomeDuplicate: 1, outcomeApplied: 3},
			},
		},
		"established before establishing": {
			steps: []step{created(testCallID), notify(updated(testCallID, graph.StateEstablished)), notify(updated(testCallID, graph.StateEstablishing)), notify(rosterOf(testCallID, bot()))},
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished, counted: map[outcome]int{outcomeStale: 1}},
		},
		"all of it before the answer to the join": {
			steps: []step{
				notify(updated(testCallID, graph.StateEstablishing)), notify(updated(testCallID, graph.StateEstablished)),
				notify(rosterOf(testCallID, bot(), person(1))), created(testCallID),
			},
			want: want{phase: PhaseEstablished, state: graph.StateEstablished, counted: map[outcome]int{outcomeHeld: 3, outcomeStray: 0}},
		},
		"over before the answer to the join": {
			steps: []step{notify(deleted(testCallID, 500, 1005)), created(testCallID)},
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndMediaUnreachable, failed: true},
		},
		"every one twice": {
			steps: []step{
				created(testCallID), notify(updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateEstablished)),
				notify(rosterOf(testCallID, bot()), rosterOf(testCallID, bot())), notify(deleted(testCallID, 200, 5003), deleted(testCallID, 200, 5003)),
			},
			want: want{
				phase: PhaseEnded, state: graph.StateTerminated, reason: EndMeetingEnded,
				events:  []string{EventJoining, EventCallCreated, EventEstablishing, EventParticipantJoined, EventEstablished, EventEnded},
				counted: map[outcome]int{outcomeDuplicate: 2, outcomeLate: 1, outcomeApplied: 3},
			},
		},
		"ids in another form": {
			steps: []step{created(testCallID), notify(updated("2E1A0B002DB440229570243709C565AB", graph.StateEstablished), rosterOf("2E1A0B002DB440229570243709C565AB", bot()))},
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"about another call": {
			steps: []step{created(testCallID), notify(updated(otherCall, graph.StateEstablished))},
			want:  want{phase: PhaseJoining, state: graph.StateEstablishing, strays: []string{otherCall}, counted: map[outcome]int{outcomeStray: 1}},
		},
		"held for another call": {
			steps: []step{notify(updated(otherCall, graph.StateEstablished)), created(testCallID)},
			want:  want{phase: PhaseJoining, state: graph.StateEstablishing, strays: []string{otherCall}},
		},
		"straight from establishing to terminated": {
			steps: []step{created(testCallID), notify(deleted(testCallID, 500, 7106))},
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndMediaUnreachable, failed: true},
		},
		"terminated as an update": {
			steps: []step{created(testCallID), notify(updated(testCallID, graph.StateTerminated, withResult(200, 5000)))},
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndRemovedFromMeeting},
		},
		"deleted without a word": {
			steps: append(slices.Clone(in), notify(graph.Notification{ChangeType: graph.Deleted, Resource: graph.Resource{Kind: graph.KindCall, CallID: testCallID}})),
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndMeetingEnded},
		},
		"everything after the end": {
			steps: append(slices.Clone(in), notify(deleted(testCallID, 200, 5002)), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, bot(), person(2)))),
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndEveryoneLeft, counted: map[outcome]int{outcomeLate: 2}},
		},
		"terminating, then nothing more": {
			steps: append(slices.Clone(in), notify(updated(testCallID, graph.StateTerminating)), func(m *machine, now time.Time) { m.got(now, nil, errGone) }),
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndMeetingEnded},
		},
		"in the lobby": {
			steps: []step{created(testCallID), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, waiting(bot())))},
			want:  want{phase: PhaseInLobby, state: graph.StateEstablished, events: []string{EventJoining, EventCallCreated, EventEstablishing, EventInLobby}},
		},
		"in the lobby before established": {
			steps: []step{created(testCallID), notify(rosterOf(testCallID, waiting(bot()))), notify(updated(testCallID, graph.StateEstablished))},
			want:  want{phase: PhaseInLobby, state: graph.StateEstablished},
		},
		"admitted": {
			steps: []step{
				created(testCallID), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, waiting(bot()))),
				notify(rosterOf(testCallID, bot(), person(1))),
			},
			want: want{
				phase: PhaseEstablished, state: graph.StateEstablished,
				events: []string{EventJoining, EventCallCreated, EventEstablishing, EventInLobby, EventParticipantJoined, EventAdmitted, EventEstablished},
			},
		},
		"admitted, and the lobby's roster late": {
			steps: append(slices.Clone(in), notify(rosterOf(testCallID, waiting(bot())))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"somebody else in the lobby": {
			steps: append(slices.Clone(in), notify(rosterOf(testCallID, bot(), person(1), waiting(person(2))))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"lobby timeout": {
			steps: []step{created(testCallID), notify(rosterOf(testCallID, waiting(bot()))), notify(deleted(testCallID, 200, 5855))},
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndLobbyTimeout, failed: true},
		},
		"turned away from the lobby": {
			steps: []step{created(testCallID), notify(rosterOf(testCallID, waiting(bot()))), notify(deleted(testCallID, 200, 5300))},
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndLobbyDenied, failed: true},
		},
		"on hold and back": {
			steps: append(slices.Clone(in), notify(updated(testCallID, graph.StateHold)), notify(updated(testCallID, graph.StateEstablished))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"transfer that failed": {
			steps: append(slices.Clone(in), notify(updated(testCallID, graph.StateTransferring)), notify(updated(testCallID, graph.StateEstablished, withResult(500, 7700)))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"transferring and a late established": {
			steps: append(slices.Clone(in), notify(updated(testCallID, graph.StateTransferring)), notify(updated(testCallID, graph.StateEstablished))),
			want:  want{phase: PhaseEstablished, state: graph.StateTransferring, counted: map[outcome]int{outcomeStale: 1}},
		},
		"a state nobody knows": {
			steps: append(slices.Clone(in), notify(updated(testCallID, "unknownFutureValue"))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"an update without a state": {
			steps: append(slices.Clone(in), notify(updated(testCallID, "", withAudio(graph.MediaActive)))),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"an operation of ours ends": {
			steps: append(slices.Clone(in), notify(graph.Notification{ChangeType: graph.Deleted, Resource: graph.Resource{Kind: graph.KindOperation, CallID: testCallID, ID: "1"}})),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished, counted: map[outcome]int{outcomeIgnored: 1}},
		},
		"something that names no call": {
			steps: append(slices.Clone(in), notify(graph.Notification{})),
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished, counted: map[outcome]int{outcomeIgnored: 1}},
		},
		"hung up by us, whatever the service calls it": {
			steps: append(slices.Clone(in), hangUpFor(EndTimeReached), notify(updated(testCallID, graph.StateTerminating)), notify(deleted(testCallID, 200, 7000))),
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndTimeReached},
		},
		"hung up by us for two reasons": {
			steps: append(slices.Clone(in), hangUpFor(EndTimeReached), hangUpFor(EndedByBot), notify(deleted(testCallID, 200, 7000))),
			want:  want{phase: PhaseEnded, state: graph.StateTerminated, reason: EndTimeReached},
		},
		"hung up by us, and established comes late": {
			steps: []step{created(testCallID), hangUpFor(EndedByBot), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, bot()))},
			want:  want{phase: PhaseLeaving, state: graph.StateEstablished},
		},
		"answer lost, and a notification tells of the call": {
			steps: []step{createError(errLost), notify(updated(testCallID, graph.StateEstablished)), notify(rosterOf(testCallID, bot()))},
			want: want{
				phase: PhaseEstablished, state: graph.StateEstablished,
				events: []string{EventJoining, EventCreateUncertain, EventCallCreated, EventParticipantJoined, EventEstablished},
			},
		},
		"answer lost after the notifications": {
			steps: []step{notify(rosterOf(testCallID, bot())), notify(updated(testCallID, graph.StateEstablished)), createError(errLost)},
			want:  want{phase: PhaseEstablished, state: graph.StateEstablished},
		},
		"answer lost, and what was held is of two calls": {
			steps: []step{notify(deleted(otherCall, 200, 0)), notify(updated(testCallID, graph.StateEstablished)), createError(errLost)},
			want:  want{phase: PhaseJoining, state: graph.StateEstablished, strays: []string{otherCall}},
		},
		"no such meeting": {
			steps: []step{createError(answer("create call", 404))},
			want:  want{phase: PhaseEnded, reason: EndMeetingNotFound, failed: true},
		},
		"refused while something was held": {
			steps: []step{notify(updated(otherCall, graph.StateEstablished)), createError(answer("create call", 403))},
			want:  want{phase: PhaseEnded, reason: EndPermissionMissing, failed: true, strays: []string{otherCall}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			w := newFakeWorld()
			m := newMachine(w, meetingSetting(), start)
			m.begin(start)
			now := start
			for _, step := range tt.steps {
				now = now.Add(10 * time.Millisecond)
				tickUntil(m, now)
				step(m, now)
			}
			got := m.snapshot()
			if got.Phase != tt.want.phase || got.State != tt.want.state {
				t.Errorf("phase %s, state %s; want %s, %s", got.Phase, got.State, tt.want.phase, tt.want.state)
			}
			if (got.End != nil) != (tt.want.reason != "") {
				t.Fatalf("End is %+v, want reason %q", got.End, tt.want.reason)
			}
			if got.End != nil && (got.End.Reason != tt.want.reason || got.End.Failed != tt.want.failed) {
				t.Errorf("End is %+v, want reason %s, failed %t", got.End, tt.want.reason, tt.want.failed)
			}
			if tt.want.events != nil {
				if diff := cmp.Diff(tt.want.events, eventsOf(*got)); diff != "" {
					t.Errorf("events (-want +got):\n%s", diff)
				}
			}
			if diff := cmp.Diff(tt.want.strays, w.strays); diff != "" {
				t.Errorf("calls to be hung up (-want +got):\n%s", diff)
			}
			for o, n := range tt.want.counted {
				if w.outcomes[o] != n {
					t.Errorf("%d notifications counted as %s, want %d (%v)", w.outcomes[o], o, n, w.outcomes)
				}
			}
		})
	}
}
