// SPDX-License-Identifier: Apache-2.0

package story

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

func TestWhetherARecordingWasAnnounced(t *testing.T) {
	refused := []signaling.Refusal{{What: signaling.WantRecording, Message: "No role."}}
	end := EndOf(v1alpha1.EndedByBot)
	tests := map[string]struct {
		s      Story
		status metav1.ConditionStatus // "": no condition
		reason string
	}{
		"never asked for":               {Story{}, "", ""},
		"not recording is no matter":    {Story{Asked: Asked{Recording: v1alpha1.NotRecording}, Signal: signaling.Snapshot{Recording: graph.NotRecording}}, "", ""},
		"asked for":                     {Story{Asked: Asked{Recording: v1alpha1.Recording}}, metav1.ConditionFalse, v1alpha1.ReasonNotAnnounced},
		"announced":                     {Story{Asked: Asked{Recording: v1alpha1.Recording}, Signal: signaling.Snapshot{Recording: graph.Recording}}, metav1.ConditionTrue, v1alpha1.ReasonAnnounced},
		"announced, and wanted no more": {Story{Asked: Asked{Recording: v1alpha1.NotRecording}, Signal: signaling.Snapshot{Recording: graph.Recording}}, metav1.ConditionTrue, v1alpha1.ReasonAnnounced},
		"refused":                       {Story{Asked: Asked{Recording: v1alpha1.Recording}, Signal: signaling.Snapshot{Refusals: refused}}, metav1.ConditionFalse, v1alpha1.ReasonAnnouncementRefused},
		"said to have failed":           {Story{Asked: Asked{Recording: v1alpha1.RecordingFailed}, Signal: signaling.Snapshot{Recording: graph.RecordingFailed}}, metav1.ConditionFalse, v1alpha1.ReasonNotAnnounced},
		"over":                          {Story{Asked: Asked{Recording: v1alpha1.Recording}, Signal: signaling.Snapshot{Recording: graph.NotRecording}, End: end}, metav1.ConditionFalse, v1alpha1.ReasonEnded},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var st v1alpha1.CallStatus
			tc.s.Tell(&st, 3)
			c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionRecording)
			switch {
			case c == nil && tc.status == "":
			case c == nil, c.Status != tc.status, c.Reason != tc.reason, c.Message == "", c.ObservedGeneration != 3:
				t.Errorf("condition %+v, want %s %s", c, tc.status, tc.reason)
			}
		})
	}
	// Once it was a matter, that it is not any more is told too.
	st := v1alpha1.CallStatus{}
	Story{Signal: signaling.Snapshot{Recording: graph.Recording}}.Tell(&st, 1)
	Story{Signal: signaling.Snapshot{Recording: graph.NotRecording}}.Tell(&st, 1)
	if c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionRecording); c == nil || c.Status != metav1.ConditionFalse {
		t.Errorf("after it was ended: %+v", c)
	}
}

func TestWhatBecameOfInvitations(t *testing.T) {
	const jane, john = "550FAE72-D251-43EC-868C-373732C2704F", "aa1122bb-0000-4000-8000-000000000001"
	user := func(id string) graph.InvitationParticipantInfo {
		return graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: id}}}
	}
	s := Story{
		Asked: Asked{Invite: []v1alpha1.Invitee{
			{Identity: v1alpha1.Identity{User: john}}, {Identity: v1alpha1.Identity{Phone: "+12065550100"}}, {Identity: v1alpha1.Identity{User: jane}},
		}},
		Signal: signaling.Snapshot{Invites: []signaling.Invite{
			{Who: user("550fae72-d251-43ec-868c-373732c2704f"), State: signaling.InviteFailed, Message: "She is away."},
			{Who: user(john), State: signaling.InviteRinging},
			{Who: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}}},
			{Who: user("not asked for any more"), State: signaling.InviteFailed, Message: "x"},
		}},
	}
	var st v1alpha1.CallStatus
	s.Tell(&st, 1)
	want := []v1alpha1.InviteStatus{ // in the order of the spec; one that waits for its turn has no state yet
		{Identity: v1alpha1.Identity{User: john}, State: v1alpha1.InviteRinging},
		{Identity: v1alpha1.Identity{User: jane}, State: v1alpha1.InviteFailed, Message: "She is away."},
	}
	if diff := cmp.Diff(want, st.Invites); diff != "" {
		t.Errorf("invites (-want +got):\n%s", diff)
	}
}

