// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"strings"

	"github.com/callfleet/callfleet/graph"
)

// EndReason is why a call is over, one of a closed list.
type EndReason string

// The reasons of an end. The first group is also what HangUp may be given.
const (
	EndedByBot              EndReason = "EndedByBot"
	EndTimeReached          EndReason = "EndTimeReached"
	EndFlowEnded            EndReason = "FlowEnded"
	EndFlowFailed           EndReason = "FlowFailed"
	EndSessionDeleted       EndReason = "SessionDeleted"
	EndPodStopped           EndReason = "PodStopped"
	EndDrainDeadlineReached EndReason = "DrainDeadlineReached"
	EndMediaLost            EndReason = "MediaLost"
	EndLobbyTimeout         EndReason = "LobbyTimeout"
	EndEveryoneLeft         EndReason = "EveryoneLeft"
	EndMeetingEnded         EndReason = "MeetingEnded"
	EndRemovedFromMeeting   EndReason = "RemovedFromMeeting"
	EndLobbyDenied          EndReason = "LobbyDenied"
	EndCallLost             EndReason = "CallLost"
	EndInvalidMeeting       EndReason = "InvalidMeeting"
	EndMeetingNotFound      EndReason = "MeetingNotFound"
	EndPermissionMissing    EndReason = "PermissionMissing"
	EndTenantNotConsented   EndReason = "TenantNotConsented"
	EndAuthenticationFailed EndReason = "AuthenticationFailed"
	EndThrottled            EndReason = "Throttled"
	EndServiceError         EndReason = "ServiceError"
	EndUnknown              EndReason = "Unknown"
	EndMediaUnreachable     EndReason = "MediaUnreachable"
	EndKeepAliveTimeout     EndReason = "KeepAliveTimeout"

	EndAloneTimeout       EndReason = "AloneTimeout"
	EndOnlyBotsLeft       EndReason = "OnlyBotsLeft"
	EndSilenceTimeout     EndReason = "SilenceTimeout"
	EndMaxDurationReached EndReason = "MaxDurationReached"

	EndRemoteHungUp      EndReason = "RemoteHungUp"
	EndCallDeclined      EndReason = "CallDeclined"
	EndNoAnswer          EndReason = "NoAnswer"
	EndCalleeUnreachable EndReason = "CalleeUnreachable"
	EndCallerGaveUp      EndReason = "CallerGaveUp"
	EndAnsweredTooLate   EndReason = "AnsweredTooLate"
	EndTransferred       EndReason = "Transferred"
	EndInvalidTarget     EndReason = "InvalidTarget"
	EndPhoneNotEnabled   EndReason = "PhoneNotEnabled"
)

// End is how a call ended.
type End struct {
	Reason EndReason
	// Message says what happened, why and, for a fault, what to do about it. It is
	// at most 1024 bytes, which is what a status takes.
	Message string
	// Failed: the end was a fault. Retryable: another attempt may succeed.
	Failed    bool
	Retryable bool
	// Elsewhere: the call goes on, held by another process of the bot. What is to be told of it is told there.
	Elsewhere bool
}

