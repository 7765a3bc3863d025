// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// meetingKey is the same for two sessions of a bot in one meeting. It is a hash, because links and numbers let people
// in, and keys get into logs and dumps.
//
// A thread, a number, a VTC id and a join token are names of one meeting which only the service can match; such a pair is
// not recognised.
func meetingKey(namespace, bot string, m v1alpha1.Meeting) string {
	name := meetingName(m)
	if name == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(namespace + "\n" + bot + "\n" + name))
	return hex.EncodeToString(sum[:16])
}

func meetingName(m v1alpha1.Meeting) string {
	switch {
	case m.JoinMeetingID != nil:
		return numberName(m.JoinMeetingID.ID)
	case m.Coordinates != nil:
		return threadName(m.Coordinates.ThreadID, m.Coordinates.MessageID)
	case m.VideoTeleconferenceID != "":
		return "vtc " + m.VideoTeleconferenceID
	case m.Token != nil:
		return "token " + m.Token.Name + " " + m.Token.Key
	case m.JoinURL != "":
		return linkName(string(m.JoinURL))
	default:
		return "" // a meeting that is made for the session is nobody else's
	}
}

func threadName(thread, message string) string {
	if message == "" {
		message = "0"
	}
	return "thread " + thread + " " + message
}

func numberName(id string) string { return "number " + strings.ReplaceAll(id, " ", "") }

// linkName reduces a join link to what names the meeting: in the long form the thread and the message (a channel's
// thread has many meetings), in the short form the meeting's number. Context, passcode and tracking parameters, and
// how things are escaped, do not matter. A link of any other form stands for itself.
func linkName(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return "link " + link
	}
	parts := strings.Split(strings.Trim(u.Path, "/"), "/") // u.Path is unescaped
	for i, part := range parts {
		rest := parts[i+1:]
		switch {
		case part == "meetup-join" && len(rest) > 0:
			message := ""
			if len(rest) > 1 {
				message = rest[1]
			}
			return threadName(unescaped(rest[0]), message)
		case part == "meet" && len(rest) > 0 && isNumber(rest[0]):
			return numberName(rest[0])
		}
	}
	return "link " + strings.ToLower(u.Host) + u.EscapedPath() + "?" + u.RawQuery
}

// unescaped undoes a second layer of escaping: mail gateways that rewrite links escape what was escaped already.
func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
