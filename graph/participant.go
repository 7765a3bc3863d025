// SPDX-License-Identifier: Apache-2.0

package graph

import "bytes"

// Participant is one member of a call's roster.
type Participant struct {
	ID           string          `json:"id,omitempty"` // may be missing
	Info         ParticipantInfo `json:"info"`
	IsInLobby    bool            `json:"isInLobby"`
	IsMuted      bool            `json:"isMuted"`
	MediaStreams []MediaStream   `json:"mediaStreams,omitempty"`
	// Metadata is a JSON text of the participant's own.
	Metadata             string         `json:"metadata,omitempty"`
	RecordingInfo        *RecordingInfo `json:"recordingInfo,omitempty"`
	RemovedState         *RemovedState  `json:"removedState,omitempty"` // set in a delta: this one has left
	RosterSequenceNumber Sequence       `json:"rosterSequenceNumber,omitempty"`
}

func (p Participant) MarshalJSON() ([]byte, error) {
	type plain Participant
	return encode("participant", plain(p))
}

// ParticipantInfo is who a participant is and where.
type ParticipantInfo struct {
	Identity      IdentitySet `json:"identity"`
	ParticipantID string      `json:"participantId,omitempty"`
	Region        string      `json:"region,omitempty"`
	LanguageID    string      `json:"languageId,omitempty"`
	CountryCode   string      `json:"countryCode,omitempty"`
	EndpointType  string      `json:"endpointType,omitempty"`
}

func (i ParticipantInfo) MarshalJSON() ([]byte, error) {
	type plain ParticipantInfo
	return encode("participantInfo", plain(i))
}

// InvitationParticipantInfo is somebody to be called.
type InvitationParticipantInfo struct {
	Identity       IdentitySet `json:"identity"`
	ParticipantID  string      `json:"participantId,omitempty"`
	ReplacesCallID string      `json:"replacesCallId,omitempty"`
	Hidden         bool        `json:"hidden,omitempty"`
}

func (i InvitationParticipantInfo) MarshalJSON() ([]byte, error) {
	type plain InvitationParticipantInfo
	return encode("invitationParticipantInfo", plain(i))
}

// MediaStream is one stream of a participant.
type MediaStream struct {
	MediaType   Modality       `json:"mediaType,omitempty"`
	Label       string         `json:"label,omitempty"` // main-audio, main-video, applicationsharing-video, data
	SourceID    MSI            `json:"sourceId,omitempty"`
	Direction   MediaDirection `json:"direction,omitempty"`
	ServerMuted bool           `json:"serverMuted"`
}

func (m MediaStream) MarshalJSON() ([]byte, error) {
	type plain MediaStream
	return encode("mediaStream", plain(m))
}

// MSI is the id of a media source: a uint32 in the media stack, a string in JSON, now and then a number.
type MSI string

func (m *MSI) UnmarshalJSON(data []byte) error {
	if text := bytes.Trim(data, `"`); !bytes.Equal(text, []byte("null")) {
		*m = MSI(text)
	}
	return nil
}

// RecordingInfo is whether a participant records.
type RecordingInfo struct {
	Status    RecordingStatus `json:"recordingStatus,omitempty"`
	Initiator *IdentitySet    `json:"initiator,omitempty"`
}

func (r RecordingInfo) MarshalJSON() ([]byte, error) {
	type plain RecordingInfo
	return encode("recordingInfo", plain(r))
}

// RemovedState is why a participant is no longer there.
type RemovedState struct {
	Reason string `json:"reason,omitempty"`
}

func (r RemovedState) MarshalJSON() ([]byte, error) {
	type plain RemovedState
	return encode("removedState", plain(r))
}
