// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// Stream is a media stream of a participant beside the audio (reference section 1.6, mediaStream).
type Stream struct {
	Type      string // video, videoBasedScreenSharing
	Label     string // main-video, applicationsharing-video
	SourceID  uint32
	Direction string // from the participant's side: inactive, sendOnly, receiveOnly, sendReceive
	Session   string // of content sharing, while this participant shares
}

// Screen sharing, as streams name it.
const (
	ScreenSharing      = "videoBasedScreenSharing"
	screenSharingLabel = "applicationsharing-video"
	Video              = "video"
)

// Recording is what a participant has said about recording the meeting.
type Recording struct {
	Status                       string // notRecording, recording, failed
	InitiatorID, InitiatorName   string // an application
	InitiatorParticipant, Tenant string
}

// Update changes a participant and tells everybody. What change may touch are the members after Sequence.
func (m *Meeting) Update(id string, change func(*Participant)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok {
		return fmt.Errorf("nobody with id %s is in the meeting", id)
	}
	p.Streams = slices.Clone(p.Streams) // rosters that were given away keep theirs
	change(&p.Participant)
	m.changed(p)
	return nil
}

// SetStream changes or adds the stream of a type; a new one gets a source id.
func (m *Meeting) SetStream(id, mediaType, label, direction, session string) error {
	m.mu.Lock()
	m.nextSource++
	source := m.nextSource
	m.mu.Unlock()
	return m.Update(id, func(p *Participant) {
		for i := range p.Streams {
			if p.Streams[i].Type == mediaType {
				p.Streams[i].Direction, p.Streams[i].Session = direction, session
				return
			}
		}
		p.Streams = append(p.Streams, Stream{Type: mediaType, Label: label, SourceID: source, Direction: direction, Session: session})
	})
}

// ShareScreen makes somebody the one who shares a screen, or a viewer. As in Teams, whoever shared before stops.
func (m *Meeting) ShareScreen(id string, share bool) error {
	if !share {
		return m.SetStream(id, ScreenSharing, screenSharingLabel, "receiveOnly", "")
	}
	for _, p := range m.Participants() {
		if p.ID != id && SharingSession([]Participant{p}) != "" {
			_ = m.SetStream(p.ID, ScreenSharing, screenSharingLabel, "receiveOnly", "") // or has left meanwhile
		}
	}
	return m.SetStream(id, ScreenSharing, screenSharingLabel, "sendOnly", uuid.NewString())
}

// Find is one participant, in the lobby or not.
func (m *Meeting) Find(id string) (Participant, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok {
		return Participant{}, false
	}
	return p.Participant, true
}

// SharingSession is the id of the content sharing session in a roster, empty while nobody shares.
func SharingSession(roster []Participant) string {
	for _, p := range roster {
		for _, s := range p.Streams {
			if s.Session != "" {
				return s.Session
			}
		}
	}
	return ""
}
