// SPDX-License-Identifier: Apache-2.0

package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/meeting"
)

type wavFile []byte

func (c Config) createMeeting(r *http.Request) (any, error) {
	in, err := read[admin.NewMeeting](r)
	if err != nil {
		return nil, err
	}
	m, err := c.Meetings.Create(meeting.Options{
		Subject: in.Subject, TenantID: in.TenantID, OrganizerID: in.OrganizerID, Lobby: in.Lobby, Channel: in.Channel,
		GuestsBypassLobby: in.GuestsBypassLobby, LobbyTimeout: time.Duration(in.LobbyTimeoutSeconds) * time.Second,
	})
	if err != nil {
		return nil, err
	}
	c.Directory.AddTenant(m.TenantID)
	for _, name := range in.People {
		if _, err := m.AddPerson(name); err != nil {
			return nil, err
		}
	}
	return wireMeeting(m), nil
}

func (c Config) deleteMeeting(r *http.Request) (any, error) {
	if !c.Meetings.Delete(r.PathValue("meeting")) {
		return nil, errNotFound
	}
	return nil, nil
}

func setLobby(r *http.Request, m *meeting.Meeting) (any, error) {
	on, err := read[bool](r)
	if err != nil {
		return nil, err
	}
	m.SetLobby(on)
	return nil, nil
}

func moderate(r *http.Request, m *meeting.Meeting) (any, error) {
	id := r.PathValue("participant")
	switch verb := r.PathValue("verb"); verb {
	case "admit":
		return nil, m.Admit(id)
	case "deny":
		return nil, m.Deny(id)
	case "remove":
		return nil, m.Remove(id)
	case "mute", "unmute":
		return nil, m.Mute(id, verb == "mute")
	case "share", "unshare":
		return nil, m.ShareScreen(id, verb == "share")
	default:
		return nil, fmt.Errorf("%q is not admit, deny, remove, mute, unmute, share or unshare: %w", verb, errNotFound)
	}
}

func addPerson(r *http.Request, m *meeting.Meeting) (any, error) {
	in, err := read[admin.Person](r)
	if err != nil {
		return nil, err
	}
	p, err := m.AddPerson(in.DisplayName)
	if err != nil {
		return nil, err
	}
	return admin.Person{ID: p.ID, MeetingID: m.ID, UserID: p.UserID, DisplayName: p.DisplayName}, nil
}

func speak(r *http.Request, p *meeting.Person) (any, error) {
	clip, err := wav.Decode(r.Body, maxBody)
	if err != nil {
		return nil, fmt.Errorf("cannot read the WAV file: %w", err)
	}
	q := r.URL.Query()
	delay := 0
	if s := q.Get("delayMs"); s != "" {
		if delay, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("delayMs: %w", err)
		}
	}
	u, err := p.Speak(clip, time.Duration(delay)*time.Millisecond, q.Get("loop") == "true")
	if err != nil {
		return nil, err
	}
	if q.Get("wait") != "true" {
		return admin.Utterance{ID: u.ID}, nil
	}
	select {
	case <-u.Done():
		return admin.Utterance{ID: u.ID, Done: true}, nil
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
}

func heard(_ *http.Request, p *meeting.Person) (any, error) {
	var b bytes.Buffer
	if err := wav.Encode(&b, p.Heard()); err != nil {
		return nil, err
	}
	return wavFile(b.Bytes()), nil
}

func (c Config) meetings() []admin.Meeting {
	out := []admin.Meeting{}
	for _, m := range c.Meetings.All() {
		out = append(out, wireMeeting(m))
	}
	return out
}

func wireMeeting(m *meeting.Meeting) admin.Meeting {
	out := admin.Meeting{
		ID: m.ID, Subject: m.Subject, TenantID: m.TenantID, OrganizerID: m.OrganizerID, ThreadID: m.ThreadID, MessageID: m.MessageID,
		JoinURL: m.JoinURL, ShortJoinURL: m.ShortJoinURL, JoinMeetingID: m.JoinMeetingID, Passcode: m.Passcode, VTCID: m.VTCID,
		Lobby: m.Lobby(), Created: m.Created, Participants: []admin.Participant{},
	}
	for _, p := range m.Participants() {
		one := admin.Participant{
			ID: p.ID, Kind: string(p.Kind), IdentityID: p.IdentityID, DisplayName: p.DisplayName, CallID: p.CallID, InLobby: p.InLobby, Muted: p.Muted,
		}
		if person, ok := m.Person(p.ID); ok {
			one.Speaking = person.Speaking()
		}
		out.Participants = append(out.Participants, one)
	}
	return out
}
