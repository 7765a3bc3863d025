// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"strings"

	"github.com/callfleet/callfleet/graph"
)

// EndReason is why a call is over, one of a closed list.
type EndReason string

// The reasons of an end. The first group is also what HangUp may be given.
const (
	EndedByBot              EndReason = "EndedByBot"
	EndTimeReached          EndReason = "EndTimeReached"
	EndSessionDeleted       EndReason = "SessionDeleted"
	EndPodStopped           EndReason = "PodStopped"
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
}

// endReasons holds what each reason means where nothing more precise is known,
// and whether such an end is a fault. Whether a fault is worth another attempt
// comes from graph's classes, except where this table is all there is.
var endReasons = map[EndReason]struct {
	sentence, remedy  string
	failed, retryable bool
}{
	EndedByBot:        {sentence: "The bot left the meeting because it was asked to."},
	EndTimeReached:    {sentence: "The bot left the meeting at its end time."},
	EndSessionDeleted: {sentence: "The bot left the meeting because its session was deleted."},
	EndPodStopped: {
		sentence: "The bot left the meeting because its media pod was stopped.",
		remedy:   "Drain pods before stopping them, and give them a grace period long enough for their calls.",
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
	EndTenantNotConsented:   {sentence: "The tenant of the meeting has not consented to the bot.", remedy: "Have an administrator of that tenant consent.", failed: true},
	EndAuthenticationFailed: {sentence: "The bot could not sign in.", remedy: "Check the bot's appID, tenantID and credential.", failed: true},
	EndThrottled:            {sentence: "Graph is throttling the app.", remedy: "Try again later.", failed: true, retryable: true},
	EndServiceError:         {sentence: "The calling service failed.", remedy: "Try again; if it stays, ask Microsoft's support with the call's chain id.", failed: true, retryable: true},
	EndMediaUnreachable:     {sentence: "The service could not reach the bot's media.", remedy: "Check from outside the cluster that the media address answers.", failed: true, retryable: true},
	EndUnknown:              {sentence: "The call ended for a reason that is not known.", remedy: "Look the result's code up in Microsoft's list of call end codes.", failed: true},
}

// EndFor is an end that nobody explained any further.
func EndFor(reason EndReason) End {
	r, ok := endReasons[reason]
	if !ok {
		reason, r = EndUnknown, endReasons[EndUnknown]
	}
	return End{Reason: reason, Message: sentences(r.sentence, r.remedy), Failed: r.failed, Retryable: r.retryable}
}

// explained is an end with graph's words for it.
func explained(reason EndReason, e graph.Explanation) End {
	failed := endReasons[reason].failed
	return End{Reason: reason, Message: sentences(e.Sentence, e.Remedy), Failed: failed, Retryable: failed && e.Class.Retryable()}
}

// resultReasons maps graph's reasons for the end of a call to ours. What is not
// here is decided by the class.
var resultReasons = map[string]EndReason{
	graph.ReasonEndedByBot:          EndedByBot,
	graph.ReasonTransferred:         EndedByBot,
	graph.ReasonEndedByOther:        EndMeetingEnded,
	graph.ReasonOtherPartyLeft:      EndEveryoneLeft,
	graph.ReasonInitiatorLeft:       EndEveryoneLeft,
	graph.ReasonEveryoneLeft:        EndEveryoneLeft,
	graph.ReasonNobodyJoined:        EndEveryoneLeft,
	graph.ReasonRemoved:             EndRemovedFromMeeting,
	graph.ReasonLobbyTimeout:        EndLobbyTimeout,
	graph.ReasonKeepAliveMissed:     EndKeepAliveTimeout,
	graph.ReasonMediaConnectionLost: EndMediaLost,
}

// endOfResult is the end the service gave a call.
func endOfResult(result *graph.ResultInfo, inLobby bool) End {
	var r graph.ResultInfo // no result at all reads as the plain end of a call
	if result != nil {
		r = *result
	}
	e := graph.Explain(r)
	if inLobby && result != nil {
		switch e.Reason {
		// No code is documented for being turned away: it looks like being removed.
		case graph.ReasonRemoved, graph.ReasonEndedByOther, graph.ReasonEnded:
			return EndFor(EndLobbyDenied)
		}
	}
	if reason, ok := resultReasons[e.Reason]; ok {
		return explained(reason, e)
	}
	switch e.Class {
	case graph.ClassNormalEnd:
		return explained(EndMeetingEnded, e)
	case graph.ClassMediaUnreachable:
		return explained(EndMediaUnreachable, e)
	case graph.ClassLiveness:
		return explained(EndKeepAliveTimeout, e)
	case graph.ClassPlatform:
		return explained(EndServiceError, e)
	case graph.ClassThrottled:
		return explained(EndThrottled, e)
	}
	return explained(EndUnknown, e)
}

// errorReasons maps graph's reasons for the failure of a request to ours.
var errorReasons = map[string]EndReason{
	graph.ReasonAuthenticationFailed: EndAuthenticationFailed,
	graph.ReasonTokenRejected:        EndAuthenticationFailed,
	graph.ReasonPermissionMissing:    EndPermissionMissing,
	graph.ReasonTenantNotConsented:   EndTenantNotConsented,
	graph.ReasonMeetingNotFound:      EndMeetingNotFound,
	graph.ReasonRequestRejected:      EndInvalidMeeting,
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
