// SPDX-License-Identifier: Apache-2.0

// Package meeting has the meetings of the local Teams: who is in them, who waits in the lobby, and what
// everybody hears.
package meeting

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

// DefaultLobbyTimeout is how long Teams lets somebody wait in the lobby.
const DefaultLobbyTimeout = 30 * time.Minute

// ErrNotFound says that there is no such meeting, or that the passcode is wrong; which of the two is not told.
var ErrNotFound = errors.New("no such meeting, or wrong passcode")

// Options describe a new meeting.
type Options struct {
	Subject           string
	TenantID          string // a GUID
	OrganizerID       string // made up when empty
	Lobby             bool   // everybody but people of the tenant waits
	GuestsBypassLobby bool   // otherwise guests wait even when Lobby is false
	LobbyTimeout      time.Duration
	Channel           bool // held in a channel of a team: a reply to a message there
}

// Info is what does not change about a meeting.
type Info struct {
	ID, Subject           string
	TenantID, OrganizerID string
	ThreadID, MessageID   string
	JoinURL, ShortJoinURL string
	JoinMeetingID         string
	Passcode              string
	VTCID                 string // by which rooms of other makers find the meeting
	JoinToken             string // of tokenMeetingInfo; bots get it with an incoming call
	Created               time.Time
}

// Store holds all meetings.
type Store struct {
	Clock   *simclock.Clock
	Journal *journal.Journal
	Secrets *secrets.Book // nil: not written down

	mu       sync.Mutex
	meetings map[string]*Meeting
	calls    []*Meeting // conversations that are no meetings, oldest first; a few that are over are kept
}

// Create makes a meeting with nobody in it.
func (s *Store) Create(o Options) (*Meeting, error) {
	tenant, err := uuid.Parse(o.TenantID)
	if err != nil {
		return nil, fmt.Errorf("tenant id %q is not a GUID", o.TenantID)
	}
	organizer := uuid.New()
	if o.OrganizerID != "" {
		if organizer, err = uuid.Parse(o.OrganizerID); err != nil {
			return nil, fmt.Errorf("organizer id %q is not a GUID", o.OrganizerID)
		}
	}
	thread := "19:meeting_" + base64.RawURLEncoding.EncodeToString([]byte(uuid.NewString())) + "@thread.v2"
	message := "0"
	if o.Channel { // reference section 1.2
		thread = "19:" + strings.ReplaceAll(uuid.NewString(), "-", "") + "@thread.tacv2"
		message = fmt.Sprint(time.Now().UnixMilli()) // the root message's id
	}
	number, err := rand.Int(rand.Reader, big.NewInt(9e11))
	if err != nil {
		return nil, err
	}
	info := Info{
		ID: uuid.NewString(), Subject: cmp.Or(o.Subject, "Meeting"), TenantID: tenant.String(), OrganizerID: organizer.String(),
		ThreadID: thread, MessageID: message, JoinMeetingID: fmt.Sprint(number.Int64() + 1e11), Passcode: rand.Text()[:6], JoinToken: rand.Text(), Created: time.Now(),
		VTCID: fmt.Sprint(number.Int64()%9e9 + 1e9),
	}
	info.JoinURL, err = longURL(info)
	if err != nil {
		return nil, err
	}
	info.ShortJoinURL = "https://teams.microsoft.com/meet/" + info.JoinMeetingID + "?p=" + info.Passcode
	m := &Meeting{
		Info: info, clock: s.Clock, journal: s.Journal, lobby: o.Lobby, guestsBypass: o.GuestsBypassLobby,
		lobbyTimeout: cmp.Or(o.LobbyTimeout, DefaultLobbyTimeout), participants: map[string]*participant{}, people: map[string]*Person{},
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.meetings == nil {
		s.meetings = map[string]*Meeting{}
	}
	s.meetings[info.ID] = m
	s.Secrets.AddThread(info.ThreadID)
	s.Secrets.Add(secrets.Passcode, info.Passcode)
	s.Secrets.Add(secrets.JoinToken, info.JoinToken)
	s.Journal.Add(info.ID, "", "MeetingCreated", info.Subject)
	return m, nil
}

// longURL is the join URL people get in invitations.
func longURL(i Info) (string, error) {
	context, err := json.Marshal(struct{ Tid, Oid string }{i.TenantID, i.OrganizerID})
	if err != nil {
		return "", err
	}
	return "https://teams.microsoft.com/l/meetup-join/" + url.QueryEscape(i.ThreadID) + "/" + i.MessageID +
		"?context=" + url.QueryEscape(string(context)), nil
}

// Get finds a meeting, or the conversation of a call, by its id.
func (s *Store) Get(id string) (*Meeting, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m, ok := s.meetings[id]; ok {
		return m, true
	}
	for _, m := range s.calls {
		if m.ID == id {
			return m, true
		}
	}
	return nil, false
}

// Delete ends a meeting and forgets it: its join URL leads nowhere from now on.
func (s *Store) Delete(id string) bool {
	s.mu.Lock()
	m, ok := s.meetings[id]
	delete(s.meetings, id)
	s.mu.Unlock()
	if ok {
		m.End()
	}
	return ok
}

// All lists the meetings, oldest first.
func (s *Store) All() []*Meeting {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Meeting, 0, len(s.meetings))
	for _, m := range s.meetings {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *Meeting) int { return a.Info.Created.Compare(b.Info.Created) })
	return all
}

// ByThread finds a meeting by the coordinates a join URL holds. The organizer must be the right one.
func (s *Store) ByThread(threadID, messageID, organizerID string) (*Meeting, error) {
	return s.find(func(i Info) bool {
		return i.ThreadID == threadID && i.MessageID == messageID && strings.EqualFold(i.OrganizerID, organizerID)
	})
}

// ByJoinID finds a meeting by the number and passcode people type.
func (s *Store) ByJoinID(joinMeetingID, passcode string) (*Meeting, error) {
	return s.find(func(i Info) bool { return i.JoinMeetingID == joinMeetingID && i.Passcode == passcode })
}

// ByToken finds a meeting by the token of an invitation.
func (s *Store) ByToken(token string) (*Meeting, error) {
	return s.find(func(i Info) bool { return i.JoinToken == token })
}

func (s *Store) find(match func(Info) bool) (*Meeting, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.meetings {
		if match(m.Info) {
			return m, nil
		}
	}
	return nil, ErrNotFound
}
