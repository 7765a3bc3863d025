// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Conditions every kind may carry. Reconciling and Stalled follow kstatus: they exist only while true.
const (
	// ConditionReady: the object does what it is for.
	ConditionReady = "Ready"
	// ConditionReconciling: the operator is working towards the spec and expects to get there.
	ConditionReconciling = "Reconciling"
	// ConditionStalled: the operator cannot get there until somebody changes something.
	ConditionStalled = "Stalled"
)

// Reasons of CallingBot.
const (
	// ReasonServing: the wanted number of pods takes calls.
	ReasonServing = "Serving"
	// ReasonScaledToZero: no pods are wanted.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonPodsNotReady: fewer pods than wanted take calls.
	ReasonPodsNotReady = "PodsNotReady"
	// ReasonSecretNotFound: the Secret of the credential, or its key, does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonCABundleNotFound: the ConfigMap of the CA bundle, or its key, does not exist.
	ReasonCABundleNotFound = "CABundleNotFound"
	// ReasonTemplateInvalid: spec.template cannot be merged onto a pod.
	ReasonTemplateInvalid = "TemplateInvalid"
	// ReasonPortsExhausted: the port range has fewer ports than pods are wanted.
	ReasonPortsExhausted = "PortsExhausted"
	// ReasonWriteRefused: the API server refuses something that the bot needs, or its name is taken.
	ReasonWriteRefused = "WriteRefused"
	// ReasonCredentialsRejected: the login service refused the bot's credential.
	ReasonCredentialsRejected = "CredentialsRejected"
)

// Conditions and reasons of MediaPod.
const (
	// ConditionEndpointReady: the public address is known.
	ConditionEndpointReady = "EndpointReady"
	// ConditionCertificateReady: the certificate exists, is valid and covers the endpoint.
	ConditionCertificateReady = "CertificateReady"
	// ConditionPodReady: the Pod is ready.
	ConditionPodReady = "PodReady"

	ReasonReady              = "Ready"
	ReasonDraining           = "Draining"
	ReasonWaitingForAddress  = "WaitingForAddress"
	ReasonWaitingForNode     = "WaitingForNode"
	ReasonAssigned           = "Assigned"
	ReasonIssued             = "Issued"
	ReasonNameMismatch       = "NameMismatch"
	ReasonExpired            = "Expired"
	ReasonCertificateInvalid = "CertificateInvalid"
	ReasonPodPending         = "PodPending"
	ReasonPodStarting        = "PodStarting"
	ReasonPodCrashed         = "PodCrashed"
	ReasonPodConflict        = "PodConflict"
	// ReasonIssuing: the operator is about to make the certificate.
	ReasonIssuing = "Issuing"
	// ReasonPodNotReady: the process started, but its readiness probe fails or its node is lost.
	ReasonPodNotReady = "PodNotReady"
	// ReasonPodRejected: the API server refuses the Pod, by validation, quota or Pod Security.
	ReasonPodRejected         = "PodRejected"
	ReasonAgentSilent         = "AgentSilent"
	ReasonAgentNotReady       = "AgentNotReady"
	ReasonLoginUnreachable    = "LoginUnreachable"
	ReasonSigningKeysMissing  = "SigningKeysMissing"
	ReasonEndpointUnavailable = "EndpointUnavailable"
)

// Conditions of a call.
const (
	// ConditionAssigned: a media pod was chosen.
	ConditionAssigned = "Assigned"
	// ConditionConnected: the bot is in the call.
	ConditionConnected = "Connected"
	// ConditionMediaFlowing: packets and energy were measured, lately.
	ConditionMediaFlowing = "MediaFlowing"
	// ConditionNeedsAttention: somebody should look. Present only while true.
	ConditionNeedsAttention = "NeedsAttention"
	// ConditionFinished: the call is over for good. Present only once true.
	ConditionFinished = "Finished"
)

// Reasons of calls.
const (
	// ReasonBound: the session was given a seat.
	ReasonBound = "Bound"
	// ReasonScheduled: startTime is ahead.
	ReasonScheduled = "Scheduled"
	// ReasonBotNotFound: no such CallingBot in the session's namespace.
	ReasonBotNotFound = "BotNotFound"
	// ReasonNoSeat: no pod of the bot has a free seat now.
	ReasonNoSeat = "NoSeat"
	// ReasonPodRefused: the pod chosen refused; another is looked for.
	ReasonPodRefused = "PodRefused"
	// ReasonRejoining: the call ended by a fault and is made again.
	ReasonRejoining = "Rejoining"
	// ReasonAlreadyInMeeting: another session of the bot is in this meeting.
	ReasonAlreadyInMeeting = "AlreadyInMeeting"
	// ReasonFinished: the session is over.
	ReasonFinished = "Finished"

	ReasonJoining     = "Joining"
	ReasonInLobby     = "InLobby"
	ReasonEstablished = "Established"
	ReasonLeaving     = "Leaving"
	ReasonEnded       = "Ended"

	ReasonFlowing     = "Flowing"
	ReasonNoPackets   = "NoPackets"
	ReasonSilence     = "Silence"
	ReasonNotMeasured = "NotMeasured"
)

// EndReason is why a call is over.
// +kubebuilder:validation:Enum=EndedByBot;EndTimeReached;SessionDeleted;MeetingEnded;RemovedFromMeeting;EveryoneLeft;LobbyTimeout;LobbyDenied;MediaUnreachable;MediaLost;KeepAliveTimeout;CallLost;PodLost;PodStopped;NoSeatInTime;PermissionMissing;TenantNotConsented;AuthenticationFailed;MeetingNotFound;InvalidMeeting;InvalidBehavior;Throttled;ServiceError;Unknown
type EndReason string

const (
	// EndedByBot: desiredState was set to Ended.
	EndedByBot EndReason = "EndedByBot"
	// EndTimeReached: the bot left at endTime.
	EndTimeReached EndReason = "EndTimeReached"
	// EndSessionDeleted: the object was deleted and the bot left.
	EndSessionDeleted EndReason = "SessionDeleted"
	// EndMeetingEnded: the meeting was ended.
	EndMeetingEnded EndReason = "MeetingEnded"
	// EndRemovedFromMeeting: somebody removed the bot.
	EndRemovedFromMeeting EndReason = "RemovedFromMeeting"
	// EndEveryoneLeft: the service closed a meeting nobody was in.
	EndEveryoneLeft EndReason = "EveryoneLeft"
	// EndLobbyTimeout: nobody admitted the bot in time.
	EndLobbyTimeout EndReason = "LobbyTimeout"
	// EndLobbyDenied: somebody refused the bot.
	EndLobbyDenied EndReason = "LobbyDenied"
	// EndMediaUnreachable: the far side could not reach the pod's media port.
	EndMediaUnreachable EndReason = "MediaUnreachable"
	// EndMediaLost: the media connection broke during the call.
	EndMediaLost EndReason = "MediaLost"
	// EndKeepAliveTimeout: the service heard no keepAlive for 45 minutes.
	EndKeepAliveTimeout EndReason = "KeepAliveTimeout"
	// EndCallLost: the service does not know the call any more and never said why.
	EndCallLost EndReason = "CallLost"
	// EndPodLost: the process that held the call is gone.
	EndPodLost EndReason = "PodLost"
	// EndPodStopped: the pod was told to stop and its grace period ran out.
	EndPodStopped EndReason = "PodStopped"
	// EndNoSeatInTime: endTime passed before a seat was free.
	EndNoSeatInTime EndReason = "NoSeatInTime"
	// EndPermissionMissing: the bot lacks a Graph application permission.
	EndPermissionMissing EndReason = "PermissionMissing"
	// EndTenantNotConsented: the meeting's tenant has not consented to the bot.
	EndTenantNotConsented EndReason = "TenantNotConsented"
	// EndAuthenticationFailed: the login service refused the credential.
	EndAuthenticationFailed EndReason = "AuthenticationFailed"
	// EndMeetingNotFound: no such meeting, or a wrong passcode.
	EndMeetingNotFound EndReason = "MeetingNotFound"
	// EndInvalidMeeting: the join link cannot be understood.
	EndInvalidMeeting EndReason = "InvalidMeeting"
	// EndInvalidBehavior: what the bot should do cannot be done, such as a WAV file that is none.
	EndInvalidBehavior EndReason = "InvalidBehavior"
	// EndThrottled: Graph refused because of a limit.
	EndThrottled EndReason = "Throttled"
	// EndServiceError: the service failed.
	EndServiceError EndReason = "ServiceError"
	// EndUnknown: a code without a known meaning; the result holds it as it came.
	EndUnknown EndReason = "Unknown"
)

// EndReasons is the closed list, for those who translate into it.
var EndReasons = []EndReason{
	EndedByBot, EndTimeReached, EndSessionDeleted, EndMeetingEnded, EndRemovedFromMeeting, EndEveryoneLeft,
	EndLobbyTimeout, EndLobbyDenied, EndMediaUnreachable, EndMediaLost, EndKeepAliveTimeout, EndCallLost, EndPodLost,
	EndPodStopped, EndNoSeatInTime, EndPermissionMissing, EndTenantNotConsented, EndAuthenticationFailed,
	EndMeetingNotFound, EndInvalidMeeting, EndInvalidBehavior, EndThrottled, EndServiceError, EndUnknown,
}
