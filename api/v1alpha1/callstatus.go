// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CallPhase is one word for printing; conditions say why.
// +kubebuilder:validation:Enum=Pending;Scheduled;Assigned;Joining;InLobby;Established;Leaving;Completed;Failed
type CallPhase string

const (
	// PhasePending: waiting for a seat, or for something the conditions name.
	PhasePending CallPhase = "Pending"
	// PhaseScheduled: waiting for startTime.
	PhaseScheduled CallPhase = "Scheduled"
	// PhaseAssigned: a media pod was chosen and has not begun.
	PhaseAssigned CallPhase = "Assigned"
	// PhaseJoining: claimed by the pod; the call is being set up.
	PhaseJoining CallPhase = "Joining"
	// PhaseInLobby: waiting to be admitted.
	PhaseInLobby CallPhase = "InLobby"
	// PhaseEstablished: in the call.
	PhaseEstablished CallPhase = "Established"
	// PhaseLeaving: hanging up.
	PhaseLeaving CallPhase = "Leaving"
	// PhaseCompleted: ended as it should.
	PhaseCompleted CallPhase = "Completed"
	// PhaseFailed: ended by a fault; endReason and the Finished condition say which and what to do.
	PhaseFailed CallPhase = "Failed"
)

// Finished reports whether the phase is final.
func (p CallPhase) Finished() bool { return p == PhaseCompleted || p == PhaseFailed }

