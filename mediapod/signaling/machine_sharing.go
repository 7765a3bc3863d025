// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// sharing is who shares a call of policy recording: the bot was called into it for the first one, others may join
// (Graph, "participantJoiningNotification").
type sharing struct {
	there map[string]bool // by what names them
}

func (s *sharing) begin(first string) { s.there = map[string]bool{graph.NormalID(first): true} }

// joinVerdict is what to say to another participant who would share the call.
type joinVerdict int

const (
	joinNewBot joinVerdict = iota // have the bot called anew, by a call of the participant's own
	joinAccept
)

// mayJoin decides about a participant who would share the call; share is whether anybody more may. The same participant gets the
// same answer.
func (m *machine) mayJoin(now time.Time, n graph.Notification, share bool) joinVerdict {
	key := sharerKey(n)
	switch {
	case m.ended() || m.leaving.reason != "" || m.capacity <= 1:
		return joinNewBot
	case key != "" && m.sharing.there[key]:
		return joinAccept
	case !share || len(m.sharing.there) >= m.capacity:
		return joinNewBot
	}
	if key == "" {
		key = fmt.Sprint("unnamed ", len(m.sharing.there))
	}
	m.sharing.there[key] = true
	m.tellSharing(now)
	return joinAccept
}

func (m *machine) tellSharing(now time.Time) {
	m.event(now, EventSharing, fmt.Sprintf("%d recorded in this call", len(m.sharing.there)))
}

// sharerLeft takes the word that one of them is gone.
func (m *machine) sharerLeft(now time.Time, n graph.Notification) outcome {
	key := sharerKey(n)
	if !m.sharing.there[key] {
		return outcomeDuplicate
	}
	delete(m.sharing.there, key)
	m.tellSharing(now)
	return outcomeApplied
}

// sharerKey names a participant: by the id in the meeting, which comes with both notifications.
func sharerKey(n graph.Notification) string {
	switch {
	case n.Resource.ID != "":
		return graph.NormalID(n.Resource.ID)
	case n.Call == nil:
	case n.Call.IncomingContext != nil && n.Call.IncomingContext.ObservedParticipantID != "":
		return graph.NormalID(n.Call.IncomingContext.ObservedParticipantID)
	case n.Call.IncomingContext != nil && n.Call.IncomingContext.SourceParticipantID != "":
		return graph.NormalID(n.Call.IncomingContext.SourceParticipantID)
	case n.Call.Source != nil && n.Call.Source.ParticipantID != "":
		return graph.NormalID(n.Call.Source.ParticipantID)
	case n.Call.Source != nil:
		return identityKey(n.Call.Source.Identity)
	}
	return ""
}
