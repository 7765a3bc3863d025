// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

// Kind says what a participant is.
type Kind string

// The kinds of participants.
const (
	KindPerson Kind = "Person"
	KindBot    Kind = "Bot"
	KindGuest  Kind = "Guest" // a bot that joined as a guest
	// KindService is a part of Teams itself that a bot brought in, as the large gallery view.
	KindService Kind = "Service"
	KindPhone   Kind = "Phone" // a person on the telephone network
)

// Participant is one entry of a roster.
type Participant struct {
	ID          string
	Kind        Kind
	IdentityID  string // user, application or guest id
	DisplayName string
	TenantID    string
	CallID      string // empty for people
	InLobby     bool
	Muted       bool
	SourceID    uint32 // media source id of the audio
	Sequence    int64  // of the last change of this entry
	Joined      time.Time

	ApplicationType string     // of a service
	Streams         []Stream   // beside the audio
	Metadata        string     // JSON
	Recording       *Recording // replaced, never changed
	OnHold          bool       // not in the roster
}

// Cause says why somebody had to go.
type Cause string

// The causes.
const (
	Removed      Cause = "Removed"
	Denied       Cause = "Denied"
	LobbyTimeout Cause = "LobbyTimeout"
	MeetingEnded Cause = "MeetingEnded"
	OtherLeft    Cause = "OtherLeft" // the other party of a call between two
	LastLeft     Cause = "LastLeft"  // all others of a group call
)

// Member is told what happens to a participant. Roster and Admitted are called in order and with the meeting
// locked: they must neither block nor call the meeting. Gone is called without the lock.
type Member interface {
	Admitted()
	Roster(seen []Participant)
	Gone(Cause)
}

// Meeting is safe for concurrent use.
type Meeting struct {
	Info
	clock   *simclock.Clock
	journal *journal.Journal

	mu           sync.Mutex
	lobby        bool
	guestsBypass bool
	lobbyTimeout time.Duration
	participants map[string]*participant
	people       map[string]*Person // everybody who ever was here
	sequence     int64
	nextSource   uint32
	mixing       bool
	over         bool // a call, not a meeting, that has ended
	whenOver     []func(Cause)

	form atomic.Int32

	heard atomic.Pointer[[]*participant] // who is mixed; replaced, never changed
}

type participant struct {
	Participant
	member  Member
	audio   Audio
	waiting *simclock.Timer
	muted   atomic.Bool
	held    atomic.Pointer[music] // nil: not on hold
	mixed   mixState
}

// Entry is somebody at the door.
type Entry struct {
	Participant        // ID, Kind, IdentityID, DisplayName, TenantID, CallID are read
	Member      Member // nil for people
	Audio       Audio  // nil: neither heard nor hearing
	Invited     bool   // by somebody inside: no lobby
}

// Enter lets somebody in, or into the lobby. The member hears which through Admitted and Roster.
func (m *Meeting) Enter(e Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over {
		return ErrOver
	}
	if _, here := m.participants[e.ID]; here {
		return fmt.Errorf("participant %s is in the meeting already", e.ID)
	}
	p := &participant{Participant: e.Participant, member: e.Member, audio: e.Audio}
	m.nextSource++
	p.SourceID, p.Joined = m.nextSource, time.Now()
	p.InLobby = !e.Invited && e.Kind != KindPerson && e.Kind != KindPhone && e.Kind != KindService && (m.lobby || e.Kind == KindGuest && !m.guestsBypass)
	m.participants[e.ID] = p
	if p.InLobby {
		p.waiting = m.clock.AfterFunc(m.lobbyTimeout, func() { m.expel(p.ID, LobbyTimeout) })
		m.journal.Add(m.ID, p.CallID, "LobbyEntered", p.DisplayName)
	} else {
		m.welcome(p)
	}
	m.changed(p)
	return nil
}

// welcome makes somebody a full participant; the caller holds the lock.
func (m *Meeting) welcome(p *participant) {
	p.InLobby = false
	m.journal.Add(m.ID, p.CallID, "ParticipantJoined", p.DisplayName)
	if p.member != nil {
		p.member.Admitted()
	}
	m.remix()
}

