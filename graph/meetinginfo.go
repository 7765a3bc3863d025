// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
)

// ChatInfo is the chat thread of a meeting.
type ChatInfo struct {
	ThreadID            string `json:"threadId,omitempty"`
	MessageID           string `json:"messageId,omitempty"`
	ReplyChainMessageID string `json:"replyChainMessageId,omitempty"`
}

func (c ChatInfo) MarshalJSON() ([]byte, error) {
	type plain ChatInfo
	return encode("chatInfo", plain(c))
}

// MeetingInfo says which meeting a call belongs to, in exactly one of three ways: by its organizer (beside a ChatInfo), by a
// token from a notification, or by the meeting ID people type.
type MeetingInfo struct {
	Organizer                    *IdentitySet
	AllowConversationWithoutHost bool // with Organizer

	Token string

	JoinMeetingID string
	Passcode      string // with JoinMeetingID; empty: the meeting has none
}

type meetingInfoWire struct {
	Type                         string       `json:"@odata.type"`
	Organizer                    *IdentitySet `json:"organizer"`
	AllowConversationWithoutHost bool         `json:"allowConversationWithoutHost"`
	Token                        string       `json:"token"`
	JoinMeetingID                string       `json:"joinMeetingId"`
	Passcode                     string       `json:"passcode"`
}

func (m MeetingInfo) MarshalJSON() ([]byte, error) {
	switch {
	case m.Organizer != nil && m.Token == "" && m.JoinMeetingID == "":
		return encode("organizerMeetingInfo", struct {
			Organizer                    *IdentitySet `json:"organizer"`
			AllowConversationWithoutHost bool         `json:"allowConversationWithoutHost,omitempty"`
		}{m.Organizer, m.AllowConversationWithoutHost})
	case m.Token != "" && m.Organizer == nil && m.JoinMeetingID == "":
		return encode("tokenMeetingInfo", struct {
			Token string `json:"token"`
		}{m.Token})
	case m.JoinMeetingID != "" && m.Organizer == nil && m.Token == "":
		// Graph's example for a meeting without a passcode sends null, not an empty string.
		var passcode *string
		if m.Passcode != "" {
			passcode = &m.Passcode
		}
		return encode("joinMeetingIdMeetingInfo", struct {
			JoinMeetingID string  `json:"joinMeetingId"`
			Passcode      *string `json:"passcode"`
		}{m.JoinMeetingID, passcode})
	}
	return nil, errors.New("meetingInfo: set exactly one of organizer, token and joinMeetingId")
}

func (m *MeetingInfo) UnmarshalJSON(data []byte) error {
	var wire meetingInfoWire
	err := decode(data, &wire)
	*m = MeetingInfo{
		Organizer: wire.Organizer, AllowConversationWithoutHost: wire.AllowConversationWithoutHost,
		Token: wire.Token, JoinMeetingID: wire.JoinMeetingID, Passcode: wire.Passcode,
	}
	return err
}

// String hides the token and the passcode.
func (m MeetingInfo) String() string {
	switch {
	case m.Token != "":
		return "meeting by token"
	case m.JoinMeetingID != "":
		return "meeting by meeting ID"
	case m.Organizer != nil:
		return "meeting by organizer"
	}
	return "no meeting"
}

var _ json.Unmarshaler = (*MeetingInfo)(nil)
