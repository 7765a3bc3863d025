// SPDX-License-Identifier: Apache-2.0

package flow

import callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"

// Event is something that happened in the call.
type Event interface{ event() }

// Failure says in one word why a step failed; flows see it as the variable error. Empty: it did not.
type Failure string

// The failures.
const (
	// FailedPrompt: a prompt could not be had or played.
	FailedPrompt Failure = "PromptFailed"
	// FailedNoAnswer: nobody took the transfer or invitation in time.
	FailedNoAnswer Failure = "NoAnswer"
	// FailedDeclined: somebody did not want it.
	FailedDeclined Failure = "Declined"
	// FailedRefused: the service would not do it.
	FailedRefused Failure = "Refused"
	// FailedInvalid: what was asked for makes no sense, such as a number that is none.
	FailedInvalid Failure = "Invalid"
	// FailedTimeout: there was no answer in time.
	FailedTimeout Failure = "Timeout"
	// FailedAnswer: a webhook's answer made no sense.
	FailedAnswer Failure = "BadAnswer"
	// FailedRecording: nothing could be recorded.
	FailedRecording Failure = "RecordingFailed"
)

// RecordEnd is why a recording ended.
type RecordEnd string

// The ends of recordings.
const (
	RecordStopTone    RecordEnd = "StopTone"
	RecordSilence     RecordEnd = "Silence" // the caller was done
	RecordNothing     RecordEnd = "Nothing" // nothing was said
	RecordMaxDuration RecordEnd = "MaxDuration"
	RecordFailed      RecordEnd = "Failed"
)

// The events.
type (
	// Tone is a key that the other party pressed, told once, in the order of pressing, as soon as it is known to be pressed.
	Tone struct{ Key callfleetv1.PhoneKey }
	// Played is the end of a Play.
	Played struct {
		ID      int64
		Failure Failure
	}
	// Recorded is the end of a Record. Name is empty if nothing is kept.
	Recorded struct {
		ID      int64
		End     RecordEnd
		Name    string
		Failure Failure
	}
	// Transferred is the end of a Transfer; without a Failure somebody else has the call.
	Transferred struct {
		ID      int64
		Failure Failure
	}
	// Invited is the end of an Invite.
	Invited struct {
		ID      int64
		Failure Failure
	}
	// Answered is what a webhook said.
	Answered struct {
		ID        int64
		Variables map[string]string
		Next      callfleetv1.StepName
		Failure   Failure
	}
	// Ended: the call is over.
	Ended struct{}
)

func (Tone) event()        {}
func (Played) event()      {}
func (Recorded) event()    {}
func (Transferred) event() {}
func (Invited) event()     {}
func (Answered) event()    {}
func (Ended) event()       {}
