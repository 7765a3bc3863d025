// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "slices"

// IncomingRule says what happens to calls that come in. The first rule that matches decides; a call that no rule matches
// is rejected as Forbidden.
// +kubebuilder:validation:XValidation:rule="self.action == 'Answer' || (!has(self.behavior) && !has(self.call) && !has(self.participantCapacity))",message="behavior, call and participantCapacity go with action: Answer"
// +kubebuilder:validation:XValidation:rule="(self.action == 'Redirect') == has(self.redirect)",message="redirect is given with action: Redirect and only then"
// +kubebuilder:validation:XValidation:rule="self.action == 'Reject' || !has(self.reason)",message="reason goes with action: Reject"
type IncomingRule struct {
	// from is who calls; absent: anybody.
	// +optional
	From *CallerMatch `json:"from,omitempty"`

	// onBehalfOf is on whose behalf the call comes, where the service names somebody (Graph, "incomingContext"); a call that
	// comes on nobody's behalf does not match. Absent: any call.
	// +optional
	OnBehalfOf *CallerMatch `json:"onBehalfOf,omitempty"`

	// to is what was called: ids of the bot itself or of application instances it answers for; empty: any.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	To []GUID `json:"to,omitempty"`

	// policyRecording matches calls the service sends because a recording policy asks for it (true), or all others
	// (false); absent: both.
	// +optional
	PolicyRecording *bool `json:"policyRecording,omitempty"`

	// action to take.
	// +required
	Action IncomingAction `json:"action"`

	// reason the caller is given with Reject.
	// +optional
	Reason RejectReason `json:"reason,omitempty"`

	// redirect says where to with Redirect.
	// +optional
	Redirect *RedirectTo `json:"redirect,omitempty"`

	// behavior is what the bot does in the call, with Answer; absent, it listens.
	// +optional
	Behavior *Behavior `json:"behavior,omitempty"`

	// call is what else the Call made for it asks for, with Answer.
	// +optional
	Call *IncomingTemplate `json:"call,omitempty"`

	// participantCapacity, above 1, lets later participants of a policy recording share this call, with Answer; the
	// service advises 100 and more (Graph, "call: answer").
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	ParticipantCapacity int32 `json:"participantCapacity,omitempty"`
}

// CallerMatch matches callers; every member that is set must match, and in each one entry must.
type CallerMatch struct {
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Tenants []GUID `json:"tenants,omitempty"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	Users []GUID `json:"users,omitempty"`
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=5
	Kinds []CallerKind `json:"kinds,omitempty"`
}

// IncomingAction is what to do with a call that comes in.
// +kubebuilder:validation:Enum=Answer;Reject;Redirect
type IncomingAction string

const (
	IncomingAnswer   IncomingAction = "Answer"
	IncomingReject   IncomingAction = "Reject"
	IncomingRedirect IncomingAction = "Redirect"
)

// RejectReason is what a caller is told (Graph, "call: reject").
// +kubebuilder:validation:Enum=None;Busy;Forbidden
type RejectReason string

const (
	RejectNone      RejectReason = "None"
	RejectBusy      RejectReason = "Busy"
	RejectForbidden RejectReason = "Forbidden"
)

// RedirectTo sends a call on (Graph, "call: redirect").
type RedirectTo struct {
	// targets ring at the same time; the first to answer has the call.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=25
	Targets []Identity `json:"targets"`

	// ringSeconds before the service gives up; absent: 55 for one target, 60 for more.
	// +optional
	// +kubebuilder:validation:Minimum=15
	// +kubebuilder:validation:Maximum=90
	RingSeconds int32 `json:"ringSeconds,omitempty"`
}

// IncomingTemplate is what the Call made for a call that came in asks for, besides its behavior.
type IncomingTemplate struct {
	// +optional
	Muted bool `json:"muted,omitempty"`
	// +optional
	RecordingStatus RecordingStatus `json:"recordingStatus,omitempty"`
	// +optional
	Leave LeaveRules `json:"leave,omitzero"`
	// ttlSecondsAfterFinished deletes the Call this long after its end; absent: after an hour.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// RegionRedirect sends the service on to a fleet elsewhere, before the call is answered.
// +kubebuilder:validation:XValidation:rule="has(self.countries) || has(self.regions)",message="at least one of countries and regions must be set"
type RegionRedirect struct {
	// countries of the caller, as two-letter codes (ISO 3166-1).
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:Pattern=`^[A-Z]{2}$`
	// +kubebuilder:validation:items:MaxLength=2
	Countries []string `json:"countries,omitempty"`

	// regions of the caller, as the service names them, such as amer, emea, apac.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=32
	Regions []string `json:"regions,omitempty"`

	// url is the calling webhook of the fleet that takes the call.
	// +required
	URL HTTPSURL `json:"url"`
}

// Flows are the CallFlows that the bot's rules for incoming calls name, each once, in the order of the rules.
func (b *CallingBot) Flows() []string {
	var names []string
	for i := range b.Spec.Incoming {
		if does := b.Spec.Incoming[i].Behavior; does != nil && does.FlowRef != nil && !slices.Contains(names, does.FlowRef.Name) {
			names = append(names, does.FlowRef.Name)
		}
	}
	return names
}
