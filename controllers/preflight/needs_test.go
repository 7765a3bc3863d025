// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestNeedsOfSpec(t *testing.T) {
	media := "ApplicationHostedMedia: spec.media.hosting: Application"
	for name, tc := range map[string]struct {
		change func(*v1alpha1.CallingBotSpec)
		want   []string
	}{
		"a bot that hosts its media":          {func(*v1alpha1.CallingBotSpec) {}, []string{media}},
		"a bot whose media the service hosts": {func(s *v1alpha1.CallingBotSpec) { s.Media.Hosting = v1alpha1.HostingService }, nil},
		"answering people needs nothing more": {func(s *v1alpha1.CallingBotSpec) {
			s.Incoming = []v1alpha1.IncomingRule{{Action: v1alpha1.IncomingAnswer, From: &v1alpha1.CallerMatch{Tenants: []v1alpha1.GUID{controllertest.TenantID}}}}
		}, []string{media}},
		"a recording has to be announced": {func(s *v1alpha1.CallingBotSpec) {
			s.Incoming = []v1alpha1.IncomingRule{{Action: v1alpha1.IncomingAnswer, Behavior: &v1alpha1.Behavior{Recording: &v1alpha1.RecordingBehavior{}}}}
		}, []string{media, "RecordingStatus: spec.incoming[0].behavior.recording"}},
		"rules of all kinds, each feature once": {func(s *v1alpha1.CallingBotSpec) {
			s.Incoming = []v1alpha1.IncomingRule{
				{Action: v1alpha1.IncomingReject, From: &v1alpha1.CallerMatch{Users: []v1alpha1.GUID{"u"}}},
				{Action: v1alpha1.IncomingRedirect, Redirect: &v1alpha1.RedirectTo{}},
				{Action: v1alpha1.IncomingRedirect, Redirect: &v1alpha1.RedirectTo{}, From: &v1alpha1.CallerMatch{Kinds: []v1alpha1.CallerKind{v1alpha1.CallerPhone}}},
				{Action: v1alpha1.IncomingAnswer, PolicyRecording: ptr.To(true), Call: &v1alpha1.IncomingTemplate{RecordingStatus: v1alpha1.Recording}},
				{Action: v1alpha1.IncomingAnswer, PolicyRecording: ptr.To(false)},
			}
		}, []string{
			media, "SeeCallers: spec.incoming[0].from", "Redirect: spec.incoming[1].action: Redirect",
			"PolicyRecording: spec.incoming[3].policyRecording", "RecordingStatus: spec.incoming[3].call.recordingStatus",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bot := controllertest.Bot("voice", "reception").Object()
			tc.change(&bot.Spec)
			var got []string
			for _, n := range needsOfSpec(&bot.Spec) {
				got = append(got, string(n.feature)+": "+n.where)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("needs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNeedsOfSessions(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*v1alpha1.MeetingSession)
		want   []string
	}{
		"a meeting": {func(*v1alpha1.MeetingSession) {}, []string{"reception/JoinMeetings"}},
		"as a guest, with all that goes in a call": {func(s *v1alpha1.MeetingSession) {
			s.Spec.GuestName, s.Spec.ScreenSharing, s.Spec.RecordingStatus = "Reception", v1alpha1.ScreenSharingViewer, v1alpha1.Recording
			s.Spec.Invite = []v1alpha1.Invitee{{}}
		}, []string{"reception/Invite", "reception/ScreenSharing", "reception/RecordingStatus", "reception/JoinAsGuest"}},
		"one that is recorded": {func(s *v1alpha1.MeetingSession) {
			s.Spec.Behavior = &v1alpha1.Behavior{Recording: &v1alpha1.RecordingBehavior{}}
		}, []string{"reception/RecordingStatus", "reception/JoinMeetings"}},
		"one that is looked up": {func(s *v1alpha1.MeetingSession) { s.Spec.Meeting = v1alpha1.Meeting{VideoTeleconferenceID: "1"} }, []string{"reception/JoinMeetings", "reception/LookUpMeetings"}},
		"one that is made":      {func(s *v1alpha1.MeetingSession) { s.Spec.Meeting = v1alpha1.Meeting{Create: &v1alpha1.NewMeeting{}} }, []string{"reception/JoinMeetings", "reception/CreateMeetings"}},
		"one that is over":      {func(s *v1alpha1.MeetingSession) { s.Status.Phase = v1alpha1.PhaseCompleted }, nil},
	} {
		session := controllertest.Session("voice", "standup", "reception").With(tc.change).Object()
		if diff := cmp.Diff(tc.want, sessionNeeds(session)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestNeedsOfCalls(t *testing.T) {
	user, phone := v1alpha1.Identity{User: "u"}, v1alpha1.Identity{Phone: "+12065550100"}
	for name, tc := range map[string]struct {
		call v1alpha1.OneCallSpec
		want []string
	}{
		"to a person":        {v1alpha1.OneCallSpec{To: []v1alpha1.Identity{user}}, []string{"reception/CallUsers"}},
		"to a phone":         {v1alpha1.OneCallSpec{To: []v1alpha1.Identity{phone}}, []string{"reception/CallPhones"}},
		"to several":         {v1alpha1.OneCallSpec{To: []v1alpha1.Identity{user, user}}, []string{"reception/GroupCalls"}},
		"one that came in":   {v1alpha1.OneCallSpec{Incoming: &v1alpha1.IncomingCall{}}, []string{}},
		"one that brings in": {v1alpha1.OneCallSpec{To: []v1alpha1.Identity{user}, CallSpec: v1alpha1.CallSpec{Invite: []v1alpha1.Invitee{{}}}}, []string{"reception/Invite", "reception/CallUsers"}},
	} {
		call := &v1alpha1.Call{Spec: tc.call}
		call.Spec.BotRef.Name = "reception"
		if diff := cmp.Diff(tc.want, outgoingNeeds(call)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
