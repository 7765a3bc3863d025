// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// Command is something to be done in the call. Those with an ID are answered by one event with the same ID, whatever happens; a
// command that was stopped is answered too. IDs grow through the life of a flow, also from process to process.
type Command interface{ command() }

// The commands.
type (
	// Play plays prompts one after the other; with Loop again and again, until it is stopped. Answered by Played.
	Play struct {
		ID      int64
		Prompts []Prompt
		Loop    bool
	}
	// StopPlaying ends the Play with this ID. Its Played follows.
	StopPlaying struct{ ID int64 }
	// Record tells everybody that the call is recorded, beeps, records what the other party says, and tells that it is over. The stage
	// itself ends it by time, by silence and by the stop tones. Answered by Recorded.
	Record struct {
		ID                                      int64
		Name                                    string // of the recording, unique in the call
		Beep                                    bool
		MaxDuration, InitialSilence, MaxSilence time.Duration
		StopTones                               []callfleetv1.PhoneKey
	}
	// Transfer gives the call to somebody. A transfer that succeeds is answered by Ended or by Transferred, whichever comes first;
	// one that fails by Transferred.
	Transfer struct {
		ID           int64
		To           Party
		Consultative bool
		Timeout      time.Duration
	}
	// Invite brings somebody in. Answered by Invited.
	Invite struct {
		ID      int64
		Who     Party
		Hidden  bool
		Timeout time.Duration
	}
	// Mute mutes the bot or has it speak. Nobody waits for it.
	Mute struct{ Muted bool }
	// Ask sends a webhook. It is no matter of the stage: whoever drives the machine sends it. Answered by Answered. Key is the same
	// whenever the same question is asked, by whatever process.
	Ask struct {
		ID      int64
		Step    string // as FlowStatus.Step names it
		Key     string
		Webhook *callfleetv1.WebhookStep
		Data    map[string]string // rendered
	}
	// Redirect sends a call on that was not answered yet. It is the last command.
	Redirect struct{ To *callfleetv1.RedirectTo }
	// HangUp ends the call. It is the last command.
	HangUp struct{}
)

func (Play) command()        {}
func (StopPlaying) command() {}
func (Record) command()      {}
func (Transfer) command()    {}
func (Invite) command()      {}
func (Mute) command()        {}
func (Ask) command()         {}
func (Redirect) command()    {}
func (HangUp) command()      {}

// Prompt is a file, or a text with its variables put in.
type Prompt struct {
	ConfigMap *callfleetv1.KeyReference
	URL       callfleetv1.HTTPSURL
	Text      string
	// Speech makes sound of Text.
	Speech *callfleetv1.SpeechService
}

// Party is a person by object id, or a telephone by number: one of them is set.
type Party struct{ User, Phone string }
