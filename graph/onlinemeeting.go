// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// OnlineMeeting is a meeting as Graph keeps it. It holds what lets people in, and prints without it.
type OnlineMeeting struct {
	ID                    string                 `json:"id,omitempty"`
	Subject               string                 `json:"subject,omitempty"`
	JoinWebURL            string                 `json:"joinWebUrl,omitempty"`
	VideoTeleconferenceID string                 `json:"videoTeleconferenceId,omitempty"`
	ExternalID            string                 `json:"externalId,omitempty"`
	StartDateTime         string                 `json:"startDateTime,omitempty"`
	EndDateTime           string                 `json:"endDateTime,omitempty"`
	ChatInfo              *ChatInfo              `json:"chatInfo,omitempty"`
	Participants          MeetingParticipants    `json:"participants"`
	JoinMeetingIDSettings *JoinMeetingIDSettings `json:"joinMeetingIdSettings,omitempty"`
	LobbyBypassSettings   *LobbyBypassSettings   `json:"lobbyBypassSettings,omitempty"`
}

// MeetingParticipants are those who belong to a meeting, whether they are in it or not.
type MeetingParticipants struct {
	Organizer MeetingParticipant `json:"organizer"`
}

// MeetingParticipant is one of them.
type MeetingParticipant struct {
	Identity IdentitySet `json:"identity"`
	Role     string      `json:"role,omitempty"`
}

// JoinMeetingIDSettings are the number and the passcode people type to join.
type JoinMeetingIDSettings struct {
	JoinMeetingID      string `json:"joinMeetingId,omitempty"`
	Passcode           string `json:"passcode,omitempty"`
	IsPasscodeRequired bool   `json:"isPasscodeRequired"`
}

// LobbyBypassSettings is who need not wait in the lobby.
type LobbyBypassSettings struct {
	Scope                 string `json:"scope,omitempty"`
	IsDialInBypassEnabled bool   `json:"isDialInBypassEnabled"`
}

// String names the meeting without what lets people in.
func (m OnlineMeeting) String() string { return "online meeting " + m.ID }

// GoString keeps %#v from printing what String hides.
func (m OnlineMeeting) GoString() string { return m.String() }

// MarshalLog keeps it out of structured logs.
func (m OnlineMeeting) MarshalLog() any { return m.String() }

// Meeting is how a bot joins it: by coordinates where they are known, else by join link or meeting ID.
func (m *OnlineMeeting) Meeting() (Meeting, error) {
	if m.ChatInfo != nil && m.Participants.Organizer.Identity.User != nil {
		organizer := m.Participants.Organizer.Identity.User
		byCoordinates := Meeting{
			ThreadID: m.ChatInfo.ThreadID, MessageID: m.ChatInfo.MessageID, ReplyChainMessageID: m.ChatInfo.ReplyChainMessageID,
			OrganizerID: organizer.ID, TenantID: organizer.TenantID,
		}
		if byCoordinates.MessageID == "" {
			byCoordinates.MessageID = "0"
		}
		if byCoordinates.Validate() == nil {
			return byCoordinates, nil
		}
	}
	if m.JoinWebURL != "" {
		if byLink, err := ParseJoinURL(m.JoinWebURL); err == nil {
			return byLink, nil
		}
	}
	if s := m.JoinMeetingIDSettings; s != nil && s.JoinMeetingID != "" {
		id, err := NormalizeJoinMeetingID(s.JoinMeetingID)
		return Meeting{JoinMeetingID: id, Passcode: s.Passcode}, err
	}
	return Meeting{}, errors.New("online meeting: it names neither chat and organizer nor a join link nor a meeting ID")
}

// ErrNoSuchMeeting is what looking a meeting up answers when Graph has none that fits.
var ErrNoSuchMeeting = errors.New("no such meeting")

// GetOnlineMeeting reads a meeting of a user by its id. Reading the meetings of a user takes, besides a role, an application access
// policy for that user (New-CsApplicationAccessPolicy), which takes up to half an hour to have effect.
func (c *Client) GetOnlineMeeting(ctx context.Context, userID, meetingID string) (*OnlineMeeting, error) {
	op, err := opGetMeeting.at(userID, meetingID)
	if err != nil {
		return nil, err
	}
	return c.meeting(ctx, op, nil)
}

