// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"slices"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// endOf is the end the bot brings about for a reason of its own.
func endOf(why callfleetv1.EndReason) *callfleetv1.CallEnd {
	if why == callfleetv1.EndPodLost {
		// Signalling never sees this one: it died with the process.
		return &callfleetv1.CallEnd{Reason: why, Failed: true, Retryable: true, Message: "The process that held the call is gone. " +
			"The pod's events and log say why (kubectl describe pod, kubectl logs --previous)."}
	}
	return endOfSignal(signaling.EndFor(signaling.EndReason(why)))
}

// endOfSignal puts signalling's end into the words of the API.
func endOfSignal(e signaling.End) *callfleetv1.CallEnd {
	reason := callfleetv1.EndReason(e.Reason)
	if !slices.Contains(callfleetv1.EndReasons, reason) {
		reason = callfleetv1.EndUnknown
	}
	return &callfleetv1.CallEnd{Reason: reason, Message: clip(e.Message, maxMessage), Failed: e.Failed, Retryable: e.Retryable}
}

// ended is how a call ended that signalling ran.
func ended(s signaling.Snapshot) *callfleetv1.CallEnd {
	if s.End == nil {
		return endOfSignal(signaling.EndFor(signaling.EndUnknown))
	}
	return endOfSignal(*s.End)
}
