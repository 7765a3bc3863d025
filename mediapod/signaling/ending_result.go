// SPDX-License-Identifier: Apache-2.0

package signaling

import "github.com/callfleet/callfleet/graph"

// circumstances are what the words of an end depend on besides the service's result: the same code ends a meeting and a
// conversation of two.
type circumstances struct {
	group       bool
	incoming    bool
	placed      bool // the bot called somebody
	established bool
	inLobby     bool
	transferred bool // the service said so in another way than by the result
}

// resultReasons maps graph's reasons for the end of a call to ours, whatever kind of call it is. What is not here or in the tables
// by kind is decided by the class.
var resultReasons = map[string]EndReason{
	graph.ReasonEndedByBot:          EndedByBot,
	graph.ReasonTransferred:         EndTransferred,
	graph.ReasonKeepAliveMissed:     EndKeepAliveTimeout,
	graph.ReasonMediaConnectionLost: EndMediaLost,
	graph.ReasonDeclined:            EndCallDeclined,
	graph.ReasonNoAnswer:            EndNoAnswer,
	graph.ReasonNoEndpoint:          EndCalleeUnreachable,
	graph.ReasonUnreachable:         EndCalleeUnreachable,
	graph.ReasonNoRoute:             EndCalleeUnreachable,
	graph.ReasonCallingDisabled:     EndCalleeUnreachable,
	graph.ReasonCalleeUnavailable:   EndCalleeUnreachable,
	graph.ReasonBusy:                EndCallDeclined,
}

// groupReasons are those of meetings and group calls.
var groupReasons = map[string]EndReason{
	graph.ReasonEndedByOther:   EndMeetingEnded,
	graph.ReasonOtherPartyLeft: EndEveryoneLeft,
	graph.ReasonInitiatorLeft:  EndEveryoneLeft,
	graph.ReasonEveryoneLeft:   EndEveryoneLeft,
	graph.ReasonNobodyJoined:   EndEveryoneLeft,
	graph.ReasonRemoved:        EndRemovedFromMeeting,
	graph.ReasonLobbyTimeout:   EndLobbyTimeout,
}

// endOfCall is the end the service gave a call.
func endOfCall(result *graph.ResultInfo, is circumstances) End {
	var r graph.ResultInfo // no result at all reads as the plain end of a call
	if result != nil {
		r = *result
	}
	e := graph.Explain(r)
	if is.transferred && (e.Class == graph.ClassNormalEnd || e.Class == graph.ClassUnknown) {
		return EndFor(EndTransferred)
	}
	if is.inLobby && result != nil {
		switch e.Reason {
		// No code is documented for being turned away: it looks like being removed.
		case graph.ReasonRemoved, graph.ReasonEndedByOther, graph.ReasonEnded:
			return EndFor(EndLobbyDenied)
		}
	}
	if reason, ok := resultReasons[e.Reason]; ok && !(is.incoming && e.Class == graph.ClassCallee) {
		return explained(reason, e)
	}
	if is.unanswered(e) {
		return EndFor(EndNoAnswer)
	}
	if reason, ok := groupReasons[e.Reason]; ok && is.group {
		return explained(reason, e)
	}
	switch e.Class {
	case graph.ClassNormalEnd:
		return plainEnd(e, is)
	case graph.ClassCallee:
		switch {
		case is.incoming && !is.established:
			return EndFor(EndCallerGaveUp)
		case r.Code == codeCancelled:
			return EndFor(EndNoAnswer) // it rang until the service took it back
		}
		return explained(EndCalleeUnreachable, e)
	case graph.ClassMediaUnreachable:
		return explained(EndMediaUnreachable, e)
	case graph.ClassLiveness:
		return explained(EndKeepAliveTimeout, e)
	case graph.ClassPlatform:
		switch {
		case e.Reason != graph.ReasonTimeout || is.established:
		case is.incoming && !is.group:
			return EndFor(EndAnsweredTooLate)
		case is.placed, !is.incoming && !is.group:
			return EndFor(EndNoAnswer)
		}
		return explained(EndServiceError, e)
	case graph.ClassThrottled:
		return explained(EndThrottled, e)
	}
	return explained(EndUnknown, e)
}

// unanswered: the bot called several, and none came. The service closes such a call as it closes a meeting that everybody has left;
// only one is told apart by its code.
func (is circumstances) unanswered(e graph.Explanation) bool {
	if !is.group || !is.placed {
		return false
	}
	switch e.Reason {
	case graph.ReasonNobodyJoined:
		return true
	case graph.ReasonEveryoneLeft, graph.ReasonOtherPartyLeft, graph.ReasonEnded, graph.ReasonMeetingEnded, graph.ReasonEndedByOther:
		return !is.established
	}
	return false
}

// codeCancelled is "Request Terminated": the call was taken back while it rang (RFC 3261, section 21.4.25).
const codeCancelled = 487

// plainEnd is an end without a fault: somebody hung up.
func plainEnd(e graph.Explanation, is circumstances) End {
	switch {
	case is.group && (is.established || !is.incoming):
		return explained(EndMeetingEnded, e)
	case is.established:
		return explained(EndRemoteHungUp, e)
	case is.incoming:
		return EndFor(EndCallerGaveUp)
	}
	// Hung up on while it rang.
	return EndFor(EndCallDeclined)
}
