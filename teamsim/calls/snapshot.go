// SPDX-License-Identifier: Apache-2.0

package calls

import (
	"slices"
	"time"

	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/whip"
)

// knownPeople is for the snapshot; it must not be called with the lock, which comes after the meeting's.
func (c *call) knownPeople() []Person {
	c.mu.Lock()
	all := slices.Clone(c.people)
	c.mu.Unlock()
	out := []Person{}
	for _, p := range all {
		out = append(out, Person{ID: p.ID, MeetingID: p.Meeting().ID, UserID: p.UserID, DisplayName: p.DisplayName, Here: p.Here()})
	}
	return out
}

// scheduled says whether the call is to a meeting.
func (c *call) scheduled() bool { return c.meeting.Form() == meeting.Scheduled }

// grouped says whether the call has a roster.
func (c *call) grouped() bool { return c.meeting.Form() != meeting.OneToOne }

// meetingID is empty for calls that are no meetings.
func (c *call) meetingID() string {
	if c.scheduled() {
		return c.meeting.ID
	}
	return ""
}

func (c *call) kind() string {
	return map[meeting.Form]string{meeting.Scheduled: "Meeting", meeting.OneToOne: "OneToOne", meeting.GroupCall: "Group"}[c.meeting.Form()]
}

// Person is somebody on the other side of a call.
type Person struct {
	ID, MeetingID, UserID, DisplayName string
	Here                               bool
}

// Snapshot is a call as the admin API shows it.
type Snapshot struct {
	ID, AppID, TenantID, MeetingID, ParticipantID string
	Direction, State                              string
	Kind                                          string // Meeting, OneToOne, Group
	ConversationID                                string // of a call that is no meeting
	ServiceHosted                                 bool
	People                                        []Person // who called, or was called and answered
	InLobby, MediaActive                          bool
	ScenarioID, ChainID                           string
	CallbackURI                                   string
	Created, Established, Ended                   time.Time
	KeepAlives                                    int
	LastKeepAlive                                 time.Time
	Result                                        *Result
	EndDetail                                     string
	Media                                         *whip.Stats // nil without application-hosted media
}

func (c *call) snapshot() Snapshot {
	known := c.knownPeople()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Snapshot{
		ID: c.id, AppID: c.app.ID, TenantID: c.tenantID, ParticipantID: c.participantID, Direction: c.direction,
		State: c.state, InLobby: c.inLobby && c.state != stateTerminated, MediaActive: c.mediaActive, ScenarioID: c.scenarioID, ChainID: c.chainID,
		CallbackURI: c.callbackURI, Created: c.created, Established: c.established, Ended: c.ended, KeepAlives: c.keepAlives,
		LastKeepAlive: c.lastKeepAlive, Result: c.result, EndDetail: c.endDetail, People: known,
	}
	s.MeetingID, s.Kind = c.meetingID(), c.kind()
	if s.MeetingID == "" {
		s.ConversationID = c.meeting.ID
	}
	s.ServiceHosted = c.request.MediaConfig.Type == ns+"serviceHostedMediaConfig"
	s.Media = c.lastMedia
	if c.leg != nil {
		stats := c.leg.Stats()
		s.Media = &stats
	}
	return s
}
