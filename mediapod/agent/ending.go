// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// endings are the ends the bot itself brings about.
var endings = map[callfleetv1.EndReason]callfleetv1.CallEnd{
	callfleetv1.EndedByBot:        {Message: "the bot left because desiredState is Ended"},
	callfleetv1.EndTimeReached:    {Message: "the bot left at endTime"},
	callfleetv1.EndSessionDeleted: {Message: "the bot left because the session was deleted"},
	callfleetv1.EndMediaLost: {Failed: true, Retryable: true,
		Message: "the media connection broke and did not come back; check the network between the far side and the pod's UDP port"},
	callfleetv1.EndPodLost: {Failed: true, Retryable: true,
		Message: "the process that held the call is gone; see the events and the log of the pod for why (kubectl logs --previous)"},
	callfleetv1.EndPodStopped: {Failed: true, Retryable: true,
		Message: "the pod was told to stop and its grace period ran out before the call ended; drain pods before they are stopped"},
}

func endOf(why callfleetv1.EndReason) *callfleetv1.CallEnd {
	end := endings[why]
	end.Reason = why
	return &end
}

// endOf joins what signalling saw with why the bot left, if it did: a call the bot ended reads as ended by the bot,
// whatever code the service chose for it.
func (r *runner) endOf(s signaling.Snapshot) *callfleetv1.CallEnd {
	r.mu.Lock()
	why := r.leave
	r.mu.Unlock()
	if why != "" && (s.End == nil || !s.End.Failed || !known(callfleetv1.EndReason(s.End.Reason))) {
		return endOf(why)
	}
	if s.End == nil {
		return &callfleetv1.CallEnd{Reason: callfleetv1.EndUnknown, Failed: true, Retryable: true,
			Message: "the call ended without a word from the service"}
	}
	reason := callfleetv1.EndReason(s.End.Reason)
	if !known(reason) {
		reason = callfleetv1.EndUnknown
	}
	return &callfleetv1.CallEnd{Reason: reason, Message: clip(s.End.Message, maxMessage), Failed: s.End.Failed, Retryable: s.End.Retryable}
}

// known reports whether the API's closed list has the reason.
func known(r callfleetv1.EndReason) bool { return slices.Contains(callfleetv1.EndReasons, r) }
