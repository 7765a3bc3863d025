// SPDX-License-Identifier: Apache-2.0

package onlinemeetings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

// wish is the body of a request for a meeting: the members a client may set that matter here.
type wish struct {
	Type                string          `json:"@odata.type"`
	Subject             string          `json:"subject"`
	Start               *time.Time      `json:"startDateTime"`
	End                 *time.Time      `json:"endDateTime"`
	ExternalID          string          `json:"externalId"`
	LobbyBypassSettings *lobbySettings  `json:"lobbyBypassSettings"`
	ChatInfo            json.RawMessage `json:"chatInfo"`
	Participants        json.RawMessage `json:"participants"`

	// These are accepted and change nothing here.
	AllowedPresenters           string `json:"allowedPresenters"`
	IsEntryExitAnnounced        *bool  `json:"isEntryExitAnnounced"`
	AllowMeetingChat            string `json:"allowMeetingChat"`
	RecordAutomatically         *bool  `json:"recordAutomatically"`
	AllowAttendeeToEnableMic    *bool  `json:"allowAttendeeToEnableMic"`
	AllowAttendeeToEnableCamera *bool  `json:"allowAttendeeToEnableCamera"`
}

type lobbySettings struct {
	Type                  string `json:"@odata.type"`
	Scope                 string `json:"scope"`
	IsDialInBypassEnabled *bool  `json:"isDialInBypassEnabled"`
}

var scopes = []string{"organizer", "organization", "organizationAndFederated", "everyone", "invited", "organizationExcludingGuests"}

func (r *request) wish() (wish, *refusal) {
	var in wish
	body := r.body
	if len(body) == 0 {
		body = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return in, badRequest("the body is not an online meeting: %v", err)
	}
	switch {
	case in.Type != "" && in.Type != "#microsoft.graph.onlineMeeting":
		return in, badRequest("the body has the @odata.type %q", in.Type)
	case (in.Start == nil) != (in.End == nil):
		return in, badRequest("startDateTime and endDateTime go together")
	case in.Start != nil && !in.Start.Before(*in.End):
		return in, badRequest("startDateTime must be before endDateTime")
	case in.LobbyBypassSettings != nil && !slices.Contains(scopes, in.LobbyBypassSettings.Scope):
		return in, badRequest("lobbyBypassSettings.scope must be one of %v", scopes)
	}
	return in, nil
}

// create serves POST …/onlineMeetings.
func (s *Service) create(r *request) (int, any, *refusal) {
	in, refused := r.wish()
	if refused != nil {
		return 0, nil, refused
	}
	if in.ExternalID != "" {
		return 0, nil, badRequest("externalId belongs to createOrGet")
	}
	m, refused := s.make(r, in)
	if refused != nil {
		return 0, nil, refused
	}
	return http.StatusCreated, s.document(m), nil
}

// createOrGet serves POST …/onlineMeetings/createOrGet: the same external id of the same user leads to the same meeting.
func (s *Service) createOrGet(r *request) (int, any, *refusal) {
	in, refused := r.wish()
	if refused != nil {
		return 0, nil, refused
	}
	if in.ExternalID == "" {
		return 0, nil, badRequest("externalId is required")
	}
	key := externalKey{strings.ToLower(r.claims.TenantID), strings.ToLower(r.user), in.ExternalID}
	m, made, refused := s.named(r, in, key)
	if refused != nil {
		return 0, nil, refused
	}
	if !made {
		return http.StatusOK, s.document(m), nil
	}
	return http.StatusCreated, s.document(m), nil
}

// named finds the meeting of an external id, or makes it, once.
func (s *Service) named(r *request, in wish, key externalKey) (m *meeting.Meeting, made bool, refused *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if known, ok := s.external[key]; ok {
		if m, ok := s.Meetings.Get(known); ok {
			return m, false, nil
		}
	}
	if m, refused = s.makeLocked(r, in); refused != nil {
		return nil, false, refused
	}
	if s.external == nil {
		s.external = map[externalKey]string{}
	}
	s.external[key] = m.ID
	return m, true, nil
}

func (s *Service) make(r *request, in wish) (*meeting.Meeting, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.makeLocked(r, in)
}

// makeLocked makes a meeting whose organizer is the user; the caller holds the lock.
func (s *Service) makeLocked(r *request, in wish) (*meeting.Meeting, *refusal) {
	lobby := in.LobbyBypassSettings != nil && slices.Contains([]string{"organizer", "invited"}, in.LobbyBypassSettings.Scope)
	everyone := in.LobbyBypassSettings != nil && in.LobbyBypassSettings.Scope == "everyone"
	m, err := s.Meetings.Create(meeting.Options{
		Subject: in.Subject, TenantID: r.claims.TenantID, OrganizerID: r.user, Lobby: lobby, GuestsBypassLobby: everyone,
	})
	if err != nil {
		return nil, badRequest("%v", err)
	}
	if in.Start != nil {
		if s.times == nil {
			s.times = map[string]span{}
		}
		s.times[m.ID] = span{*in.Start, *in.End}
	}
	s.Journal.Add(m.ID, "", "MeetingCreatedByApp", fmt.Sprintf("%s for %s", r.claims.AppID, r.user))
	return m, nil
}