func TestWhatNeedsAttention(t *testing.T) {
	failed := Story{
		Asked:  Asked{Invite: []v1alpha1.Invitee{{Identity: v1alpha1.Identity{Phone: "+12065550100"}}}},
		Signal: signaling.Snapshot{Invites: []signaling.Invite{{Who: graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: "+12065550100"}}}, State: signaling.InviteFailed, Message: "Busy."}}},
	}
	refused := failed
	refused.Signal.Refusals = []signaling.Refusal{{What: signaling.WantMuted, Message: "No."}}
	deaf := Story{Hosting: v1alpha1.HostingService, Asked: Asked{SilenceTimeout: time.Minute}}
	hears, deafAndFailed := deaf, failed
	hears.Hosting = v1alpha1.HostingApplication
	deafAndFailed.Hosting, deafAndFailed.Asked.SilenceTimeout = deaf.Hosting, deaf.Asked.SilenceTimeout
	over := refused
	over.End = EndOf(v1alpha1.EndedByBot)
	tests := map[string]struct {
		there string
		s     Story
		want  string
	}{
		"nothing":                              {"", Story{}, ""},
		"a failed invitation":                  {"", failed, v1alpha1.ReasonInviteFailed},
		"a refusal says more":                  {"", refused, v1alpha1.ReasonRefused},
		"a prompt that is not played":          {"", Story{Unplayed: "no such file"}, v1alpha1.ReasonRefused},
		"silence where nothing is heard":       {"", deaf, v1alpha1.ReasonNoEffect},
		"silence where it is heard":            {"", hears, ""},
		"silence, which was taken out":         {v1alpha1.ReasonNoEffect, Story{Hosting: v1alpha1.HostingService}, ""},
		"video that the call cannot have":      {"", Story{Asked: Asked{Unshown: v1alpha1.VideoScreen}}, v1alpha1.ReasonNoEffect},
		"a failed invitation says more":        {"", deafAndFailed, v1alpha1.ReasonInviteFailed},
		"it is over":                           {v1alpha1.ReasonRefused, over, ""},
		"it has passed":                        {v1alpha1.ReasonInviteFailed, Story{}, ""},
		"what the controller says stands":      {v1alpha1.ReasonAgentSilent, refused, v1alpha1.ReasonAgentSilent},
		"what the controller says is not ours": {v1alpha1.ReasonAlreadyInMeeting, Story{}, v1alpha1.ReasonAlreadyInMeeting},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var st v1alpha1.CallStatus
			if tc.there != "" {
				st.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionNeedsAttention, Status: "True", Reason: tc.there}}
			}
			tc.s.Tell(&st, 1)
			got := ""
			if c := meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionNeedsAttention); c != nil {
				got = c.Reason
			}
			if got != tc.want {
				t.Errorf("reason %q, want %q", got, tc.want)
			}
		})
	}
}

// TestAReleaseChangesNothingButWhoseTheCallIs.
func TestAReleaseChangesNothingButWhoseTheCallIs(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	s := Story{
		ClaimedBy: "me", Hosting: v1alpha1.HostingService, HomeTenant: "1fdd12d0-4620-44ed-baec-459b611f84b2", Flowing: FlowReported,
		Signal: signaling.Snapshot{
			Phase: signaling.PhaseEstablished, CallID: "call-1", TenantID: "72f988bf-86f1-41af-91ab-2d7cd011db47", Established: now,
			Participants: []graph.Participant{{ID: "p"}}, ParticipantCount: 1, Muted: true,
		},
	}
	var st v1alpha1.CallStatus
	s.Tell(&st, 1)
	before := st.DeepCopy()
	s.Released = true
	s.Note(Event(now, "Released", ""))
	s.Tell(&st, 1)
	if st.Call.ClaimedBy != "" || len(st.Timeline) != 1 || meta.FindStatusCondition(st.Conditions, v1alpha1.ConditionAssigned).Reason != v1alpha1.ReasonPodRefused {
		t.Errorf("status %+v, call %+v", st, st.Call)
	}
	if st.Call.TenantID != "72f988bf-86f1-41af-91ab-2d7cd011db47" {
		t.Errorf("the next process is not told the tenant: %+v", st.Call)
	}
	st.Call.ClaimedBy, st.Timeline = "me", nil
	meta.RemoveStatusCondition(&st.Conditions, v1alpha1.ConditionAssigned)
	if diff := cmp.Diff(before, &st); diff != "" {
		t.Errorf("changed (-before +after):\n%s", diff)
	}
}
