// SPDX-License-Identifier: Apache-2.0

package onlinemeetings

import (
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

type document = map[string]any

// id is a meeting's id here. Like a real one it is base64 of its organizer and thread.
func id(m *meeting.Meeting) string {
	return base64.StdEncoding.EncodeToString([]byte("1*" + m.OrganizerID + "*0**" + m.ThreadID))
}

// get serves GET …/onlineMeetings/{id}.
func (s *Service) get(r *request, wanted string) (int, any, *refusal) {
	for _, m := range s.Meetings.All() {
		if id(m) == wanted && s.visible(r, m) {
			return http.StatusOK, s.document(m), nil
		}
	}
	return 0, nil, notFound()
}

// find serves GET …/onlineMeetings?$filter=….
func (s *Service) find(r *request) (int, any, *refusal) {
	property, value, refused := r.filter()
	if refused != nil {
		return 0, nil, refused
	}
	switch strings.ToLower(property) {
	case "joinweburl":
		return http.StatusOK, s.collection(r, func(m *meeting.Meeting) bool { return m.JoinURL == value }), nil
	case "joinmeetingidsettings/joinmeetingid":
		return http.StatusOK, s.collection(r, func(m *meeting.Meeting) bool { return m.JoinMeetingID == value }), nil
	case "videoteleconferenceid":
		return 0, nil, badRequest("a filter on VideoTeleconferenceId belongs to /communications/onlineMeetings")
	}
	return 0, nil, badRequest("onlineMeetings cannot be filtered by %s; the filters are JoinWebUrl and joinMeetingIdSettings/joinMeetingId", property)
}

// filter reads $filter, which is one comparison: {property} eq '{value}'. Without one there is no listing.
func (r *request) filter() (property, value string, refused *refusal) {
	filter := r.URL.Query().Get("$filter")
	if filter == "" {
		return "", "", badRequest("meetings cannot be listed; give a $filter")
	}
	property, rest, ok := strings.Cut(filter, " ")
	operator, literal, ok2 := strings.Cut(strings.TrimSpace(rest), " ")
	literal = strings.TrimSpace(literal)
	if !ok || !ok2 || operator != "eq" || len(literal) < 2 || literal[0] != '\'' || literal[len(literal)-1] != '\'' {
		return "", "", badRequest("Invalid filter clause: want {property} eq '{value}'")
	}
	value = literal[1 : len(literal)-1]
	if strings.Contains(strings.ReplaceAll(value, "''", ""), "'") {
		return "", "", badRequest("Invalid filter clause: a quote within the value must be doubled")
	}
	return property, strings.ReplaceAll(value, "''", "'"), nil
}

// visible: a user sees their own meetings, and those of their tenant they know the link of.
func (s *Service) visible(r *request, m *meeting.Meeting) bool {
	return strings.EqualFold(m.TenantID, r.claims.TenantID)
}

func (s *Service) collection(r *request, match func(*meeting.Meeting) bool) document {
	docs := []document{}
	for _, m := range s.Meetings.All() {
		if match(m) && s.visible(r, m) {
			docs = append(docs, s.document(m))
		}
	}
	return document{"@odata.context": s.BaseURL + "/v1.0/$metadata#onlineMeetings", "value": docs}
}

func (s *Service) document(m *meeting.Meeting) document {
	s.mu.Lock()
	when, timed := s.times[m.ID]
	s.mu.Unlock()
	if !timed {
		when = span{m.Created, m.Created.Add(time.Hour)}
	}
	scope := "everyone"
	if m.Lobby() {
		scope = "organizer"
	}
	return document{
		"@odata.type":      "#microsoft.graph.onlineMeeting",
		"id":               id(m),
		"creationDateTime": stamp(m.Created),
		"startDateTime":    stamp(when.start),
		"endDateTime":      stamp(when.end),
		"subject":          m.Subject,
		"joinWebUrl":       m.JoinURL,
		"joinUrl":          m.JoinURL,
		"chatInfo":         document{"threadId": m.ThreadID, "messageId": m.MessageID, "replyChainMessageId": nil},
		"participants": document{
			"organizer": document{"upn": nil, "role": "presenter", "identity": document{"user": document{
				"id": m.OrganizerID, "tenantId": m.TenantID, "displayName": nil, "identityProvider": "AAD",
			}}},
			"attendees": []any{},
		},
		"joinMeetingIdSettings": document{"joinMeetingId": m.JoinMeetingID, "passcode": m.Passcode, "isPasscodeRequired": m.Passcode != ""},
		"lobbyBypassSettings":   document{"scope": scope, "isDialInBypassEnabled": false},
		"videoTeleconferenceId": m.VTCID,
		"isEntryExitAnnounced":  false,
		"allowedPresenters":     "everyone",
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }
