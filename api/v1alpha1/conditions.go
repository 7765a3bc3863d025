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

// Conditions and reasons of the preflight of a CallingBot.
const (
	// ConditionCredentialsValid: the login service gives tokens for the bot.
	ConditionCredentialsValid = "CredentialsValid"
	// ConditionPermissionsGranted: the tokens carry the roles that the spec's features need, in every tenant served.
	ConditionPermissionsGranted = "PermissionsGranted"
	// ConditionWebhookReachable: the public name of the webhook leads to the router.
	ConditionWebhookReachable = "WebhookReachable"

	// ReasonTokenIssued: a token was had.
	ReasonTokenIssued = "TokenIssued"
	// ReasonCredentialExpired: the client secret or certificate has expired.
	ReasonCredentialExpired = "CredentialExpired"
	// ReasonCredentialExpiring: it will within two weeks. CredentialsValid stays true.
	ReasonCredentialExpiring = "CredentialExpiring"
	// ReasonClockSkewed: the cluster's clock and the login service's differ by more than tokens allow.
	ReasonClockSkewed = "ClockSkewed"
	// ReasonNotChecked: the check could not be made yet.
	ReasonNotChecked = "NotChecked"
	// ReasonRolesGranted: no role is missing.
	ReasonRolesGranted = "RolesGranted"
	// ReasonRolesMissing: a feature of the spec needs a role that no administrator has consented to.
	ReasonRolesMissing = "RolesMissing"
	// ReasonTenantNotConsented: an allowed tenant gives no token for the bot.
	ReasonTenantNotConsented = "TenantNotConsented"
	// ReasonAnswered: the router answered under the public name.
	ReasonAnswered = "Answered"
	// ReasonNameNotResolved: the public name does not resolve from inside the cluster.
	ReasonNameNotResolved = "NameNotResolved"
	// ReasonNoAnswer: nothing answered under the public name.
	ReasonNoAnswer = "NoAnswer"
	// ReasonWrongAnswer: something else than the router answered.
	ReasonWrongAnswer = "WrongAnswer"
	// ReasonUntrustedCertificate: the certificate under the public name is not one that Microsoft would accept.
	ReasonUntrustedCertificate = "UntrustedCertificate"
)

// Conditions and reasons of MediaPod.
const (
	// ConditionEndpointReady: the public address is known.
	ConditionEndpointReady = "EndpointReady"
	// ConditionCertificateReady: the certificate exists, is valid and covers the endpoint.
	ConditionCertificateReady = "CertificateReady"
	// ConditionCertificateRenewed: there is a newer certificate than the one that the platform in the pod shows, and it takes a new
	// pod to show that. Present only while true, and only with media.platform: Microsoft.
	ConditionCertificateRenewed = "CertificateRenewed"
	// ConditionPodReady: the Pod is ready.
	ConditionPodReady = "PodReady"
	// ConditionMediaReachable: the public name and port answered from outside the pod, with the pod's own certificate. Its reasons are
	// those of WebhookReachable, and NameMismatch.
	ConditionMediaReachable = "MediaReachable"

	ReasonReady             = "Ready"
	ReasonDraining          = "Draining"
	ReasonWaitingForAddress = "WaitingForAddress"
	ReasonPlatformNotReady  = "PlatformNotReady"
	ReasonWaitingForNode    = "WaitingForNode"
	ReasonAssigned          = "Assigned"
	ReasonIssued            = "Issued"
	ReasonNameMismatch      = "NameMismatch"
	ReasonExpired           = "Expired"
	// ReasonRenewed: the certificate was renewed.
	ReasonRenewed            = "Renewed"
	ReasonCertificateInvalid = "CertificateInvalid"
	ReasonPodPending         = "PodPending"
	ReasonPodStarting        = "PodStarting"
	ReasonPodCrashed         = "PodCrashed"
	ReasonPodConflict        = "PodConflict"
	// ReasonIssuing: the operator is about to make the certificate.
	ReasonIssuing = "Issuing"
	// ReasonCertManagerMissing: the certificate is to come from cert-manager, which the cluster does not have.
	ReasonCertManagerMissing = "CertManagerMissing"
	// ReasonIssuanceFailed: cert-manager says that the certificate could not be issued.
	ReasonIssuanceFailed = "IssuanceFailed"
	// ReasonPodNotReady: the process started, but its readiness probe fails or its node is lost.
	ReasonPodNotReady = "PodNotReady"
	// ReasonPodRejected: the API server refuses the Pod, by validation, quota or Pod Security.
	ReasonPodRejected         = "PodRejected"
	ReasonAgentSilent         = "AgentSilent"
	ReasonAgentNotReady       = "AgentNotReady"
	ReasonLoginUnreachable    = "LoginUnreachable"
	ReasonSigningKeysMissing  = "SigningKeysMissing"
	ReasonEndpointUnavailable = "EndpointUnavailable"
	// ReasonPortConflict: the port is somebody else's already.
	ReasonPortConflict = "PortConflict"
)

// Conditions and reasons of CallFlow.
const (
	// ConditionValid: new calls run the flow as it is written now. While it is not, they run the last version that was.
	ConditionValid = "Valid"

	// ReasonValid: there is no mistake in it.
	ReasonValid = "Valid"
	// ReasonInvalid: the flow has mistakes.
	ReasonInvalid = "Invalid"
	// ReasonSubflowMissing: a flow that it leads to does not exist.
	ReasonSubflowMissing = "SubflowMissing"
	// ReasonSubflowInvalid: a flow that it leads to has mistakes.
	ReasonSubflowInvalid = "SubflowInvalid"
	// ReasonPromptMissing: a prompt's ConfigMap, or its key, does not exist.
	ReasonPromptMissing = "PromptMissing"
	// ReasonPromptUnplayable: a prompt's file is none that can be played.
	ReasonPromptUnplayable = "PromptUnplayable"
	// ReasonTooLarge: the flow and those it leads to do not fit in a ControllerRevision.
	ReasonTooLarge = "TooLarge"
)

// The condition of CallingBot about its flows, present while its rules for incoming calls name any.
const (
	// ConditionFlowsValid: all flows that the rules name exist and are valid.
	ConditionFlowsValid = "FlowsValid"

	// ReasonFlowsValid: they are.
	ReasonFlowsValid = "FlowsValid"
	// ReasonFlowMissing: one of them does not exist, or never was valid; its calls cannot be served.
	ReasonFlowMissing = "FlowMissing"
	// ReasonFlowInvalid: one of them is not valid; calls run the last version that was.
	ReasonFlowInvalid = "FlowInvalid"
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
	// ConditionRecording: everybody in the call was told that it is recorded. Present once it was asked for.
	ConditionRecording = "Recording"
	// ConditionRecordingsStored: all recordings of the call are in the bucket. Present once there is one to be stored.
	ConditionRecordingsStored = "RecordingsStored"
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
	// ReasonAdopting: the pod that held the call is gone; another takes the call over, which goes on.
	ReasonAdopting = "Adopting"
	// ReasonAnnounced: the service has taken in that the call is recorded.
	ReasonAnnounced = "Announced"
	// ReasonNotAnnounced: the service has not been told, or was told that recording ended.
	ReasonNotAnnounced = "NotAnnounced"
	// ReasonAnnouncementRefused: the service refused to take it in.
	ReasonAnnouncementRefused = "AnnouncementRefused"
	// ReasonInviteFailed: somebody in spec.invite could not be brought in.
	ReasonInviteFailed = "InviteFailed"
	// ReasonRefused: the service refused something that the spec asks for.
	ReasonRefused = "Refused"
	// ReasonRecordingFailed: what behavior.recording keeps cannot be kept any more.
	ReasonRecordingFailed = "RecordingFailed"
	// ReasonStored: the bucket has every file, and gave back what it was given.
	ReasonStored = "Stored"
	// ReasonUploading: files are on their way to the bucket.
	ReasonUploading = "Uploading"
	// ReasonUploadFailed: the bucket does not take them; it is tried again.
	ReasonUploadFailed = "UploadFailed"
	// ReasonRecordingsLost: files were lost before they were stored.
	ReasonRecordingsLost = "RecordingsLost"
	// ReasonNoEffect: the spec asks for something that cannot come about in this call.
	ReasonNoEffect = "NoEffect"
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
	// ReasonWaitingForRestart: nothing comes over the media connection; the far side may restart ICE.
	ReasonWaitingForRestart = "WaitingForRestart"
	// ReasonConnectionLost: the far side ended the media connection; it may make another.
	ReasonConnectionLost = "ConnectionLost"
)

// EndReason is why a call is over.
// +kubebuilder:validation:Enum=EndedByBot;EndTimeReached;FlowEnded;FlowFailed;SessionDeleted;MeetingEnded;RemovedFromMeeting;EveryoneLeft;AloneTimeout;OnlyBotsLeft;SilenceTimeout;MaxDurationReached;RemoteHungUp;CallDeclined;NoAnswer;CalleeUnreachable;CallerGaveUp;AnsweredTooLate;Transferred;InvalidTarget;PhoneNotEnabled;LobbyTimeout;LobbyDenied;MediaUnreachable;MediaLost;KeepAliveTimeout;CallLost;PodLost;PodStopped;DrainDeadlineReached;NoSeatInTime;PermissionMissing;TenantNotConsented;AuthenticationFailed;MeetingNotFound;InvalidMeeting;InvalidBehavior;Throttled;ServiceError;Unknown
type EndReason string

const (
	// EndedByBot: desiredState was set to Ended.
	EndedByBot EndReason = "EndedByBot"
	// EndTimeReached: the bot left at endTime.
	EndTimeReached EndReason = "EndTimeReached"
	// EndFlowEnded: the call's CallFlow hung up.
	EndFlowEnded EndReason = "FlowEnded"
	// EndFlowFailed: the call's CallFlow could not go on.
	EndFlowFailed EndReason = "FlowFailed"
	// EndSessionDeleted: the object was deleted and the bot left.
	EndSessionDeleted EndReason = "SessionDeleted"
	// EndMeetingEnded: the meeting was ended.
	EndMeetingEnded EndReason = "MeetingEnded"
	// EndRemovedFromMeeting: somebody removed the bot.
	EndRemovedFromMeeting EndReason = "RemovedFromMeeting"
	// EndEveryoneLeft: the service closed a meeting nobody was in.
	EndEveryoneLeft EndReason = "EveryoneLeft"
	// EndAloneTimeout: everybody else had left for as long as leave.aloneTimeout says.
	EndAloneTimeout EndReason = "AloneTimeout"
	// EndOnlyBotsLeft: nobody but bots was left (leave.onlyBots).
	EndOnlyBotsLeft EndReason = "OnlyBotsLeft"
	// EndSilenceTimeout: nothing was heard for as long as leave.silenceTimeout says.
	EndSilenceTimeout EndReason = "SilenceTimeout"
	// EndMaxDurationReached: the call lasted as long as leave.maxDuration allows.
	EndMaxDurationReached EndReason = "MaxDurationReached"
	// EndRemoteHungUp: the other party hung up.
	EndRemoteHungUp EndReason = "RemoteHungUp"
	// EndCallDeclined: the called party declined.
	EndCallDeclined EndReason = "CallDeclined"
	// EndNoAnswer: nobody who was called answered in time.
	EndNoAnswer EndReason = "NoAnswer"
	// EndCalleeUnreachable: the called party cannot be reached.
	EndCalleeUnreachable EndReason = "CalleeUnreachable"
	// EndCallerGaveUp: the caller hung up before the call was set up.
	EndCallerGaveUp EndReason = "CallerGaveUp"
	// EndAnsweredTooLate: the bot answered after the service's deadline.
	EndAnsweredTooLate EndReason = "AnsweredTooLate"
	// EndTransferred: the call was transferred to somebody else.
	EndTransferred EndReason = "Transferred"
	// EndInvalidTarget: whom to call cannot be called as given.
	EndInvalidTarget EndReason = "InvalidTarget"
	// EndPhoneNotEnabled: the bot may not call telephones as it is shown to call.
	EndPhoneNotEnabled EndReason = "PhoneNotEnabled"
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
	// EndDrainDeadlineReached: the pod drained until its bot's rollout.drainDeadline, and onDeadline is HangUp.
	EndDrainDeadlineReached EndReason = "DrainDeadlineReached"
	// EndNoSeatInTime: endTime passed before a seat was free.
	EndNoSeatInTime EndReason = "NoSeatInTime"
	// EndPermissionMissing: the bot lacks a Graph application permission.
	EndPermissionMissing EndReason = "PermissionMissing"
	// EndTenantNotConsented: the tenant of the meeting, or of those who are called, has not consented to the bot.
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
	EndedByBot, EndTimeReached, EndFlowEnded, EndFlowFailed, EndSessionDeleted, EndMeetingEnded, EndRemovedFromMeeting, EndEveryoneLeft,
	EndAloneTimeout, EndOnlyBotsLeft, EndSilenceTimeout, EndMaxDurationReached, EndRemoteHungUp, EndCallDeclined,
	EndNoAnswer, EndCalleeUnreachable, EndCallerGaveUp, EndAnsweredTooLate, EndTransferred, EndInvalidTarget,
	EndPhoneNotEnabled, EndLobbyTimeout, EndLobbyDenied, EndMediaUnreachable, EndMediaLost, EndKeepAliveTimeout, EndCallLost, EndPodLost,
	EndPodStopped, EndDrainDeadlineReached, EndNoSeatInTime, EndPermissionMissing, EndTenantNotConsented, EndAuthenticationFailed,
	EndMeetingNotFound, EndInvalidMeeting, EndInvalidBehavior, EndThrottled, EndServiceError, EndUnknown,
}