// endReasons holds what each reason means where nothing more precise is known,
// and whether such an end is a fault. Whether a fault is worth another attempt
// comes from graph's classes, except where this table is all there is.
var endReasons = map[EndReason]struct {
	sentence, remedy  string
	failed, retryable bool
}{
	EndedByBot:     {sentence: "The bot left the meeting because it was asked to."},
	EndTimeReached: {sentence: "The bot left the meeting at its end time."},
	EndFlowEnded:   {sentence: "The call's flow came to its end and hung up."},
	EndFlowFailed: {
		sentence: "The call's flow could not go on, so the call was ended.",
		remedy:   "Read status.flow for the step it was at and why, and mend the CallFlow.",
		failed:   true,
	},
	EndSessionDeleted: {sentence: "The bot left the meeting because its session was deleted."},
	EndPodStopped: {
		sentence: "The bot left the meeting because its media pod was stopped.",
		remedy:   "Drain pods before stopping them, and give them a grace period long enough for their calls.",
		failed:   true, retryable: true,
	},
	EndDrainDeadlineReached: {
		sentence: "The bot left the meeting because its media pod had to be empty by now: it drained until its deadline, or its bot was deleted by force.",
		remedy:   "If calls should not be cut, give rollout.drainDeadline of the CallingBot more time, set rollout.onDeadline to Keep, and its deletionPolicy to Drain.",
		failed:   true, retryable: true,
	},
	EndMediaLost: {
		sentence: "The media connection broke and did not come back, so the bot left the meeting.",
		remedy:   "Check the network between the pod's media address and Teams.",
		failed:   true, retryable: true,
	},
	EndLobbyTimeout: {
		sentence: "Nobody admitted the bot from the lobby in time.",
		remedy:   "Have somebody admit it, or let the meeting's lobby setting let applications of the organization in.",
		failed:   true,
	},
	EndLobbyDenied: {
		sentence: "Somebody in the meeting turned the bot away from the lobby.",
		remedy:   "Ask the organizer to admit it, or let the meeting's lobby setting let applications of the organization in.",
		failed:   true,
	},
	EndEveryoneLeft:       {sentence: "Everybody else left the meeting."},
	EndMeetingEnded:       {sentence: "The meeting was ended."},
	EndRemovedFromMeeting: {sentence: "Another participant removed the bot from the meeting."},
	EndCallLost: {
		sentence: "Graph does not know the call any more, and no notification told how it ended.",
		remedy:   "Check that notifications reach the bot: the signaling host, its certificate and the router.",
		failed:   true,
	},
	EndKeepAliveTimeout: {
		sentence: "No keepAlive reached Graph for 45 minutes, after which the service ends a call.",
		remedy:   "Check that the media pod can reach Graph and that its credential is valid.",
		failed:   true,
	},
	EndInvalidMeeting:       {sentence: "The meeting cannot be joined as it was given.", remedy: "Check the join link or the meeting ID and passcode.", failed: true},
	EndMeetingNotFound:      {sentence: "There is no such meeting.", remedy: "Check that the join link or the meeting ID and passcode are complete and current.", failed: true},
	EndPermissionMissing:    {sentence: "The bot lacks a Graph application permission.", remedy: "Grant it and let an administrator consent.", failed: true},
	EndTenantNotConsented:   {sentence: "The tenant of the call has not consented to the bot.", remedy: "Have an administrator of that tenant consent.", failed: true},
	EndAuthenticationFailed: {sentence: "The bot could not sign in.", remedy: "Check the bot's appID, tenantID and credential.", failed: true},
	EndThrottled:            {sentence: "Graph is throttling the app.", remedy: "Try again later.", failed: true, retryable: true},
	EndServiceError:         {sentence: "The calling service failed.", remedy: "Try again; if it stays, ask Microsoft's support with the call's chain id.", failed: true, retryable: true},
	EndMediaUnreachable:     {sentence: "The service could not reach the bot's media.", remedy: "Check from outside the cluster that the media address answers.", failed: true, retryable: true},
	EndAloneTimeout:         {sentence: "Everybody else had left, so the bot left the call."},
	EndOnlyBotsLeft:         {sentence: "Nobody but bots was left in the call, so the bot left it."},
	EndSilenceTimeout:       {sentence: "Nothing was heard for as long as the leave rules allow, so the bot left the call."},
	EndMaxDurationReached:   {sentence: "The call lasted as long as its leave rules allow, so the bot left it."},
	EndRemoteHungUp:         {sentence: "The other party hung up."},
	EndCallDeclined:         {sentence: "The called party declined the call.", remedy: "Call again at another time.", failed: true},
	EndNoAnswer:             {sentence: "Nobody who was called answered in time.", remedy: "Call again later, or let it ring longer (ringingTimeout).", failed: true},
	EndCalleeUnreachable:    {sentence: "The called party cannot be reached.", remedy: "Check whom the call is to, and call again later.", failed: true},
	EndCallerGaveUp:         {sentence: "The caller hung up before the call was set up."},
	EndAnsweredTooLate: {
		sentence: "The service had given the call up when the bot answered it: it waits 15 seconds, and 5 for policy recording.",
		remedy:   "Check that the bot's pods are not short of CPU and reach Graph quickly, and keep one pod with free seats.",
		failed:   true,
	},
	EndTransferred:   {sentence: "The call was transferred to somebody else."},
	EndInvalidTarget: {sentence: "Whom to call cannot be called as given.", remedy: "Check the ids and the telephone number.", failed: true},
	EndPhoneNotEnabled: {
		sentence: "The bot may not call telephones.",
		remedy:   "Call as an application instance that has a licence and a telephone number of its own (from.application).",
		failed:   true,
	},
	EndUnknown: {sentence: "The call ended for a reason that is not known.", remedy: "Look the result's code up in Microsoft's list of call end codes.", failed: true},
}

// EndFor is an end that nobody explained any further.
func EndFor(reason EndReason) End {
	r, ok := endReasons[reason]
	if !ok {
		reason, r = EndUnknown, endReasons[EndUnknown]
	}
	return End{Reason: reason, Message: sentences(r.sentence, r.remedy), Failed: r.failed, Retryable: r.retryable}
}

// ForeignTenant is the end of a call in a tenant that the bot does not serve. what goes before the word tenant.
func ForeignTenant(what, tenant string) End {
	end := EndFor(EndTenantNotConsented)
	end.Message = sentences(fmt.Sprintf("%s tenant %s, which this bot does not serve.", what, tenant),
		"Add the tenant to the bot's identity.allowedTenants and have an administrator of it consent to the bot, or stay within the bot's own tenant.")
	return end
}

// explained is an end with graph's words for it.
func explained(reason EndReason, e graph.Explanation) End {
	failed := endReasons[reason].failed
	return End{Reason: reason, Message: sentences(e.Sentence, e.Remedy), Failed: failed, Retryable: failed && e.Class.Retryable()}
}

// errorReasons maps graph's reasons for the failure of a request to ours.
var errorReasons = map[string]EndReason{
	graph.ReasonAuthenticationFailed: EndAuthenticationFailed,
	graph.ReasonTokenRejected:        EndAuthenticationFailed,
	graph.ReasonPermissionMissing:    EndPermissionMissing,
	graph.ReasonTenantNotConsented:   EndTenantNotConsented,
	graph.ReasonMeetingNotFound:      EndMeetingNotFound,
	graph.ReasonMeetingRejected:      EndInvalidMeeting,
	graph.ReasonCalleeNotFound:       EndInvalidTarget,
	graph.ReasonCalleeRejected:       EndInvalidTarget,
	graph.ReasonPhoneNotEnabled:      EndPhoneNotEnabled,
	graph.ReasonThrottled:            EndThrottled,
	graph.ReasonQuotaExceeded:        EndThrottled,
	graph.ReasonCallNotFound:         EndCallLost,
}

// endOfError is the end of a call that could not be made.
func endOfError(err error) End {
	e := graph.ExplainError(err)
	reason, ok := errorReasons[e.Reason]
	if !ok {
		reason = EndServiceError
	}
	return explained(reason, e)
}

// maxMessage is the bound of a message in the session's status.
const maxMessage = 1024

func sentences(parts ...string) string {
	text := strings.TrimSpace(strings.Join(parts, " "))
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage-len("…")], "") + "…"
	}
	return text
}
