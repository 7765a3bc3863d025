// SPDX-License-Identifier: Apache-2.0

package story

import (
	"slices"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// EndOf is the end the bot brings about for a reason of its own.
func EndOf(why v1alpha1.EndReason) *v1alpha1.CallEnd {
	if why == v1alpha1.EndPodLost {
		// Signalling never sees this one: it died with the process.
		return &v1alpha1.CallEnd{Reason: why, Failed: true, Retryable: true, Message: "The process that held the call is gone. " +
			"The pod's events and log say why (kubectl describe pod, kubectl logs --previous)."}
	}
	return EndOfSignal(signaling.EndFor(signaling.EndReason(why)))
}

// EndOfSignal puts signalling's end into the words of the API.
func EndOfSignal(e signaling.End) *v1alpha1.CallEnd {
	reason := v1alpha1.EndReason(e.Reason)
	if !slices.Contains(v1alpha1.EndReasons, reason) {
		reason = v1alpha1.EndUnknown
	}
	return &v1alpha1.CallEnd{Reason: reason, Message: Clip(e.Message, maxMessage), Failed: e.Failed, Retryable: e.Retryable}
}

// EndOfCall is how a call ended that signalling ran.
func EndOfCall(s signaling.Snapshot) *v1alpha1.CallEnd {
	if s.End == nil {
		return EndOfSignal(signaling.EndFor(signaling.EndUnknown))
	}
	return EndOfSignal(*s.End)
}

// Failure is the end of an attempt that came to no call. Retryable: another attempt may succeed.
func Failure(why v1alpha1.EndReason, retryable bool, message string) *v1alpha1.CallEnd {
	return &v1alpha1.CallEnd{Reason: why, Failed: true, Retryable: retryable, Message: Clip(message, maxMessage)}
}
