// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"slices"
	"strings"
)

// Call is a call as it is created, read and notified. A notification carries only what changed: merge it, do not replace with it.
type Call struct {
	ID                  string                      `json:"id,omitempty"`
	CallbackURI         string                      `json:"callbackUri,omitempty"`
	State               CallState                   `json:"state,omitempty"`
	Direction           CallDirection               `json:"direction,omitempty"`
	Subject             string                      `json:"subject,omitempty"`
	TenantID            string                      `json:"tenantId,omitempty"`
	CallChainID         string                      `json:"callChainId,omitempty"`
	MyParticipantID     string                      `json:"myParticipantId,omitempty"`
	Source              *ParticipantInfo            `json:"source,omitempty"`
	Targets             []InvitationParticipantInfo `json:"targets,omitempty"`
	RequestedModalities []Modality                  `json:"requestedModalities,omitempty"`
	MediaConfig         *MediaConfig                `json:"mediaConfig,omitempty"`
	CallOptions         *CallOptions                `json:"callOptions,omitempty"`
	ChatInfo            *ChatInfo                   `json:"chatInfo,omitempty"`
	MeetingInfo         *MeetingInfo                `json:"meetingInfo,omitempty"`
	MediaState          *CallMediaState             `json:"mediaState,omitempty"`
	ResultInfo          *ResultInfo                 `json:"resultInfo,omitempty"`
	ToneInfo            *ToneInfo                   `json:"toneInfo,omitempty"`
	Transcription       *CallTranscription          `json:"transcription,omitempty"`
	IncomingContext     *IncomingContext            `json:"incomingContext,omitempty"`
	CallRoutes          []CallRoute                 `json:"callRoutes,omitempty"`

	// Not in the v1.0 metadata, but on its wire.
	AnsweredBy        *ParticipantInfo `json:"answeredBy,omitempty"`
	TerminationReason string           `json:"terminationReason,omitempty"`
	ActiveModalities  []Modality       `json:"activeModalities,omitempty"`
	// ApplicationMetadata comes with calls that a recording policy sends to the bot.
	ApplicationMetadata *ApplicationMetadata `json:"applicationMetadata,omitempty"`
}

func (c Call) MarshalJSON() ([]byte, error) {
	type plain Call
	return encode("call", plain(c))
}

// String names the call without its secrets (blob, token, passcode).
func (c Call) String() string { return "call " + c.ID + " " + string(c.State) }

// MarshalLog keeps the secrets of a call out of structured logs.
func (c Call) MarshalLog() any { return c.String() }

// AudioActive reports whether the service says audio flows.
func (c *Call) AudioActive() bool { return c.MediaState != nil && c.MediaState.Audio == MediaActive }

// RecordsByPolicy reports whether an incoming call comes to the bot because somebody in it is under a recording policy: the service says
// so in its metadata, or names the person to be observed as the one who calls, and gives the token of the call to be recorded.
func (c *Call) RecordsByPolicy() bool {
	if m := c.ApplicationMetadata; m != nil && slices.ContainsFunc(m.BotData.InviteReasons, func(r string) bool { return strings.EqualFold(r, "PolicyBasedRecording") }) {
		return true
	}
	in := c.IncomingContext
	return in != nil && in.ObservedParticipantID != "" && SameID(in.ObservedParticipantID, in.SourceParticipantID) &&
		c.MeetingInfo != nil && c.MeetingInfo.Token != ""
}

// ApplicationMetadata is what the service tells a bot that records by policy.
type ApplicationMetadata struct {
	BotData BotData `json:"botData"`
}

// BotData is who is to be recorded, and why.
type BotData struct {
	MediaHostedRegion string   `json:"mediaHostedRegion,omitempty"`
	InviteReasons     []string `json:"inviteReasons,omitempty"`
	PolicyIdentifier  string   `json:"policyIdentifier,omitempty"`
}

// CallMediaState is the service's view of the media of a call.
type CallMediaState struct {
	Audio MediaState `json:"audio,omitempty"`
}

func (s CallMediaState) MarshalJSON() ([]byte, error) {
	type plain CallMediaState
	return encode("callMediaState", plain(s))
}

// CallOptions are the options of a call that is created, or, with Incoming, of one that is answered.
type CallOptions struct {
	HideBotAfterEscalation              bool `json:"hideBotAfterEscalation,omitempty"`
	IsContentSharingNotificationEnabled bool `json:"isContentSharingNotificationEnabled,omitempty"`
	IsDeltaRosterEnabled                bool `json:"isDeltaRosterEnabled,omitempty"`
	IsInteractiveRosterEnabled          bool `json:"isInteractiveRosterEnabled,omitempty"`
	Incoming                            bool `json:"-"`
}

func (o CallOptions) MarshalJSON() ([]byte, error) {
	type plain CallOptions
	if o.Incoming {
		return encode("incomingCallOptions", plain(o))
	}
	return encode("outgoingCallOptions", plain(o))
}

func (o *CallOptions) UnmarshalJSON(data []byte) error {
	type plain CallOptions
	wire := struct {
		Type string `json:"@odata.type"`
		*plain
	}{plain: (*plain)(o)}
	err := decode(data, &wire)
	o.Incoming = typeName(wire.Type) == "incomingCallOptions"
	return err
}

// ToneInfo is a key pressed in a call.
type ToneInfo struct {
	SequenceID Sequence `json:"sequenceId"`
	Tone       Tone     `json:"tone,omitempty"`
}

func (t ToneInfo) MarshalJSON() ([]byte, error) {
	type plain ToneInfo
	return encode("toneInfo", plain(t))
}

// CallTranscription is whether the meeting is being transcribed.
type CallTranscription struct {
	State                string `json:"state,omitempty"`
	LastModifiedDateTime string `json:"lastModifiedDateTime,omitempty"`
}

func (t CallTranscription) MarshalJSON() ([]byte, error) {
	type plain CallTranscription
	return encode("callTranscriptionInfo", plain(t))
}

// IncomingContext tells on whose behalf a call comes in.
type IncomingContext struct {
	SourceParticipantID   string       `json:"sourceParticipantId,omitempty"`
	ObservedParticipantID string       `json:"observedParticipantId,omitempty"`
	OnBehalfOf            *IdentitySet `json:"onBehalfOf,omitempty"`
	Transferor            *IdentitySet `json:"transferor,omitempty"`
}

func (i IncomingContext) MarshalJSON() ([]byte, error) {
	type plain IncomingContext
	return encode("incomingContext", plain(i))
}

// CallRoute is a hop the call took before it reached the bot.
type CallRoute struct {
	Original    *IdentitySet `json:"original,omitempty"`
	Final       *IdentitySet `json:"final,omitempty"`
	RoutingType string       `json:"routingType,omitempty"`
}

func (r CallRoute) MarshalJSON() ([]byte, error) {
	type plain CallRoute
	return encode("callRoute", plain(r))
}
