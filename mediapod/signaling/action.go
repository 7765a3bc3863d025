// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// Action is something to be done once in a call, in contrast to Wants, which are to hold. Call.Act carries it out.
type Action interface {
	// Name is the action in a word, for the timeline.
	Name() string
	// check says what keeps the action from being asked for in the call as it is.
	check(s Snapshot) *ActionError
}

// The actions.
type (
	// Transfer gives the call to somebody else. With ReplacesCallID it is consultative: whom the bot talks to takes the bot's
	// place in that other call of the bot. Transferee is who goes, needed in a group call alone.
	Transfer struct {
		Target         graph.InvitationParticipantInfo
		Transferee     *graph.ParticipantInfo
		ReplacesCallID string
	}
	// PlayPrompt plays up to 20 prompts one after the other.
	PlayPrompt struct{ Prompts []graph.MediaInfo }
	// StopMedia ends the prompts and recordings that are under way or queued.
	StopMedia struct{}
	// Record records what the other party says, two minutes at most. The result names the recording. It is made to be kept, which
	// nothing may be of a call in which the recording status was not told (Graph, "call: updateRecordingStatus").
	Record struct {
		Prompt         *graph.MediaInfo
		BargeIn        bool
		InitialSilence time.Duration
		MaxSilence     time.Duration
		MaxDuration    time.Duration
		NoBeep         bool
		StopTones      []graph.Tone
	}
	// FetchRecording opens a recording that Record has made in this call. The service drops it soon after the call.
	FetchRecording struct{ ID string }
	// SendTones presses keys.
	SendTones struct {
		Tones []graph.Tone
		Delay time.Duration // between them; zero: as the service likes
	}
	// SubscribeToTones has the other party's keys notified.
	SubscribeToTones struct{}
	// MuteParticipant mutes somebody; only they can unmute themselves.
	MuteParticipant struct{ ID string }
	// RemoveParticipant takes somebody out of the call.
	RemoveParticipant struct{ ID string }
	// StartHoldMusic puts somebody on hold, with the service's own music if there is no prompt.
	StartHoldMusic struct {
		ID     string
		Prompt *graph.MediaInfo
	}
	// StopHoldMusic takes somebody off hold.
	StopHoldMusic struct{ ID string }
	// LargeGallery adds a participant that sends everybody's video as one picture.
	LargeGallery struct{}
)

func (Transfer) Name() string          { return "transfer" }
func (PlayPrompt) Name() string        { return "play" }
func (StopMedia) Name() string         { return "stop" }
func (Record) Name() string            { return "record" }
func (FetchRecording) Name() string    { return "fetch recording" }
func (SendTones) Name() string         { return "dtmf" }
func (SubscribeToTones) Name() string  { return "subscribe to tones" }
func (MuteParticipant) Name() string   { return "mute participant" }
func (RemoveParticipant) Name() string { return "remove participant" }
func (StartHoldMusic) Name() string    { return "start hold music" }
func (StopHoldMusic) Name() string     { return "stop hold music" }
func (LargeGallery) Name() string      { return "large gallery" }

// Result is what an action came to.
type Result struct {
	// Operation is how the service says it ended; nil for actions that are done with their request.
	Operation *graph.Operation
	// RecordingID is what FetchRecording takes. Empty: nothing was recorded.
	RecordingID string
	// Recording is what FetchRecording opened. Close it.
	Recording io.ReadCloser
	// Message says in words how it ended.
	Message string
}

// ActionFailure is why an action was not done.
type ActionFailure string

const (
	// ActionInvalid: it was asked for in a way that makes no sense.
	ActionInvalid ActionFailure = "Invalid"
	// ActionNotPossible: not in this kind of call, or not as it is now.
	ActionNotPossible ActionFailure = "NotPossible"
	// ActionNotEstablished: the call is not established, or not any more.
	ActionNotEstablished ActionFailure = "NotEstablished"
	// ActionRefused: the service refused it, or it failed.
	ActionRefused ActionFailure = "Refused"
	// ActionUncertain: it was asked for, and nobody said in time how it ended.
	ActionUncertain ActionFailure = "Uncertain"
	// ActionNotFound: what it is about is not there.
	ActionNotFound ActionFailure = "NotFound"
)

// ActionError is an action that was not done. Its text says what, why and what to do about it.
type ActionError struct {
	Failure ActionFailure
	Message string
	// Reason is the service's own, one of graph's; empty where the service said nothing.
	Reason string
	// Temporary: asking again may do better.
	Temporary bool
	err       error
}

func (e *ActionError) Error() string { return e.Message }
func (e *ActionError) Unwrap() error { return e.err }

func invalid(format string, args ...any) *ActionError {
	return &ActionError{Failure: ActionInvalid, Message: fmt.Sprintf(format, args...)}
}

func notPossible(message string) *ActionError {
	return &ActionError{Failure: ActionNotPossible, Message: message}
}

// refusedAction is a request or an operation that the service turned down.
func refusedAction(e graph.Explanation, err error) *ActionError {
	failure := ActionRefused
	if e.Reason == graph.ReasonCallNotFound {
		failure = ActionNotEstablished
	}
	return &ActionError{Failure: failure, Message: e.Message(), Reason: e.Reason, Temporary: e.Class.Retryable(), err: err}
}

