// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The shape is that of Graph's page "onlineMeeting resource type".
const documentedMeeting = `{"@odata.context":"…","id":"MSpkYzE3Njc0Yy04MWQ5","creationDateTime":"2020-01-15T22:33:48.7461257Z","subject":"Test",
	"startDateTime":"2020-01-15T22:30:48Z","endDateTime":"2020-01-15T23:00:48Z","videoTeleconferenceId":"123456789","externalId":"e1",
	"joinWebUrl":"https://teams.microsoft.com/l/meetup-join/19%3ameeting_abc%40thread.v2/0?context=%7b%22Tid%22%3a%22909c6581-5130-43e9-88f3-fcb3582cde37%22%2c%22Oid%22%3a%22dc17674c-81d9-4adb-bfb2-8f6a442e4622%22%7d",
	"participants":{"attendees":[],"organizer":{"role":"presenter","upn":"o@contoso.com","identity":{"user":{"id":"dc17674c-81d9-4adb-bfb2-8f6a442e4622","tenantId":"909c6581-5130-43e9-88f3-fcb3582cde37"}}}},
	"chatInfo":{"threadId":"19:meeting_abc@thread.v2","messageId":"0","replyChainMessageId":null},
	"joinMeetingIdSettings":{"isPasscodeRequired":true,"joinMeetingId":"1234567890","passcode":"p4sscode"},"lobbyBypassSettings":{"scope":"everyone","isDialInBypassEnabled":true}}`

func TestOnlineMeetingIsReadAndJoined(t *testing.T) {
	byCoordinates := Meeting{
		ThreadID: "19:meeting_abc@thread.v2", MessageID: "0",
		OrganizerID: "dc17674c-81d9-4adb-bfb2-8f6a442e4622", TenantID: "909c6581-5130-43e9-88f3-fcb3582cde37",
	}
	for name, c := range map[string]struct {
		without func(*OnlineMeeting)
		want    Meeting
		fails   bool
	}{
		"as documented":                  {func(*OnlineMeeting) {}, byCoordinates, false},
		"without a message":              {func(m *OnlineMeeting) { m.ChatInfo.MessageID = "" }, byCoordinates, false},
		"without a chat":                 {func(m *OnlineMeeting) { m.ChatInfo = nil }, byCoordinates, false},
		"without the organizer's tenant": {func(m *OnlineMeeting) { m.Participants.Organizer.Identity.User.TenantID = "" }, byCoordinates, false},
		"without a chat and a link":      {func(m *OnlineMeeting) { m.ChatInfo, m.JoinWebURL = nil, "" }, Meeting{JoinMeetingID: "1234567890", Passcode: "p4sscode"}, false},
		"without anything to join it by": {func(m *OnlineMeeting) { *m = OnlineMeeting{ID: "x"} }, Meeting{}, true},
		"with a link nobody can read":    {func(m *OnlineMeeting) { m.ChatInfo, m.JoinWebURL = nil, "https://x" }, Meeting{JoinMeetingID: "1234567890", Passcode: "p4sscode"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeGraph(t, answer(200, documentedMeeting))
			m, err := f.client(t).GetOnlineMeeting(t.Context(), "u", "m")
			if err != nil {
				t.Fatal(err)
			}
			c.without(m)
			got, err := m.Meeting()
			if (err != nil) != c.fails {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(c.want), dump(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOnlineMeetingPrintsNoSecrets(t *testing.T) {
	var m OnlineMeeting
	if err := decode([]byte(documentedMeeting), &m); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), fmt.Sprint(m.MarshalLog())} {
		if strings.Contains(text, "p4sscode") || strings.Contains(text, "meetup-join") {
			t.Errorf("printed as %s", text)
		}
	}
}

func TestAMeetingThatIsNotThere(t *testing.T) {
	f := newFakeGraph(t, answer(200, `{"value":[]}`), answer(404, `{"error":{"code":"NotFound","message":"3004: https://teams.microsoft.com/l/meetup-join/secret1"}}`),
		answer(403, `{"error":{"code":"Forbidden","message":"No application access policy found for this app"}}`))
	c := f.client(t, func(o *ClientOptions) { o.Credential = staticToken(jwtWith(`{"roles":["OnlineMeetings.Read.All"]}`)) })
	find := func() error {
		_, err := c.FindOnlineMeetingByJoinURL(t.Context(), "u", "https://teams.microsoft.com/l/meetup-join/secret1")
		return err
	}
	if err := find(); !errors.Is(err, ErrNoSuchMeeting) || ExplainError(err).Reason != ReasonMeetingNotFound {
		t.Errorf("none found: %v", err)
	}
	if err := find(); ExplainError(err).Reason != ReasonMeetingNotFound || strings.Contains(ExplainError(err).Message(), "secret1") {
		t.Errorf("404: %v", err)
	}
	if e := ExplainError(find()); e.Reason != ReasonAccessPolicyMissing || !strings.Contains(e.Remedy, "ApplicationAccessPolicy") {
		t.Errorf("403: %+v", e)
	}
}
