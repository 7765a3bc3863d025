// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"github.com/callfleet/callfleet/graph"
)

// Wants is what is wanted of a call once the bot is in it. The zero value wants nothing but to be there.
type Wants struct {
	// Muted has the service drop the bot's audio, in group calls and meetings.
	Muted bool
	// ScreenSharing is the bot's part in screen sharing; empty: none. Only with application-hosted media, in group calls.
	ScreenSharing graph.ScreenSharingRole
	// Recording is what everybody in the call is told; empty is notRecording.
	Recording graph.RecordingStatus
	// Invite are those who are to be in the call. Who is taken out is not removed, but an invitation that rings is withdrawn.
	Invite []graph.InvitationParticipantInfo
}

// Refusal is something wanted that the service will not do.
type Refusal struct {
	What    string // WantMuted, WantScreenSharing or WantRecording
	Message string // why, and what to do about it
}

// What a Refusal is about, by the name of the field that asks for it.
const (
	WantMuted         = "muted"
	WantScreenSharing = "screenSharing"
	WantRecording     = "recordingStatus"
)

// Invite is what became of an invitation.
type Invite struct {
	Who     graph.InvitationParticipantInfo
	State   InviteState
	Message string // of those that failed
	Reason  string // why they did, one of graph's; empty where nobody knows
}

// InviteState is how far an invitation has come.
type InviteState string

// The states of an invitation. One that waits for its turn is empty.
const (
	InviteWaiting   InviteState = ""
	InviteRinging   InviteState = "Ringing"
	InviteJoined    InviteState = "Joined"
	InviteFailed    InviteState = "Failed"
	InviteWithdrawn InviteState = "Withdrawn"
)

// Want tells what is wanted of the call from now on. It returns at once: the snapshots tell how it goes.
func (c *Call) Want(w Wants) {
	c.wants.Store(&w)
	c.nudge()
}
