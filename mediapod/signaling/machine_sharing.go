// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// sharing is who shares a call of policy recording: the first one called the bot into it, others may join
// (Graph, "participantJoiningNotification").
type sharing struct {
	joined map[string]bool // by what names them; the first one is not in it
}

// joinVerdict is what to say to another participant who would share the call.
type joinVerdict int

const (
	joinNewBot joinVerdict = iota // have the bot called anew, by a call of the participant's own
	joinAccept
)

// mayJoin decides about a participant who would share the call. The same participant gets the same answer.
func (m *machine) mayJoin(now time.Time, n graph.Notification) joinVerdict {
	key := sharerKey(n)
	switch {
	case m.ended() || m.leaving.reason != "" || m.capacity <= 1:
		return joinNewBot
	case key != "" && m.sharing.joined[key]:
		return joinAccept
	case len(m.sharing.joined)+1 >= m.capacity || !m.world.acceptsMore():
		return joinNewBot
	}
	if m.sharing.joined == nil {
		m.sharing.joined = make(map[string]bool)
	}
	if key == "" {
		key = fmt.Sprint("unnamed ", len(m.sharing.joined))
	}
	m.sharing.joined[key] = true
	m.event(now, EventSharing, fmt.Sprintf("%d share the call", len(m.sharing.joined)+1))
	return joinAccept
}

// sharerLeft takes the word that one of them is gone.
func (m *machine) sharerLeft(now time.Time, n graph.Notification) outcome {
	key := sharerKey(n)
	if !m.sharing.joined[key] {
		return outcomeDuplicate
	}
	delete(m.sharing.joined, key)
	m.event(now, EventSharing, fmt.Sprintf("%d share the call", len(m.sharing.joined)+1))
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
