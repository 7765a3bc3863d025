// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
)

const (
	maxJoinURLBytes = 8192
	maxContextBytes = 2048
	maxUnwraps      = 4 // mail protection around a launcher around a link, and one to spare
)

// ParseJoinURL reads a Teams join link:
//
//	https://teams.microsoft.com/l/meetup-join/{thread}/{message}?context={"Tid":…,"Oid":…}
//	https://teams.microsoft.com/meet/{meetingID}?p={passcode}
//
// as a whole or in parts percent-encoded once or twice, in Teams' own launcher page, and inside the safe link a mail server
// makes of it. No error contains the link or a part of it, since whoever holds it can join.
func ParseJoinURL(raw string) (Meeting, error) {
	if len(raw) > maxJoinURLBytes {
		return Meeting{}, joinError("it is longer than any join link")
	}
	link := strings.Trim(raw, " \t\r\n<>\"'")
	if link == "" {
		return Meeting{}, joinError("it is empty")
	}
	for range maxUnwraps {
		u, err := parseEncodedURL(link)
		if err != nil {
			return Meeting{}, err
		}
		inner, err := unwrapLink(u)
		if err != nil {
			return Meeting{}, err
		}
		if inner == "" {
			return parseTeamsLink(u)
		}
		link = inner
	}
	return Meeting{}, joinError("it is wrapped in too many redirecting links; give the link of the invitation itself")
}

func joinError(why string) error { return errors.New("join link: " + why) }

// parseEncodedURL undoes encoding of the whole link ("https%3A%2F%2Fteams…"), which happens when links travel in other links.
func parseEncodedURL(link string) (*url.URL, error) {
	for range 2 {
		if strings.Contains(link, "://") || !strings.Contains(link, "%") {
			break
		}
		decoded, err := url.PathUnescape(link)
		if err != nil {
			return nil, joinError("it is percent-encoded wrongly")
		}
		link = decoded
	}
	u, err := url.Parse(link)
	switch {
	case err != nil: // url.Error holds the link
		return nil, joinError("it is not a URL")
	case u.Scheme == "" || u.Host == "":
		return nil, joinError("it is not a full URL; it begins with https://teams.microsoft.com/")
	case !strings.EqualFold(u.Scheme, "https") && !strings.EqualFold(u.Scheme, "http"):
		return nil, joinError("it is not an https URL")
	}
	return u, nil
}

// unwrapLink returns the link inside one that only leads to it, or "" for a link that stands for itself.
func unwrapLink(u *url.URL) (string, error) {
	host := strings.ToLower(u.Hostname())
	switch {
	case strings.HasSuffix(host, ".safelinks.protection.outlook.com"),
		strings.HasSuffix(host, ".safelinks.protection.office365.us"):
		inner := u.Query().Get("url")
		if inner == "" {
			return "", joinError("it is a safe link without the original link in it")
		}
		return inner, nil
	case isTeamsHost(host) && strings.HasPrefix(strings.ToLower(u.Path), "/dl/launcher/"):
		inner, err := u.Parse(u.Query().Get("url")) // "/_#/l/meetup-join/…", or the same with "?" for "#"
		if err != nil || inner.String() == u.String() {
			return "", joinError("it leads to Teams' launcher page, and no meeting is named in it")
		}
		return inner.String(), nil
	case isTeamsHost(host) && strings.HasPrefix(u.Fragment, "/"): // the web client's "https://teams.microsoft.com/_#/l/meetup-join/…"
		return u.Scheme + "://" + u.Host + u.EscapedFragment(), nil
	}
	return "", nil
}

func isTeamsHost(host string) bool {
	switch host {
	case "teams.microsoft.com", "teams.cloud.microsoft", "gov.teams.microsoft.us", "dod.teams.microsoft.us":
		return true
	}
	return false
}

