// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
)

// CallSpec is what every kind of call asks for.
// +kubebuilder:validation:XValidation:rule="self.botRef == oldSelf.botRef",message="botRef cannot change; make a new object"
// +kubebuilder:validation:XValidation:rule="has(self.behavior) == has(oldSelf.behavior) && (!has(self.behavior) || self.behavior == oldSelf.behavior)",message="behavior cannot change; make a new object"
// +kubebuilder:validation:XValidation:rule="has(self.modalities) == has(oldSelf.modalities) && (!has(self.modalities) || self.modalities == oldSelf.modalities)",message="modalities cannot change: a call has those it began with; make a new object"
// +kubebuilder:validation:XValidation:rule="oldSelf.desiredState != 'Ended' || self.desiredState == 'Ended'",message="an ended call cannot be connected again; make a new object"
type CallSpec struct {
	// botRef is the bot that takes part, in the same namespace.
	// +required
	BotRef BotReference `json:"botRef"`

	// desiredState: set Ended to make the bot leave.
	// +optional
	// +default="Connected"
	DesiredState DesiredState `json:"desiredState,omitempty"`

	// behavior is what the bot does in the call; absent, it listens.
	// +optional
	Behavior *Behavior `json:"behavior,omitempty"`

	// modalities of the call, asked for when it begins; absent: those of the bot (media.modalities). A screenSharing other than
	// None brings ScreenSharing along. Where the service hosts the media a call has audio alone.
	// +optional
	Modalities Modalities `json:"modalities,omitempty"`

	// rejoin says what happens when the call ends by a fault.
	// +optional
	// +default={"policy": "OnFailure", "maxAttempts": 3}
	Rejoin Rejoin `json:"rejoin,omitzero"`

	// muted: the bot says nothing. The service drops its audio (group calls and meetings), else the pod sends silence, or plays nothing.
	// +optional
	Muted bool `json:"muted,omitempty"`

	// screenSharing is the bot's part in screen sharing; only in meetings and group calls, with hosting: Application. A call that
	// began without the modality ScreenSharing has none.
	// +optional
	// +default="None"
	ScreenSharing ScreenSharing `json:"screenSharing,omitempty"`

	// recordingStatus is what the bot tells the service about recording, and with it everybody in the call. Nothing of a
	// call may be persisted before the service has taken in "Recording". Absent: "Recording" while behavior.recording records,
	// else "NotRecording". Any other value holds behavior.recording up, for as long as it is there.
	// +optional
	RecordingStatus RecordingStatus `json:"recordingStatus,omitempty"`

	// invite brings others into the call. Entries may be added while it goes on; one taken out is not removed from the
	// call, but an invitation that is still ringing is withdrawn.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Invite []Invitee `json:"invite,omitempty"`

	// leave says when the bot leaves by itself.
	// +optional
	Leave LeaveRules `json:"leave,omitzero"`

	// ttlSecondsAfterFinished deletes the object this long after its end; absent, it is kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// DesiredState of a call.
// +kubebuilder:validation:Enum=Connected;Ended
type DesiredState string

const (
	DesiredConnected DesiredState = "Connected"
	DesiredEnded     DesiredState = "Ended"
)

// Behavior is what the bot does in a call: echo, play, run a flow, or none of them, and recording besides.
// +kubebuilder:validation:XValidation:rule="[has(self.echo), has(self.play), has(self.flowRef)].filter(x, x).size() <= 1",message="echo, play and flowRef exclude each other; set one of them"
// +kubebuilder:validation:XValidation:rule="has(self.echo) || has(self.play) || has(self.flowRef) || has(self.recording)",message="set echo, play, flowRef or recording, or leave behavior out"
type Behavior struct {
	// echo returns what is heard, as it came.
	// +optional
	Echo *Echo `json:"echo,omitempty"`

	// play plays a recording into the call.
	// +optional
	Play *Play `json:"play,omitempty"`

	// flowRef runs a CallFlow. A call keeps the version it began with.
	// +optional
	FlowRef *FlowReference `json:"flowRef,omitempty"`

	// recording keeps what is said in files of the media pod, from when everybody was told that the call is recorded;
	// with hosting: Application.
	// +optional
	Recording *RecordingBehavior `json:"recording,omitempty"`
}

// RecordingBehavior says how a call is recorded. The bot tells the service that it records, and keeps nothing before the service has
// taken that in.
// +kubebuilder:validation:XValidation:rule="!has(self.maxDuration) || duration(self.maxDuration) > duration('0s')",message="maxDuration must be longer than 0s"
type RecordingBehavior struct {
	// format of the files: WAV is 16 kHz, 16 bits, 115 MB an hour; Ogg is Opus, 22 MB an hour, and needs libopus in the media pod.
	// +optional
	// +default="WAV"
	Format RecordingFormat `json:"format,omitempty"`

	// tracks: Mixed is one file with everybody; Participants adds one of the bot, one of everybody else, and one of each speaker
	// whom the far side sends unmixed.
	// +optional
	// +default="Mixed"
	Tracks RecordingTracks `json:"tracks,omitempty"`

	// video is what is kept of what is shown: Screen, Cameras or All, each in a file of its own, as it comes, with the sound of
	// the call if the media pod has libopus. VP8 is in WebM, H.264 in Matroska. Absent: nothing.
	// +optional
	Video RecordingVideo `json:"video,omitempty"`

	// maxDuration after which the recording ends; the call goes on, and everybody is told that it is no longer recorded.
	// +optional
	// +default="4h"
	MaxDuration Duration `json:"maxDuration,omitempty"`

	// maxSize of all files together, after which the recording ends as after maxDuration. A camera that sends 1.5 Mbit/s has 700 MB an hour.
	// +optional
	// +default="10Gi"
	MaxSize Size `json:"maxSize,omitempty"`
}

// RecordingVideo is which of what is shown is kept.
// +kubebuilder:validation:Enum=Screen;Cameras;All
type RecordingVideo string

const (
	VideoScreen  RecordingVideo = "Screen"
	VideoCameras RecordingVideo = "Cameras"
	VideoAll     RecordingVideo = "All"
)

// RecordingFormat is a kind of files.
// +kubebuilder:validation:Enum=WAV;Ogg
type RecordingFormat string

const (
	RecordingWAV RecordingFormat = "WAV"
	RecordingOgg RecordingFormat = "Ogg"
)

// RecordingTracks is what has a file of its own.
// +kubebuilder:validation:Enum=Mixed;Participants
type RecordingTracks string

const (
	TracksMixed        RecordingTracks = "Mixed"
	TracksParticipants RecordingTracks = "Participants"
)

// Echo has no settings.
type Echo struct{}

// Play plays a WAV file.
// +kubebuilder:validation:XValidation:rule="has(self.configMap) != has(self.url)",message="exactly one of configMap and url must be set"
type Play struct {
	// configMap holds the file under binaryData, in the same namespace.
	// +optional
	ConfigMap *KeyReference `json:"configMap,omitempty"`

	// url of the file.
	// +optional
	URL HTTPSURL `json:"url,omitempty"`

	// loop repeats it until the call ends.
	// +optional
	Loop bool `json:"loop,omitempty"`
}

// Rejoin policy.
type Rejoin struct {
	// policy: OnFailure rejoins after a lost pod or a fault of media or service, unless somebody would be called a second time;
	// RingAgain, of an outgoing group call, does so even then: everybody in spec.to is called again; Never does not rejoin.
	// +optional
	// +default="OnFailure"
	// +kubebuilder:validation:Enum=Never;OnFailure;RingAgain
	Policy RejoinPolicy `json:"policy,omitempty"`

	// maxAttempts counts joins, the first included.
	// +optional
	// +default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxAttempts int32 `json:"maxAttempts,omitempty"`
}

// RejoinPolicy says whether a call that ended by a fault is made again.
type RejoinPolicy string

const (
	RejoinNever     RejoinPolicy = "Never"
	RejoinOnFailure RejoinPolicy = "OnFailure"
	// RejoinRingAgain makes a group call again that was established or rang already.
	RejoinRingAgain RejoinPolicy = "RingAgain"
)

// Modality is a kind of media.
// +kubebuilder:validation:Enum=Audio;Video;ScreenSharing
type Modality string

const (
	ModalityAudio         Modality = "Audio"
	ModalityVideo         Modality = "Video"
	ModalityScreenSharing Modality = "ScreenSharing"
)

// Modalities are the kinds of media a call has.
// +listType=set
// +kubebuilder:validation:MinItems=1
// +kubebuilder:validation:MaxItems=3
// +kubebuilder:validation:XValidation:rule="self.exists(m, m == 'Audio')",message="modalities must include Audio: every call has it"
type Modalities []Modality

// ScreenSharing is the bot's part in screen sharing.
// +kubebuilder:validation:Enum=None;Viewer;Sharer
type ScreenSharing string

const (
	ScreenSharingNone   ScreenSharing = "None"
	ScreenSharingViewer ScreenSharing = "Viewer"
	ScreenSharingSharer ScreenSharing = "Sharer"
)

// RecordingStatus is what is told about recording (Graph, "call: updateRecordingStatus").
// +kubebuilder:validation:Enum=NotRecording;Recording;Failed
type RecordingStatus string

const (
	NotRecording    RecordingStatus = "NotRecording"
	Recording       RecordingStatus = "Recording"
	RecordingFailed RecordingStatus = "Failed"
)

// Identity names somebody to the service: exactly one of the members.
// +kubebuilder:validation:XValidation:rule="[has(self.user), has(self.phone), has(self.application)].filter(x, x).size() == 1",message="exactly one of user, phone and application must be set"
type Identity struct {
	// user is the directory object id of a person.
	// +optional
	User GUID `json:"user,omitempty"`

	// phone is a telephone number in E.164 form, such as +12065550100.
	// +optional
	Phone PhoneNumber `json:"phone,omitempty"`

	// application is the id of another bot, to which a call that comes in may be redirected; Graph calls and transfers to users and
	// telephones only. A resource account is a user of the directory: name it by its object id as user.
	// +optional
	Application GUID `json:"application,omitempty"`
}

// PhoneNumber in E.164 form.
// +kubebuilder:validation:Pattern=`^\+[1-9][0-9]{1,14}$`
// +kubebuilder:validation:MaxLength=16
type PhoneNumber string

// Invitee is somebody to bring into the call.
type Invitee struct {
	Identity `json:",inline"`

	// hidden keeps the invited party out of the others' roster.
	// +optional
	Hidden bool `json:"hidden,omitempty"`
}

// LeaveRules say when the bot leaves by itself; a rule that is absent or 0s does not apply, but for mediaLostTimeout.
type LeaveRules struct {
	// lobbyTimeout is how long the bot waits to be admitted. The service has a limit of its own, about 30 minutes.
	// +optional
	LobbyTimeout Duration `json:"lobbyTimeout,omitempty"`

	// aloneTimeout is how long the bot stays once everybody else has left.
	// +optional
	AloneTimeout Duration `json:"aloneTimeout,omitempty"`

	// onlyBots: with nobody but bots in the call, the bot counts as alone; aloneTimeout says how long it stays then, and
	// absent it leaves after ten seconds.
	// +optional
	OnlyBots bool `json:"onlyBots,omitempty"`

	// silenceTimeout is how long nothing is heard before the bot leaves; with hosting: Application.
	// +optional
	SilenceTimeout Duration `json:"silenceTimeout,omitempty"`

	// mediaLostTimeout is how long the bot stays in a call whose media connection is lost, with hosting: Application: so
	// long the far side may restart ICE or connect anew. Absent: 30s, as long as a far side goes on sending to somebody it
	// does not hear of (RFC 7675). 0s: it does not leave.
	// +optional
	MediaLostTimeout *Duration `json:"mediaLostTimeout,omitempty"`

	// maxDuration is how long the bot stays at the most, from when it was in.
	// +optional
	MaxDuration Duration `json:"maxDuration,omitempty"`
}

// Duration in Go's notation, such as 90s or 1h30m; at most a week.
// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$`
// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('168h')",message="at most 168h"
// +kubebuilder:validation:MaxLength=32
type Duration string

// Duration is the length of time; zero if there is none.
func (d Duration) Duration() time.Duration {
	length, _ := time.ParseDuration(string(d)) // the schema lets nothing else through
	return length
}

// Size is a number of bytes as Kubernetes writes quantities, in whole numbers, such as 500Mi.
// +kubebuilder:validation:Pattern=`^[1-9][0-9]{0,4}(Mi|Gi|Ti)$`
// +kubebuilder:validation:MaxLength=7
type Size string

// Bytes is how many they are; zero if there is none.
func (s Size) Bytes() int64 {
	q, err := resource.ParseQuantity(string(s)) // the schema lets nothing else through
	if err != nil {
		return 0
	}
	return q.Value()
}