// FindOnlineMeetingByJoinURL finds the meeting of a user that a join link leads to; the link must be exactly Graph's own.
func (c *Client) FindOnlineMeetingByJoinURL(ctx context.Context, userID, joinURL string) (*OnlineMeeting, error) {
	return c.findMeeting(ctx, opMeetingByURL, userID, joinURL)
}

// FindOnlineMeetingByJoinMeetingID finds the meeting of a user by the number people type to join.
func (c *Client) FindOnlineMeetingByJoinMeetingID(ctx context.Context, userID, joinMeetingID string) (*OnlineMeeting, error) {
	digits, err := NormalizeJoinMeetingID(joinMeetingID)
	if err != nil {
		return nil, err
	}
	return c.findMeeting(ctx, opMeetingByID, userID, digits)
}

// FindOnlineMeetingByVTCID finds a meeting by the conference ID of cloud video interop. It takes no access policy, but a
// tenant with that service.
func (c *Client) FindOnlineMeetingByVTCID(ctx context.Context, vtcID string) (*OnlineMeeting, error) {
	return c.findMeeting(ctx, opMeetingByVTC, vtcID)
}

// findMeeting wants exactly one meeting; the last id is what is looked for, and a secret.
func (c *Client) findMeeting(ctx context.Context, spec OperationSpec, ids ...string) (*OnlineMeeting, error) {
	op, err := spec.at(ids...)
	if err != nil {
		return nil, err
	}
	var page struct {
		Value []OnlineMeeting `json:"value"`
	}
	if _, err := c.do(ctx, op, "", nil, &page, ids[len(ids)-1]); err != nil {
		return nil, err
	}
	if len(page.Value) == 0 {
		return nil, fmt.Errorf("%s: %w", spec.Name, ErrNoSuchMeeting)
	}
	return &page.Value[0], nil
}

// NewMeeting is a meeting to be made. Zero times leave them to Graph: now, and an hour later.
type NewMeeting struct {
	Subject    string
	Start, End time.Time
}

type meetingBody struct {
	ExternalID    string `json:"externalId,omitempty"`
	Subject       string `json:"subject,omitempty"`
	StartDateTime string `json:"startDateTime,omitempty"`
	EndDateTime   string `json:"endDateTime,omitempty"`
}

func (m NewMeeting) body(externalID string) meetingBody {
	body := meetingBody{ExternalID: externalID, Subject: m.Subject}
	if !m.Start.IsZero() {
		body.StartDateTime = m.Start.UTC().Format(time.RFC3339)
	}
	if !m.End.IsZero() {
		body.EndDateTime = m.End.UTC().Format(time.RFC3339)
	}
	return body
}

// newMeetingBody is a meeting where the body is one, and not the parameters of an action.
type newMeetingBody meetingBody

func (b newMeetingBody) MarshalJSON() ([]byte, error) { return encode("onlineMeeting", meetingBody(b)) }

// CreateOnlineMeeting makes a meeting that the user organizes. Repeated, it makes another one.
func (c *Client) CreateOnlineMeeting(ctx context.Context, userID string, meeting NewMeeting) (*OnlineMeeting, error) {
	op, err := opCreateMeeting.at(userID)
	if err != nil {
		return nil, err
	}
	return c.meeting(ctx, op, newMeetingBody(meeting.body("")))
}

// CreateOrGetOnlineMeeting makes a meeting that the user organizes, or gives the one made before with the same external id.
func (c *Client) CreateOrGetOnlineMeeting(ctx context.Context, userID, externalID, subject string) (*OnlineMeeting, error) {
	op, err := opCreateOrGetMeeting.at(userID)
	if err != nil {
		return nil, err
	}
	if externalID == "" {
		return nil, errors.New(op.name + ": no external id")
	}
	return c.meeting(ctx, op, NewMeeting{Subject: subject}.body(externalID))
}

func (c *Client) meeting(ctx context.Context, op operation, in any) (*OnlineMeeting, error) {
	meeting := new(OnlineMeeting)
	if _, err := c.do(ctx, op, "", in, meeting); err != nil {
		return nil, err
	}
	return meeting, nil
}