// CallStatus is the story of a call. The session controller writes phase (Pending, Scheduled, Assigned, Completed,
// Failed), mediaPod, seats, attempts, endReason and the conditions Assigned, NeedsAttention, Finished, Reconciling and Stalled;
// the agent in the pod writes phase (Joining to Leaving), call, participants, media, what became of the spec's wishes
// (recordingStatus, screenSharing, muted, invites), recordings and the conditions Connected, MediaFlowing, Recording and RecordingsStored, and, while
// the call goes on, NeedsAttention with the reasons InviteFailed, Refused, RecordingFailed and NoEffect. Of a call that came in or is adopted without being
// bound, it writes mediaPod and seats too. Both add to the timeline. Every write carries the resourceVersion it was computed from.
type CallStatus struct {
	// observedGeneration is the generation the controller's part speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// +optional
	Phase CallPhase `json:"phase,omitempty"`

	// mediaPod that has the call, or had it last.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	MediaPod string `json:"mediaPod,omitempty"`

	// seats that the call takes on the media pod, by what it used when it got there.
	// +optional
	Seats int32 `json:"seats,omitempty"`

	// attempts counts joins begun, this one included.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// call as Graph knows it; of the last attempt.
	// +optional
	Call *CallRecord `json:"call,omitempty"`

	// endReason is why the call is over: one of a closed list.
	// +optional
	EndReason EndReason `json:"endReason,omitempty"`

	// finishedTime is when the session was over for good.
	// +optional
	FinishedTime *metav1.Time `json:"finishedTime,omitempty"`

	// +optional
	Participants *Participants `json:"participants,omitempty"`

	// recordingStatus as the service last took it in.
	// +optional
	RecordingStatus RecordingStatus `json:"recordingStatus,omitempty"`

	// screenSharing is the part the service last gave the bot.
	// +optional
	ScreenSharing ScreenSharing `json:"screenSharing,omitempty"`

	// muted as the service last took it in.
	// +optional
	Muted bool `json:"muted,omitempty"`

	// invites tells what became of each invitation in spec.invite, in that order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Invites []InviteStatus `json:"invites,omitempty"`

	// media is what was measured.
	// +optional
	Media *MediaStatus `json:"media,omitempty"`

	// flow is where the call is in its CallFlow.
	// +optional
	Flow *FlowStatus `json:"flow,omitempty"`

	// recordings are the files of behavior.recording and of a flow's record steps, those of earlier attempts first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Recordings []RecordedFile `json:"recordings,omitempty"`

	// timeline tells what happened, oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Timeline []TimelineEvent `json:"timeline,omitempty"`

	// conditions: Assigned, Connected, MediaFlowing, NeedsAttention, Finished; Reconciling and Stalled only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// CallRecord is one attempt at a call. It appears when a pod claims the call, before anything is sent to Graph.
type CallRecord struct {
	// claimedBy is the agent instance that makes this call; no other may.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ClaimedBy string `json:"claimedBy"`

	// hosting of the call's media. A call with service-hosted media outlives the process that holds it: another adopts it.
	// +optional
	Hosting Hosting `json:"hosting,omitempty"`

	// id of the call in Graph.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`

	// tenantID is the tenant whose token speaks for the call, if it is not the bot's own.
	// +optional
	TenantID GUID `json:"tenantID,omitempty"`

	// chainID ties the calls of one conversation together; Microsoft's support asks for it.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ChainID string `json:"chainID,omitempty"`

	// scenarioID is sent with every request of this attempt; Microsoft's support asks for it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ScenarioID string `json:"scenarioID,omitempty"`

	// state as Graph last gave it, such as established.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	State string `json:"state,omitempty"`

	// createdTime is when the call was asked for.
	// +optional
	CreatedTime *metav1.MicroTime `json:"createdTime,omitempty"`
	// +optional
	EstablishedTime *metav1.MicroTime `json:"establishedTime,omitempty"`
	// +optional
	EndedTime *metav1.MicroTime `json:"endedTime,omitempty"`

	// result is what Graph said at the end.
	// +optional
	Result *CallResult `json:"result,omitempty"`

	// end is why this attempt is over; set by the agent, absent while it goes on.
	// +optional
	End *CallEnd `json:"end,omitempty"`
}

// CallResult is Graph's resultInfo.
type CallResult struct {
	// +optional
	Code int32 `json:"code"`
	// +optional
	Subcode int32 `json:"subcode"`
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// CallEnd is how one attempt ended.
type CallEnd struct {
	// +required
	Reason EndReason `json:"reason"`
	// message for people: what happened, why, what to do.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// failed: the end was a fault.
	// +optional
	Failed bool `json:"failed,omitempty"`
	// retryable: another attempt may succeed.
	// +optional
	Retryable bool `json:"retryable,omitempty"`
}

// InviteStatus is what became of one invitation.
type InviteStatus struct {
	Identity `json:",inline"`

	// state of the invitation.
	// +required
	State InviteState `json:"state"`

	// message for people, when it failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// InviteState is where an invitation stands.
// +kubebuilder:validation:Enum=Ringing;Joined;Failed;Withdrawn
type InviteState string

const (
	// InviteRinging: the service calls the invited party.
	InviteRinging InviteState = "Ringing"
	// InviteJoined: the invited party came.
	InviteJoined InviteState = "Joined"
	// InviteFailed: the service could not bring the invited party in; the message says why.
	InviteFailed InviteState = "Failed"
	// InviteWithdrawn: taken back before it was taken up.
	InviteWithdrawn InviteState = "Withdrawn"
)

// Participants of a call, the bot included.
type Participants struct {
	// count of those in the call, the lobby left out.
	// +optional
	Count int32 `json:"count"`
	// inLobby counts those who wait.
	// +optional
	InLobby int32 `json:"inLobby"`
	// list of the first fifty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	List []Participant `json:"list,omitempty"`
}

// Participant is somebody in the call.
type Participant struct {
	// id within the call.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id,omitempty"`
	// displayName, if Graph gave one.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName,omitempty"`
	// kind of identity.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Kind string `json:"kind,omitempty"`
	// +optional
	InLobby bool `json:"inLobby,omitempty"`
	// +optional
	Muted bool `json:"muted,omitempty"`
}

// MediaStatus is what was measured on the media path.
type MediaStatus struct {
	// listenURL is where people listen in to the call, by WHEP, with a Kubernetes token that allows them the verb "listen" on
	// the session or call. Absent once the call is over.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ListenURL string `json:"listenURL,omitempty"`

	// listeners counts those who do now; the timeline tells who.
	// +optional
	Listeners int32 `json:"listeners,omitempty"`

	// +optional
	Audio *AudioStatus `json:"audio,omitempty"`
}

// AudioStatus of a call's audio.
type AudioStatus struct {
	// codec in use.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Codec string `json:"codec,omitempty"`
	// +optional
	PacketsReceived int64 `json:"packetsReceived"`
	// +optional
	PacketsSent int64 `json:"packetsSent"`
	// lossPercent of the packets expected, since the start; a decimal.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	LossPercent string `json:"lossPercent,omitempty"`
	// reportedLossPercent of the packets sent to the far side, as it last reported by RTCP; a decimal.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	ReportedLossPercent string `json:"reportedLossPercent,omitempty"`
	// concealedPercent of what was played out was made up, in place of what was lost or came too late; a decimal. Absent while
	// nothing is played out: nobody listens in, records, or needs the samples for anything else.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	ConcealedPercent string `json:"concealedPercent,omitempty"`
	// playoutDelayMs is how long a packet waits in the jitter buffer before it is played out; 0 while nothing is.
	// +optional
	PlayoutDelayMs int32 `json:"playoutDelayMs,omitempty"`
	// jitterMs is the interarrival jitter (RFC 3550 section 6.4.1).
	// +optional
	JitterMs int32 `json:"jitterMs"`
	// roundTripMs from RTCP; 0 while unknown.
	// +optional
	RoundTripMs int32 `json:"roundTripMs"`
	// mos is an estimate of listening quality (ITU-T G.107), 1 to 4.5; a decimal.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	MOS string `json:"mos,omitempty"`
	// energy is the level of the last second heard, in dBov: 0 loudest, -127 silence.
	// +optional
	Energy int32 `json:"energy"`
}

// RecordedFile is one file of a recording. A file with the same name and the ending .json, without the track, says more.
type RecordedFile struct {
	// uri of the file: in the bucket once it is Stored, else as the media pod sees it.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	URI string `json:"uri"`
	// track it has: mixed, others, bot, or speaker- and a number.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	Track string `json:"track,omitempty"`
	// participant who is heard, by id; of one voice, if it is known whose.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Participant string `json:"participant,omitempty"`
	// +optional
	Bytes int64 `json:"bytes"`
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SHA256 string `json:"sha256,omitempty"`
	// startTime is that of the first sound in it.
	// +optional
	StartTime *metav1.MicroTime `json:"startTime,omitempty"`
	// +optional
	Duration Duration `json:"duration,omitempty"`
	// incomplete: its process was killed while it recorded, or the file could not be written to the end.
	// +optional
	Incomplete bool `json:"incomplete,omitempty"`
	// state is how far the file is.
	// +optional
	State RecordingState `json:"state,omitempty"`
	// message says what keeps the file from being stored.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}

// TimelineEvent is one thing that happened.
type TimelineEvent struct {
	// +required
	Time metav1.MicroTime `json:"time"`
	// event in one word.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Event string `json:"event"`
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Detail string `json:"detail,omitempty"`
}