// asActionError finds the ActionError in err.
func asActionError(err error) (*ActionError, bool) {
	var a *ActionError
	return a, errors.As(err, &a)
}

// needsServiceHosting keeps operations from calls in which the service answers them with 500 and no explanation.
func needsServiceHosting(s Snapshot, what string) *ActionError {
	if s.Hosting == graph.ServiceHosted {
		return nil
	}
	return notPossible(what + " only in calls whose media the service hosts, and the bot hosts this one's. Set media.hosting to Service for a bot that needs it.")
}

func needsGroup(s Snapshot, what string) *ActionError {
	if s.Group {
		return nil
	}
	return notPossible(what + " only in meetings and group calls, and this is a call between two. Invite somebody to make it one.")
}

// needsRecordingStatus keeps what is said from being taken down before everybody in the call was told.
func needsRecordingStatus(s Snapshot) *ActionError {
	if s.Recording == graph.Recording {
		return nil
	}
	const why = "record: nobody in the call has been told that it is recorded, and nothing of it may be kept before that. "
	for _, r := range s.Refusals {
		if r.What == WantRecording {
			return notPossible(why + "The service does not take the recording status in: " + r.Message)
		}
	}
	return notPossible(why + "Set spec.recordingStatus: Recording, and record once the condition Recording is True.")
}

const (
	// MaxPrompts is how many one PlayPrompt may name (Graph, "call: playPrompt"). What is played in a loop is named so often, for a gap
	// is heard between requests.
	MaxPrompts = 20
	// maxRecord is Graph's ("call: recordResponse").
	maxRecord = 120 * time.Second
	// maxTonesSent bounds one request; Graph names no bound.
	maxTonesSent = 100
)

func (a Transfer) check(s Snapshot) *ActionError {
	kind, who := a.Target.Identity.Primary()
	switch {
	case who == nil || who.ID == "":
		return invalid("transfer: nobody is named to transfer the call to. Name a user or a telephone number.")
	case kind == "application" || kind == "applicationInstance":
		return invalid("transfer: the service transfers to users and telephones, not to applications. Name a resource account as a user, by its object id.")
	case s.Group && a.Transferee == nil:
		return invalid("transfer: this is a group call. Name the participant to be transferred.")
	}
	return nil
}

func (a PlayPrompt) check(s Snapshot) *ActionError {
	if len(a.Prompts) == 0 || len(a.Prompts) > MaxPrompts {
		return invalid("play: %d prompts were given; the service plays 1 to %d at a time.", len(a.Prompts), MaxPrompts)
	}
	return needsServiceHosting(s, "The service plays prompts")
}

func (StopMedia) check(s Snapshot) *ActionError {
	return needsServiceHosting(s, "The service stops prompts and recordings")
}

func (a Record) check(s Snapshot) *ActionError {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"initial silence", a.InitialSilence}, {"silence", a.MaxSilence}, {"duration", a.MaxDuration}} {
		if d.value != 0 && (d.value < time.Second || d.value > maxRecord) {
			return invalid("record: the longest %s is %s; it can be between 1s and %s.", d.name, d.value, maxRecord)
		}
	}
	if refusal := needsServiceHosting(s, "The service records"); refusal != nil {
		return refusal
	}
	return needsRecordingStatus(s)
}

func (a FetchRecording) check(Snapshot) *ActionError {
	if a.ID == "" {
		return invalid("fetch recording: no recording is named.")
	}
	return nil
}

func (a SendTones) check(Snapshot) *ActionError {
	if len(a.Tones) == 0 || len(a.Tones) > maxTonesSent || slices.Contains(a.Tones, "") {
		return invalid("dtmf: %d keys were given; 1 to %d can be sent at a time.", len(a.Tones), maxTonesSent)
	}
	if a.Delay < 0 {
		return invalid("dtmf: the delay between keys is negative.")
	}
	return nil
}

func (SubscribeToTones) check(s Snapshot) *ActionError {
	return needsServiceHosting(s, "The service notifies keys")
}

func (a MuteParticipant) check(s Snapshot) *ActionError {
	return participantCheck(s, a.ID, a.Name(), "Participants can be muted")
}

func (a RemoveParticipant) check(s Snapshot) *ActionError {
	return participantCheck(s, a.ID, a.Name(), "Participants can be removed")
}

func (a StartHoldMusic) check(s Snapshot) *ActionError {
	return participantCheck(s, a.ID, a.Name(), "Participants can be put on hold")
}

func (a StopHoldMusic) check(s Snapshot) *ActionError {
	return participantCheck(s, a.ID, a.Name(), "Participants can be taken off hold")
}

func participantCheck(s Snapshot, id, name, what string) *ActionError {
	if id == "" {
		return invalid("%s: no participant is named. Take an id from the participants in the call's status.", name)
	}
	return needsGroup(s, what)
}

func (LargeGallery) check(s Snapshot) *ActionError {
	return needsGroup(s, "There is a large gallery")
}
