// SPDX-License-Identifier: Apache-2.0

package graph

// Every enum of Graph is open. A member listed here decodes from any casing to its constant; any other is kept as it came.

// CallState is where a call stands.
type CallState string

const (
	StateIncoming         CallState = "incoming"
	StateEstablishing     CallState = "establishing"
	StateRinging          CallState = "ringing" // in the documentation, not in the metadata
	StateEstablished      CallState = "established"
	StateHold             CallState = "hold"
	StateTransferring     CallState = "transferring"
	StateTransferAccepted CallState = "transferAccepted"
	StateRedirecting      CallState = "redirecting"
	StateTerminating      CallState = "terminating"
	StateTerminated       CallState = "terminated"
)

var callStates = []CallState{
	StateEstablished, StateEstablishing, StateTerminated, StateTerminating, StateIncoming, StateRinging, StateHold,
	StateTransferring, StateTransferAccepted, StateRedirecting,
}

func (s *CallState) UnmarshalText(text []byte) error {
	*s = canonical(text, callStates)
	return nil
}

// Rank orders states along a call's life. Notifications may arrive out of order, so an update to a state of
// lower rank is stale, with one exception: a failed transfer goes from transferring back to established,
// and then carries a resultInfo. Hold ranks with established, since a call goes back and forth between the two.
// A state this package does not know ranks -1.
func (s CallState) Rank() int {
	switch s {
	case StateIncoming:
		return 0
	case StateEstablishing:
		return 1
	case StateRinging:
		return 2
	case StateEstablished, StateHold:
		return 3
	case StateTransferring, StateTransferAccepted, StateRedirecting:
		return 4
	case StateTerminating:
		return 5
	case StateTerminated:
		return 6
	}
	return -1
}

// ChangeType is what a notification says happened to its resource.
type ChangeType string

const (
	Created ChangeType = "created"
	Updated ChangeType = "updated"
	Deleted ChangeType = "deleted"
)

func (c *ChangeType) UnmarshalText(text []byte) error {
	*c = canonical(text, []ChangeType{Updated, Created, Deleted})
	return nil
}

// CallDirection is seen from the bot.
type CallDirection string

const (
	DirectionIncoming CallDirection = "incoming"
	DirectionOutgoing CallDirection = "outgoing"
)

func (d *CallDirection) UnmarshalText(text []byte) error {
	*d = canonical(text, []CallDirection{DirectionIncoming, DirectionOutgoing})
	return nil
}

// Modality is a kind of media.
type Modality string

const (
	ModalityAudio              Modality = "audio"
	ModalityVideo              Modality = "video"
	ModalityVideoScreenSharing Modality = "videoBasedScreenSharing"
	ModalityData               Modality = "data"
)

var modalities = []Modality{ModalityAudio, ModalityVideo, ModalityVideoScreenSharing, ModalityData}

func (m *Modality) UnmarshalText(text []byte) error {
	*m = canonical(text, modalities)
	return nil
}

// MediaState tells whether the service has media running for a call.
type MediaState string

const (
	MediaActive   MediaState = "active"
	MediaInactive MediaState = "inactive"
)

func (m *MediaState) UnmarshalText(text []byte) error {
	*m = canonical(text, []MediaState{MediaActive, MediaInactive})
	return nil
}

// MediaDirection is seen from the participant whose stream it is.
type MediaDirection string

const (
	MediaDirectionInactive MediaDirection = "inactive"
	MediaSendOnly          MediaDirection = "sendOnly"
	MediaReceiveOnly       MediaDirection = "receiveOnly"
	MediaSendReceive       MediaDirection = "sendReceive"
)

var mediaDirections = []MediaDirection{MediaSendReceive, MediaReceiveOnly, MediaSendOnly, MediaDirectionInactive}

func (d *MediaDirection) UnmarshalText(text []byte) error {
	*d = canonical(text, mediaDirections)
	return nil
}

// OperationStatus decodes from the PascalCase of the metadata as well as from the lower camel of most payloads.
type OperationStatus string

const (
	OperationNotStarted OperationStatus = "notStarted"
	OperationRunning    OperationStatus = "running"
	OperationCompleted  OperationStatus = "completed"
	OperationFailed     OperationStatus = "failed"
)

var operationStatuses = []OperationStatus{OperationCompleted, OperationFailed, OperationRunning, OperationNotStarted}

func (s *OperationStatus) UnmarshalText(text []byte) error {
	*s = canonical(text, operationStatuses)
	return nil
}

// RejectReason is what a rejected caller is told.
type RejectReason string

const (
	RejectNone      RejectReason = "none"
	RejectBusy      RejectReason = "busy"
	RejectForbidden RejectReason = "forbidden"
)

// RecordingStatus is a participant's word on whether it records.
type RecordingStatus string

const (
	RecordingUnknown RecordingStatus = "unknown"
	NotRecording     RecordingStatus = "notRecording"
	Recording        RecordingStatus = "recording"
	RecordingFailed  RecordingStatus = "failed"
)

var recordingStatuses = []RecordingStatus{NotRecording, Recording, RecordingFailed, RecordingUnknown}

func (s *RecordingStatus) UnmarshalText(text []byte) error {
	*s = canonical(text, recordingStatuses)
	return nil
}

// ScreenSharingRole is what the bot does about screen sharing.
type ScreenSharingRole string

const (
	ScreenSharingViewer ScreenSharingRole = "viewer"
	ScreenSharingSharer ScreenSharingRole = "sharer"
)

// RoutingMode is how an audio routing group sends audio.
type RoutingMode string

const (
	RoutingOneToOne  RoutingMode = "oneToOne"  // one source, one receiver
	RoutingMulticast RoutingMode = "multicast" // one source, several receivers
)

func (m *RoutingMode) UnmarshalText(text []byte) error {
	*m = canonical(text, []RoutingMode{RoutingOneToOne, RoutingMulticast})
	return nil
}
