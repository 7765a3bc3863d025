// SPDX-License-Identifier: Apache-2.0

package teamsim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/teamsim/admin"
)

const stranger = "99999999-0000-4000-8000-000000000002"

func TestMeetingsAreFound(t *testing.T) {
	s := start(t)
	s.register("OnlineMeetings.Read.All")
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{Access: []admin.AccessPolicy{{AppID: appID, Users: []string{ada, stranger}}}}))
	m := s.meeting(func(n *admin.NewMeeting) { n.OrganizerID = ada })
	s.meeting(nil)
	s.must(s.admin.PutUser(t.Context(), admin.User{ID: stranger, TenantID: "99999999-0000-4000-8000-000000000001"}))
	elsewhere := s.meeting(func(n *admin.NewMeeting) { n.TenantID = "99999999-0000-4000-8000-000000000001" })
	mine := "/v1.0/users/" + ada + "/onlineMeetings"
	filter := func(property, value string) string {
		return "?$filter=" + url.QueryEscape(property+" eq '"+strings.ReplaceAll(value, "'", "''")+"'")
	}
	for name, c := range map[string]struct {
		path          string
		status, found int
	}{
		"by join URL":                     {mine + filter("JoinWebUrl", m.JoinURL), 200, 1},
		"by join URL, decoded":            {mine + filter("JoinWebUrl", "https://teams.microsoft.com/l/meetup-join/x'y"), 200, 0},
		"by join URL of another tenant":   {mine + filter("joinWebUrl", elsewhere.JoinURL), 200, 0},
		"by meeting id":                   {mine + filter("joinMeetingIdSettings/joinMeetingId", m.JoinMeetingID), 200, 1},
		"by VTC id":                       {"/v1.0/communications/onlineMeetings/" + filter("VideoTeleconferenceId", m.VTCID), 200, 1},
		"by VTC id of a user":             {mine + filter("VideoTeleconferenceId", m.VTCID), 400, 0},
		"by subject":                      {mine + filter("subject", "Standup"), 400, 0},
		"without a filter":                {mine, 400, 0},
		"a filter that is none":           {mine + "?$filter=x", 400, 0},
		"a quote that is not doubled":     {mine + "?$filter=" + url.QueryEscape("JoinWebUrl eq 'a'b'"), 400, 0},
		"of a user without access policy": {"/v1.0/users/" + grace + "/onlineMeetings" + filter("JoinWebUrl", m.JoinURL), 403, 0},
		"of a user of another tenant":     {"/v1.0/users/" + stranger + "/onlineMeetings" + filter("JoinWebUrl", elsewhere.JoinURL), 404, 0},
		"a user by name":                  {"/v1.0/users/ada@contoso.com/onlineMeetings" + filter("JoinWebUrl", m.JoinURL), 400, 0},
		"by an id of nothing":             {mine + "/x", 404, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.do("GET", c.path, nil)
			list, _ := r.Body["value"].([]any)
			if r.Status != c.status || len(list) != c.found {
				t.Fatalf("%d %v, want %d with %d", r.Status, r.Body, c.status, c.found)
			}
			if c.found == 0 {
				return
			}
			got := list[0].(doc)
			if got["joinWebUrl"] != m.JoinURL || in(got, "chatInfo")["threadId"] != m.ThreadID || in(got, "participants", "organizer", "identity", "user")["id"] != ada ||
				in(got, "joinMeetingIdSettings")["passcode"] != m.Passcode {
				t.Errorf("meeting %v", got)
			}
			if one := s.do("GET", mine+"/"+url.PathEscape(got["id"].(string)), nil); one.Status != 200 || one.Body["joinWebUrl"] != m.JoinURL {
				t.Errorf("by its id: %d %v", one.Status, one.Body)
			}
		})
	}
	if r := s.do("GET", "/v1.0/users/"+grace+"/onlineMeetings"+filter("JoinWebUrl", m.JoinURL), nil); r.errorCode() != "Forbidden" ||
		!strings.Contains(r.errorMessage(), "application access policy") {
		t.Errorf("without a policy: %v", r.Body)
	}
	s.register(allRoles...)
	if r := s.do("GET", mine+filter("JoinWebUrl", m.JoinURL), nil); r.Status != 403 || !strings.Contains(r.errorMessage(), "OnlineMeetings.Read.All") {
		t.Errorf("without permission: %d %v", r.Status, r.Body)
	}
	if r := s.doWith("GET", mine+filter("JoinWebUrl", m.JoinURL), nil, http.Header{}); r.Status != 401 {
		t.Errorf("without a token: %d", r.Status)
	}
}

func TestMeetingsAreCreated(t *testing.T) {
	s := start(t)
	s.register(append([]string{"OnlineMeetings.ReadWrite.All"}, allRoles...)...)
	s.must(s.admin.PutPolicies(t.Context(), tenantID, admin.Policies{Access: []admin.AccessPolicy{{AppID: appID}}}))
	mine := "/v1.0/users/" + ada + "/onlineMeetings"
	times := doc{"subject": "Review", "startDateTime": "2026-01-01T10:00:00Z", "endDateTime": "2026-01-01T11:00:00Z"}
	made := s.do("POST", mine, times)
	if made.Status != http.StatusCreated || made.Body["subject"] != "Review" || !strings.HasPrefix(made.Body["startDateTime"].(string), "2026-01-01T10:00:00") {
		t.Fatalf("create: %d %v", made.Status, made.Body)
	}
	first := s.do("POST", mine+"/createOrGet", doc{"externalId": "one", "subject": "Daily"})
	again := s.do("POST", mine+"/microsoft.graph.createOrGet", doc{"externalId": "one", "subject": "Other"})
	other := s.do("POST", mine+"/createOrGet", doc{"externalId": "two"})
	if first.Status != 201 || again.Status != 200 || other.Status != 201 || first.Body["id"] != again.Body["id"] || first.Body["id"] == other.Body["id"] {
		t.Errorf("createOrGet: %d, %d, %d", first.Status, again.Status, other.Status)
	}
	for name, c := range map[string]struct {
		path string
		body doc
	}{
		"no external id":        {"/createOrGet", doc{"subject": "x"}},
		"an external id":        {"", doc{"externalId": "x"}},
		"an end only":           {"", doc{"endDateTime": "2026-01-01T11:00:00Z"}},
		"the end first":         {"", doc{"startDateTime": "2026-01-01T12:00:00Z", "endDateTime": "2026-01-01T11:00:00Z"}},
		"a member of nothing":   {"", doc{"topic": "x"}},
		"a scope that is none":  {"", doc{"lobbyBypassSettings": doc{"scope": "nobody"}}},
		"another type":          {"", doc{"@odata.type": "#microsoft.graph.event"}},
		"a time that is no one": {"", doc{"startDateTime": "today", "endDateTime": "tomorrow"}},
	} {
		if r := s.do("POST", mine+c.path, c.body); r.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, r.Status, r.Body)
		}
	}
	e := newEar(t, s)
	found := admin.Meeting{
		ThreadID: in(made.Body, "chatInfo")["threadId"].(string), MessageID: in(made.Body, "chatInfo")["messageId"].(string), OrganizerID: ada, TenantID: tenantID,
	}
	e.joined(found)
	s.register("OnlineMeetings.Read.All")
	if r := s.do("POST", mine, times); r.Status != http.StatusForbidden {
		t.Errorf("creating with a permission to read: %d", r.Status)
	}
}
