// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"time"

	"github.com/callfleet/callfleet/graph"
)

// origin is how the bot came to a call.
type origin int

const (
	originJoined   origin = iota // it went into a meeting
	originPlaced                 // it called somebody
	originIncoming               // it was called
	originAdopted                // another process of the bot had the call before
)

// setting is what is known of a call before anything happens to it.
type setting struct {
	origin  origin
	group   bool
	hosting graph.MediaHosting
	// modalities the call began with; none are added later.
	modalities []graph.Modality

	tenant   string // whose token speaks for the call
	scenario string
	callback string
	callID   string // of calls that exist: incoming and adopted ones
	chainID  string

	keepAliveEvery time.Duration
	ringing        time.Duration // how long a placed call rings; zero: as long as the service lets it
	answerWithin   time.Duration // of an incoming call
	capacity       int           // participants who may share a call of policy recording
	observed       string        // id of the first of them

	before AdoptedState // of adopted calls
}

// AdoptedState is what was last known of a call that is taken over.
type AdoptedState struct {
	// Established is when the bot was in; zero if it was not yet, or nobody knows.
	Established time.Time
	// State is the service's last word: what a call that is gone by now has become depends on it.
	State graph.CallState
	// InLobby: the bot waited to be admitted.
	InLobby bool
	// RingsUntil is when a call that was placed has rung long enough; zero: when the service says so.
	RingsUntil time.Time
	// Muted is what the service was told, not silence kept by the pod itself.
	Muted         bool
	ScreenSharing graph.ScreenSharingRole
	Recording     graph.RecordingStatus
	// Invites are what became of the invitations: whoever rings, came or declined is not rung again.
	Invites []Invite
}
