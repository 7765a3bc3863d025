// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels of media pods: on the MediaPod (bot) and on its Pod (all of them).
const (
	// LabelBot names the CallingBot.
	LabelBot = "callfleet.dev/bot"
	// LabelMediaPod names the MediaPod.
	LabelMediaPod = "callfleet.dev/mediapod"
	// LabelSlot is the pod's number in the fleet.
	LabelSlot = "callfleet.dev/slot"
	// LabelState is LabelStateServing or LabelStateDraining. Autoscalers select the serving ones.
	LabelState         = "callfleet.dev/state"
	LabelStateServing  = "serving"
	LabelStateDraining = "draining"
	// LabelCalls is LabelCallsActive while calls are on the pod or about to be, else LabelCallsNone. Disruption budgets select
	// the active ones.
	LabelCalls       = "callfleet.dev/calls"
	LabelCallsActive = "active"
	LabelCallsNone   = "none"
)

// LabelFlow on a ControllerRevision names the CallFlow of which it is a version.
const LabelFlow = "callfleet.dev/flow"

// Finalizers.
const (
	// FinalizerDrain keeps a MediaPod until its calls have ended, and a CallingBot until its MediaPods have gone.
	FinalizerDrain = "callfleet.dev/drain"
	// FinalizerHangUp keeps a session until its bot has left the call.
	FinalizerHangUp = "callfleet.dev/hang-up"
)

// AnnotationExpires on the Secret of a credential is when it runs out, as a date (2027-01-31) or a time (RFC 3339). The
// service does not tell; with it the bot's condition CredentialsValid warns two weeks ahead.
const AnnotationExpires = "callfleet.dev/expires"

// AnnotationAllowDisruption on a Pod, with the value "true", gives the calls in it up: nothing protects the Pod from being
// evicted or deleted any more.
const AnnotationAllowDisruption = "callfleet.dev/allow-disruption"

// AnnotationLost, set to "true" on a MediaPod, says that a person knows its process to be gone for good, with whatever calls it
// had: the node does not come back, for instance. The operator never takes that for granted. It has no effect while the
// Pod is ready.
const AnnotationLost = "callfleet.dev/lost"

// Annotations of the Pods of a bot with media.platform: Microsoft: which certificate the platform started with, and shows for as
// long as it runs, and until when that is valid (RFC 3339).
const (
	AnnotationCertificate        = "callfleet.dev/certificate"
	AnnotationCertificateExpires = "callfleet.dev/certificate-expires"
)
