// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"fmt"
	"strings"
)

// Meeting says which meeting to join: by coordinates (thread, message, organizer, tenant), by meeting ID and passcode, or by a token
// that came with an incoming call. It is a secret, as a join link is, and prints without its contents.
type Meeting struct {
	ThreadID            string
	MessageID           string
	ReplyChainMessageID string // channel meetings
	OrganizerID         string
	TenantID            string // of the organizer; may be empty with JoinMeetingID

	JoinMeetingID string // digits
	Passcode      string

	Token string
}

// String says in which way the meeting is known and nothing else.
func (m Meeting) String() string {
	switch {
	case m.Token != "":
		return "meeting known by token"
	case m.JoinMeetingID != "":
		return "meeting known by meeting ID"
	}
	return "meeting known by coordinates"
}

// GoString keeps %#v from printing what String hides.
func (m Meeting) GoString() string { return m.String() }

// MarshalLog keeps the meeting's coordinates and passcode out of structured logs.
func (m Meeting) MarshalLog() any { return m.String() }

// Validate names the first thing that is missing or cannot be right.
func (m Meeting) Validate() error {
	if m.Token != "" {
		if m.ThreadID != "" || m.JoinMeetingID != "" {
			return errors.New("meeting: give a token, coordinates or a meeting ID, one of them alone")
		}
		return nil
	}
	if m.JoinMeetingID != "" {
		if m.ThreadID != "" {
			return errors.New("meeting: give coordinates or a meeting ID, not both")
		}
		_, err := NormalizeJoinMeetingID(m.JoinMeetingID)
		return err
	}
	switch {
	case m.ThreadID == "":
		return errors.New("meeting: the thread ID is missing")
	case !strings.HasPrefix(m.ThreadID, "19:") || !strings.Contains(m.ThreadID, "@"):
		return errors.New(`meeting: the thread ID does not look like one, it reads "19:meeting_…@thread.v2"`)
	case m.MessageID == "":
		return errors.New(`meeting: the message ID is missing, it is "0" for a scheduled meeting`)
	case !isGUID(m.OrganizerID):
		return missingGUID("organizer's object ID (Oid)", m.OrganizerID)
	case !isGUID(m.TenantID):
		return missingGUID("tenant ID (Tid)", m.TenantID)
	}
	return nil
}

func missingGUID(what, value string) error {
	if value == "" {
		return fmt.Errorf("meeting: the %s is missing", what)
	}
	return fmt.Errorf("meeting: the %s is not a GUID", what)
}

// Apply fills in what tells Graph to join this meeting.
func (m Meeting) Apply(call *Call) {
	if m.TenantID != "" {
		call.TenantID = m.TenantID
	}
	switch {
	case m.Token != "":
		call.ChatInfo = nil
		call.MeetingInfo = &MeetingInfo{Token: m.Token}
		return
	case m.JoinMeetingID != "":
		call.ChatInfo = nil
		call.MeetingInfo = &MeetingInfo{JoinMeetingID: m.JoinMeetingID, Passcode: m.Passcode}
		return
	}
	call.ChatInfo = &ChatInfo{ThreadID: m.ThreadID, MessageID: m.MessageID, ReplyChainMessageID: m.ReplyChainMessageID}
	call.MeetingInfo = &MeetingInfo{
		Organizer:                    &IdentitySet{User: &Identity{ID: m.OrganizerID, TenantID: m.TenantID}},
		AllowConversationWithoutHost: true,
	}
}

// Meeting IDs are shown as groups of three digits. Nine to thirteen digits have been seen; the bounds leave room.
const (
	minMeetingIDDigits = 6
	maxMeetingIDDigits = 20
)

// NormalizeJoinMeetingID turns the "123 456 789 012" of an invitation into the digits Graph wants.
func NormalizeJoinMeetingID(id string) (string, error) {
	if len(id) > 128 {
		return "", errors.New("meeting ID: too long")
	}
	var digits strings.Builder
	for _, r := range id {
		switch {
		case '0' <= r && r <= '9':
			digits.WriteRune(r)
		case strings.ContainsRune(" \t\r\n-\u00a0\u2007\u2009\u202f\u200b\u2010\u2011\u2013", r): // spaces and dashes that mails put between groups
		default:
			return "", errors.New("meeting ID: has characters other than digits; take the number under “Meeting ID” in the invitation")
		}
	}
	switch n := digits.Len(); {
	case n == 0:
		return "", errors.New("meeting ID: is empty")
	case n < minMeetingIDDigits || n > maxMeetingIDDigits:
		return "", fmt.Errorf("meeting ID: has %d digits, between %d and %d are expected", n, minMeetingIDDigits, maxMeetingIDDigits)
	}
	return digits.String(), nil
}

// isGUID accepts the form 8-4-4-4-12 in any casing.
func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := lower(s[i]); i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
	}
	return true
}
