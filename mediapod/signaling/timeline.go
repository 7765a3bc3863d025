// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"slices"
	"strings"
	"time"
)

const (
	// maxEvents bounds the timeline of a call.
	maxEvents = 50
	// maxDetail is what an entry of the timeline in a status takes.
	maxDetail = 512
)

// The events of a timeline.
const (
	EventJoining           = "Joining"
	EventCalling           = "Calling"
	EventIncoming          = "Incoming"
	EventAdopted           = "Adopted"
	EventCallCreated       = "CallCreated"
	EventCreateRetried     = "CreateRetried"
	EventCreateUncertain   = "CreateUncertain"
	EventAnswered          = "Answered"
	EventAnswerRetried     = "AnswerRetried"
	EventEstablishing      = "Establishing"
	EventRinging           = "Ringing"
	EventEstablished       = "Established"
	EventMediaActive       = "MediaActive"
	EventMediaInactive     = "MediaInactive"
	EventInLobby           = "InLobby"
	EventAdmitted          = "Admitted"
	EventParticipantJoined = "ParticipantJoined"
	EventParticipantLeft   = "ParticipantLeft"
	EventGroup             = "GroupCall"
	EventSharing           = "ShareOfRecording"
	EventMuted             = "Muted"
	EventUnmuted           = "Unmuted"
	EventScreenSharing     = "ScreenSharing"
	EventRecording         = "RecordingStatus"
	EventInviteJoined      = "InviteJoined"
	EventInviteFailed      = "InviteFailed"
	EventInviteWithdrawn   = "InviteWithdrawn"
	EventTransferring      = "Transferring"
	EventTransferAccepted  = "TransferAccepted"
	EventTransferFailed    = "TransferFailed"
	EventKeepAliveFailed   = "KeepAliveFailed"
	EventKeepAliveRestored = "KeepAliveRestored"
	EventLeaving           = "Leaving"
	EventHangUpFailed      = "HangUpFailed"
	EventEnded             = "Ended"
)

// Event is one thing that happened to a call. The detail holds no secret and no
// name: people's names stay in the roster, which ends with the call.
type Event struct {
	Time   time.Time
	Event  string
	Detail string
}

// timeline is what happened to a call, oldest first. Snapshots share its memory,
// so that entries are only ever appended, never changed in place.
type timeline struct{ events []Event }

func (t *timeline) add(now time.Time, event, detail string) {
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail-len("…")], "") + "…"
	}
	if len(t.events) >= maxEvents {
		t.events = slices.Concat(t.events[:t.expendable()], t.events[t.expendable()+1:])
	}
	t.events = append(t.events, Event{Time: now, Event: event, Detail: detail})
}

// manyOf are events that a call may have any number of.
var manyOf = []string{EventParticipantJoined, EventParticipantLeft, EventActionRefused}

// expendable is the entry a full timeline can best do without: how a call began
// and how it ended is what people read, and roster events are many. So may actions be that are refused.
func (t *timeline) expendable() int {
	middle := len(t.events) / 2
	for distance := range middle + 1 {
		for _, i := range []int{middle - distance, middle + distance} {
			if i < len(t.events) && slices.Contains(manyOf, t.events[i].Event) {
				return i
			}
		}
	}
	return middle
}

func (t *timeline) has(event string) bool {
	return slices.ContainsFunc(t.events, func(e Event) bool { return e.Event == event })
}

// shared returns the events for a snapshot.
func (t *timeline) shared() []Event { return slices.Clip(t.events) }
