// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/rules"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// TestWhatIsHandedToTheProcessThatTakesACallOver.
func TestWhatIsHandedToTheProcessThatTakesACallOver(t *testing.T) {
	placed := func(ringing callfleetv1.Duration, to ...callfleetv1.Identity) *subject {
		s := outgoing(callfleetv1.OneCallSpec{To: to, RingingTimeout: ringing})
		s.status.Call = &callfleetv1.CallRecord{ID: "call-1", CreatedTime: microTime(time.Unix(1000, 0))}
		return s
	}
	with := func(s *subject, change func(*callfleetv1.CallStatus)) *subject {
		change(s.status)
		return s
	}
	one := callfleetv1.Identity{User: jane}
	tests := map[string]struct {
		object *subject
		want   signaling.AdoptedState
		group  bool
	}{
		"nothing":  {object: placed("", one)},
		"it rings": {object: placed("20s", one), want: signaling.AdoptedState{RingsUntil: time.Unix(1020, 0)}},
		"in a lobby": {
			object: with(orphaned("reception-0", ""), func(st *callfleetv1.CallStatus) {
				st.Phase, st.Call.EstablishedTime, st.RecordingStatus = callfleetv1.PhaseInLobby, nil, ""
			}),
			want: signaling.AdoptedState{InLobby: true, State: graph.StateEstablished}, group: true,
		},
		"given away": {
			object: with(placed("", one), func(st *callfleetv1.CallStatus) { st.Call.State = "transferAccepted" }),
			want:   signaling.AdoptedState{State: graph.StateTransferAccepted},
		},
		"the pod keeps silent in a call of two": {object: with(placed("", one), func(st *callfleetv1.CallStatus) { st.Muted = true })},
		"the service keeps it silent in a group call": {
			object: with(placed("", one, one), func(st *callfleetv1.CallStatus) { st.Muted = true }),
			want:   signaling.AdoptedState{Muted: true}, group: true,
		},
		"somebody who was invited came": {
			object: with(placed("", one), func(st *callfleetv1.CallStatus) {
				st.Invites = []callfleetv1.InviteStatus{
					{Identity: callfleetv1.Identity{Phone: "+12065550100"}, State: callfleetv1.InviteJoined},
					{Identity: callfleetv1.Identity{User: jane}, State: callfleetv1.InviteFailed, Message: "Jane declined."},
				}
			}),
			want: signaling.AdoptedState{Invites: []signaling.Invite{
				{Who: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}}, State: signaling.InviteJoined},
				{Who: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: jane}}}, State: signaling.InviteFailed, Message: "Jane declined."},
			}},
			group: true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.object.adopted()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := tc.object.group(); got != tc.group {
				t.Errorf("a group call: %t", got)
			}
		})
	}
}

// TestAnAdoptedCallTellsOfItsInvitationsOn, before and after the service is asked.
func TestAnAdoptedCallTellsOfItsInvitationsOn(t *testing.T) {
	object := orphaned("reception-0", "")
	object.spec.Invite = []callfleetv1.Invitee{{Identity: callfleetv1.Identity{User: jane}}}
	object.status.Invites = []callfleetv1.InviteStatus{{Identity: callfleetv1.Identity{User: jane}, State: callfleetv1.InviteJoined}}
	a, _ := seat(t, &memory{object: object}, serviceHosted)
	r := adoptingRunner(object, a)
	st := object.status.DeepCopy()
	r.story.Tell(st, 1)
	if diff := cmp.Diff(object.status.Invites, st.Invites); diff != "" {
		t.Errorf("invites (-want +got):\n%s", diff)
	}
}

// TestTheLobbyIsLeftInTimeByWhoeverHasTheCall: its time is counted from when the bot came into it, in this attempt.
func TestTheLobbyIsLeftInTimeByWhoeverHasTheCall(t *testing.T) {
	waits := orphaned("reception-0", "")
	waits.status.Phase = callfleetv1.PhaseInLobby
	waits.status.Timeline = []callfleetv1.TimelineEvent{
		story.Event(time.Unix(900, 0), signaling.EventInLobby, "an attempt before"), story.Event(time.Unix(1010, 0), signaling.EventInLobby, ""),
	}
	if got := lobbySince(waits.status); !got.Equal(time.Unix(1010, 0)) {
		t.Errorf("since %s", got)
	}
	waits.status.Timeline = waits.status.Timeline[:1]
	if got := lobbySince(waits.status); !got.IsZero() {
		t.Errorf("by an attempt before, since %s", got)
	}
	in := orphaned("reception-0", "")
	in.status.Timeline = []callfleetv1.TimelineEvent{story.Event(time.Unix(1010, 0), signaling.EventInLobby, "")}
	if got := lobbySince(in.status); !got.IsZero() {
		t.Errorf("though it is in, since %s", got)
	}
	a, _ := seat(t, &memory{object: waits}, serviceHosted)
	waits.status.Timeline = []callfleetv1.TimelineEvent{story.Event(a.clock.Now().Add(-time.Hour), signaling.EventInLobby, "")}
	scene := rules.Scene{Now: a.clock.Now(), InLobby: true, HasRoster: true}
	if _, why := adoptingRunner(waits, a).presence.Look(callfleetv1.LeaveRules{LobbyTimeout: "15m"}, scene); why != callfleetv1.EndLobbyTimeout {
		t.Errorf("leaves for %q", why)
	}
}

// TestAPromptThatMayNotHaveBeenHeardIsPlayed by the process that takes the call over.
func TestAPromptThatMayNotHaveBeenHeardIsPlayed(t *testing.T) {
	tests := map[string]struct {
		loop     bool
		timeline []callfleetv1.TimelineEvent
		plays    bool
	}{
		"nobody knows":                 {plays: true},
		"it was heard":                 {timeline: []callfleetv1.TimelineEvent{story.Event(time.Unix(1002, 0), eventPromptPlayed, "")}},
		"heard in an attempt before":   {timeline: []callfleetv1.TimelineEvent{story.Event(time.Unix(500, 0), eventPromptPlayed, "")}, plays: true},
		"somebody stopped it":          {timeline: []callfleetv1.TimelineEvent{story.Event(time.Unix(1002, 0), eventPromptStopped, "")}},
		"over and over":                {loop: true, plays: true},
		"over and over, until stopped": {loop: true, timeline: []callfleetv1.TimelineEvent{story.Event(time.Unix(1002, 0), eventPromptStopped, "")}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			object := orphaned("reception-0", "old-process")
			object.spec.Behavior = &callfleetv1.Behavior{Play: &callfleetv1.Play{ConfigMap: &callfleetv1.KeyReference{Name: "p", Key: "hello.wav"}, Loop: tc.loop}}
			object.status.Timeline = tc.timeline
			m := &memory{object: object}
			a, service := seat(t, m, serviceHosted)
			a.prompts = &files{prompt: graph.MediaInfo{URI: "https://bots.contoso.com/hello.wav"}}
			a.changed(m.newest())
			await(t, "the adoption", func() bool { return has(m.status().Timeline, "Adopted") })
			call := service.call(t, "uid-1")
			if tc.plays {
				await(t, "the prompt", func() bool { return len(call.acted()) > 0 })
				return
			}
			for range 3 {
				call.onChange()
				<-time.After(30 * time.Millisecond)
			}
			if acts := call.acted(); len(acts) != 0 {
				t.Errorf("played: %v", acts)
			}
		})
	}
}