// changed tells everybody the new roster; the caller holds the lock. p is who changed, nil if they left.
func (m *Meeting) changed(p *participant) {
	m.sequence++
	if p != nil {
		p.Sequence = m.sequence
	}
	if m.Form() == OneToOne { // call-state notifications only (reference section 1.3)
		return
	}
	for _, to := range m.participants {
		if to.member != nil && (!to.InLobby || to == p) {
			to.member.Roster(m.seenBy(to))
		}
	}
}

// seenBy is the full roster, or oneself alone while waiting in the lobby (reference section 2.4, 5).
func (m *Meeting) seenBy(viewer *participant) []Participant {
	if viewer.InLobby {
		return []Participant{viewer.Participant}
	}
	return m.roster()
}

func (m *Meeting) roster() []Participant {
	all := make([]Participant, 0, len(m.participants))
	for _, p := range m.participants {
		all = append(all, p.Participant)
	}
	slices.SortFunc(all, func(a, b Participant) int { return int(a.SourceID) - int(b.SourceID) })
	return all
}

// Participants is everybody here, in the order of coming.
func (m *Meeting) Participants() []Participant {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.roster()
}

// SeenBy is the roster as a participant sees it; nothing if that one is not here.
func (m *Meeting) SeenBy(id string) []Participant {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p, ok := m.participants[id]; ok {
		return m.seenBy(p)
	}
	return nil
}

// Admit lets somebody in from the lobby.
func (m *Meeting) Admit(id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok || !p.InLobby {
		return fmt.Errorf("nobody with id %s waits in the lobby", id)
	}
	p.waiting.Stop()
	m.welcome(p)
	m.changed(p)
	return nil
}

// Deny turns somebody in the lobby away.
func (m *Meeting) Deny(id string) error {
	m.mu.Lock()
	p, ok := m.participants[id]
	waits := ok && p.InLobby
	m.mu.Unlock()
	if !waits {
		return fmt.Errorf("nobody with id %s waits in the lobby", id)
	}
	m.expel(id, Denied)
	return nil
}

// Remove throws somebody out.
func (m *Meeting) Remove(id string) error {
	if !m.expel(id, Removed) {
		return fmt.Errorf("nobody with id %s is in the meeting", id)
	}
	return nil
}

// Leave is somebody going by themselves; it may be called for somebody who has gone.
func (m *Meeting) Leave(id string) {
	m.take(id, "ParticipantLeft")
	m.EndIfAlone()
}

func (m *Meeting) expel(id string, cause Cause) bool {
	p := m.take(id, "Participant"+string(cause))
	if p == nil {
		return false
	}
	if p.member != nil {
		p.member.Gone(cause)
	}
	m.EndIfAlone()
	return true
}

// take removes somebody and tells the others.
func (m *Meeting) take(id, what string) *participant {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok {
		return nil
	}
	if p.waiting != nil {
		p.waiting.Stop()
	}
	delete(m.participants, id)
	m.journal.Add(m.ID, p.CallID, what, p.DisplayName)
	m.remix()
	m.changed(nil)
	return p
}

// End ends the meeting for all. As in Teams, its link still works afterwards and opens it anew.
func (m *Meeting) End() {
	m.journal.Add(m.ID, "", "MeetingEnded", m.Subject)
	for _, p := range m.Participants() {
		m.expel(p.ID, MeetingEnded)
	}
	m.EndIfAlone()
}

// SetLobby switches the lobby for those who come from now on.
func (m *Meeting) SetLobby(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lobby = on
}

// Lobby says whether there is one.
func (m *Meeting) Lobby() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lobby
}

// Mute makes the service drop somebody's audio, or lets it through again.
func (m *Meeting) Mute(id string, muted bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok {
		return fmt.Errorf("nobody with id %s is in the meeting", id)
	}
	if p.Muted != muted {
		p.Muted = muted
		p.muted.Store(muted)
		m.changed(p)
	}
	return nil
}