func parseTeamsLink(u *url.URL) (Meeting, error) {
	switch host := strings.ToLower(u.Hostname()); {
	case host == "teams.live.com":
		return Meeting{}, joinError("it is a meeting of Teams for personal use (teams.live.com), which bots cannot join")
	case host == "events.teams.microsoft.com":
		return Meeting{}, joinError("it is an event registration page; give the join link that registering yields")
	case strings.HasSuffix(host, ".cn"):
		return Meeting{}, joinError("it is of the cloud in China, where the calls API does not exist")
	case !isTeamsHost(host):
		return Meeting{}, joinError("its host is not one of Teams (teams.microsoft.com, gov.teams.microsoft.us, dod.teams.microsoft.us)")
	}
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	if segments[0] == "_" || strings.EqualFold(segments[0], "v2") { // addresses of the web client
		segments = segments[1:]
	}
	for i, s := range segments {
		decoded, err := unescapeTwice(s)
		if err != nil {
			return Meeting{}, joinError("its path is percent-encoded wrongly")
		}
		segments[i] = decoded
	}
	switch {
	case len(segments) >= 1 && strings.EqualFold(segments[0], "meet"):
		return parseShortLink(segments[1:], u)
	case len(segments) >= 2 && strings.EqualFold(segments[0], "l") && strings.EqualFold(segments[1], "meetup-join"):
		return parseLongLink(segments[2:], u)
	}
	return Meeting{}, joinError("it is a link to something in Teams that is not a meeting; it should go on with /l/meetup-join/ or /meet/")
}

func parseShortLink(segments []string, u *url.URL) (Meeting, error) {
	if len(segments) == 0 || segments[0] == "" {
		return Meeting{}, joinError("the meeting ID after /meet/ is missing")
	}
	id, err := NormalizeJoinMeetingID(segments[0])
	if err != nil {
		return Meeting{}, joinError("what follows /meet/ is not a meeting ID")
	}
	passcode := u.Query().Get("p")
	if len(passcode) > 128 {
		return Meeting{}, joinError("its passcode is too long")
	}
	return Meeting{JoinMeetingID: id, Passcode: passcode}, nil
}

func parseLongLink(segments []string, u *url.URL) (Meeting, error) {
	if len(segments) == 0 || segments[0] == "" {
		return Meeting{}, joinError("the thread ID after /meetup-join/ is missing")
	}
	m := Meeting{ThreadID: segments[0], MessageID: "0"} // scheduled meetings have message 0, and some links leave it out
	if len(m.ThreadID) > 512 {
		return Meeting{}, joinError("its thread ID is too long")
	}
	if len(segments) > 1 && segments[1] != "" {
		m.MessageID = segments[1]
	}
	if !isDigits(m.MessageID) || len(m.MessageID) > 32 {
		return Meeting{}, joinError("the message ID after the thread ID is not a number")
	}
	if err := m.readContext(u.Query().Get("context")); err != nil {
		return Meeting{}, err
	}
	if err := m.Validate(); err != nil {
		return Meeting{}, joinError(strings.TrimPrefix(err.Error(), "meeting: "))
	}
	return m, nil
}

// readContext takes organizer and tenant from the link's context, a JSON object.
func (m *Meeting) readContext(text string) error {
	if text == "" {
		return joinError("it has no context parameter, so organizer and tenant are unknown; copy the whole link, mail programs like to cut it")
	}
	text, err := unescapeTwice(text)
	if err != nil || len(text) > maxContextBytes || !isObject([]byte(text)) {
		return joinError("its context parameter is not the JSON it should be; copy the whole link")
	}
	var context struct {
		Tid, Oid  string
		MessageID json.RawMessage `json:"MessageId"` // a string, mostly
	}
	if decode([]byte(text), &context) != nil {
		return joinError("its context parameter is cut off or not JSON; copy the whole link")
	}
	if reply := strings.Trim(string(context.MessageID), `"`); isDigits(reply) && len(reply) <= 32 {
		m.ReplyChainMessageID = reply
	}
	m.TenantID, m.OrganizerID = context.Tid, context.Oid
	return nil
}

// unescapeTwice decodes a part that may still be encoded once or twice. Neither a thread ID nor JSON has a percent sign of its own.
func unescapeTwice(s string) (string, error) {
	for range 2 {
		if !strings.Contains(s, "%") {
			break
		}
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return "", errors.New("wrong percent-encoding")
		}
		s = decoded
	}
	return s, nil
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
