// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

// looked is a meeting, its organizer's policy allowing the bot to look it up.
func (s *service) looked() admin.Meeting {
	s.Helper()
	s.must(s.admin.PutPolicies(s.Context(), tenantID, admin.Policies{Access: []admin.AccessPolicy{{AppID: appID}}}))
	m, _ := s.meeting()
	return m
}

// isMeeting checks that what was found is the meeting, and can be joined.
func (s *service) isMeeting(found *graph.OnlineMeeting, m admin.Meeting) {
	s.Helper()
	how, err := found.Meeting()
	s.must(err)
	if found.ID == "" || how.ThreadID != m.ThreadID || how.OrganizerID != m.OrganizerID || how.TenantID != tenantID {
		s.Errorf("found %v, which is not %s", found, m.Subject)
	}
	call, err := s.graph.CreateCall(s.Context(), scenario, s.request(how.Apply))
	s.must(err)
	s.bot.waitState(call.ID, graph.StateEstablished)
}

func TestGetOnlineMeeting(t *testing.T) {
	s := start(t)
	m := s.looked()
	found, err := s.graph.FindOnlineMeetingByJoinURL(t.Context(), m.OrganizerID, m.JoinURL)
	s.must(err)
	read, err := s.graph.GetOnlineMeeting(t.Context(), m.OrganizerID, found.ID)
	s.must(err)
	s.isMeeting(read, m)
	_, err = s.graph.GetOnlineMeeting(t.Context(), m.OrganizerID, "bm8=")
	refused(t, err, http.StatusNotFound, graph.ReasonMeetingNotFound)
}

func TestFindOnlineMeetingByJoinURL(t *testing.T) {
	s := start(t)
	m := s.looked()
	found, err := s.graph.FindOnlineMeetingByJoinURL(t.Context(), m.OrganizerID, m.JoinURL)
	s.must(err)
	s.isMeeting(found, m)
	if _, err := s.graph.FindOnlineMeetingByJoinURL(t.Context(), m.OrganizerID, m.JoinURL+"x"); !errors.Is(err, graph.ErrNoSuchMeeting) {
		t.Errorf("another link: %v", err)
	}
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{}))
	_, err = s.graph.FindOnlineMeetingByJoinURL(t.Context(), m.OrganizerID, m.JoinURL)
	refused(t, err, http.StatusForbidden, graph.ReasonAccessPolicyMissing)
}

func TestFindOnlineMeetingByJoinMeetingID(t *testing.T) {
	s := start(t)
	m := s.looked()
	found, err := s.graph.FindOnlineMeetingByJoinMeetingID(t.Context(), m.OrganizerID, m.JoinMeetingID)
	s.must(err)
	s.isMeeting(found, m)
	if got := found.JoinMeetingIDSettings; got == nil || got.Passcode != m.Passcode || !got.IsPasscodeRequired {
		t.Errorf("settings %+v", got)
	}
}

func TestFindOnlineMeetingByVTCID(t *testing.T) {
	s := start(t)
	m := s.looked()
	byURL, err := s.graph.FindOnlineMeetingByJoinURL(t.Context(), m.OrganizerID, m.JoinURL)
	s.must(err)
	if byURL.VideoTeleconferenceID == "" {
		t.Fatal("the meeting has no VTC id")
	}
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{})) // it takes none
	found, err := s.graph.FindOnlineMeetingByVTCID(t.Context(), byURL.VideoTeleconferenceID)
	s.must(err)
	s.isMeeting(found, m)
}

func TestCreateOnlineMeeting(t *testing.T) {
	s := start(t)
	organizer := s.looked().OrganizerID
	begin := time.Now().Add(time.Hour)
	made, err := s.graph.CreateOnlineMeeting(t.Context(), organizer, graph.NewMeeting{Subject: "Planning", Start: begin, End: begin.Add(time.Hour)})
	s.must(err)
	if made.Subject != "Planning" || made.JoinWebURL == "" {
		t.Errorf("made %v", made)
	}
	how, err := made.Meeting()
	s.must(err)
	call, err := s.graph.CreateCall(t.Context(), scenario, s.request(how.Apply))
	s.must(err)
	s.bot.waitState(call.ID, graph.StateEstablished)
}

func TestCreateOrGetOnlineMeeting(t *testing.T) {
	s := start(t)
	organizer := s.looked().OrganizerID
	made, err := s.graph.CreateOrGetOnlineMeeting(t.Context(), organizer, "session-1", "Planning")
	s.must(err)
	again, err := s.graph.CreateOrGetOnlineMeeting(t.Context(), organizer, "session-1", "Planning")
	s.must(err)
	other, err := s.graph.CreateOrGetOnlineMeeting(t.Context(), organizer, "session-2", "Planning")
	s.must(err)
	if made.ID == "" || made.ID != again.ID || made.ID == other.ID {
		t.Errorf("%v, again %v, another %v", made, again, other)
	}
}
