// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// Phase is where a call is, in one word.
type Phase string

// The phases of a call. Ended is never left.
const (
	PhaseJoining     Phase = "Joining"
	PhaseInLobby     Phase = "InLobby"
	PhaseEstablished Phase = "Established"
	PhaseLeaving     Phase = "Leaving"
	PhaseEnded       Phase = "Ended"
)

// Snapshot is a call at one moment. Nothing in it changes any more; the slices
// are shared and must not be written to.
type Snapshot struct {
	Phase      Phase
	CallID     string // as Graph gave it; empty until it is known
	ChainID    string
	ScenarioID string
	TenantID   string // whose token speaks for the call
	State      graph.CallState
	Hosting    graph.MediaHosting
	// Group: a meeting or group call. One of two becomes a group call when others are invited.
	Group bool
	// Unanswered: the call came in, and the service has not taken the answer yet. Another process may be quicker.
	Unanswered bool
	// MediaActive is the service's word on audio, not a measurement.
	MediaActive bool

	Created     time.Time // when the call was asked for
	Established time.Time // when the bot was in; zero before that
	Ended       time.Time

	// Participants are at most fifty; ParticipantCount counts all that are in the
	// call, the bot included, and InLobby those who wait.
	Participants     []graph.Participant
	ParticipantCount int
	InLobby          int

	// Muted, ScreenSharing and Recording are what the service last took in. Recording is graph.Recording only from the
	// service's word that everybody was told until just before it is told otherwise: media may be persisted between the two only.
	Muted         bool
	ScreenSharing graph.ScreenSharingRole
	Recording     graph.RecordingStatus
	// RecordingGaps counts how often Recording ceased to be graph.Recording while the call went on. What began with it and ended
	// with the same count may be persisted throughout.
	RecordingGaps int
	// Refusals are what was wanted and will not be had.
	Refusals []Refusal
	// Invites are those wanted, in their order, then those withdrawn.
	Invites []Invite
	// LastTone is the key pressed last; nil if none was. It may be part of a PIN: it must not be persisted.
	LastTone *graph.ToneInfo

	// Result is what Graph said at the end, if it said anything.
	Result *graph.ResultInfo
	End    *End // nil until Ended

	// Events are the timeline, oldest first, at most fifty.
	Events []Event
}
