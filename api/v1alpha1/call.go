// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Call is one peer-to-peer or group call: made by the user (spec.to), or made by a media pod for a call that came in
// (spec.incoming).
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=callfleet
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Bot",type=string,JSONPath=`.spec.botRef.name`
// +kubebuilder:printcolumn:name="Direction",type=string,JSONPath=`.status.direction`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Pod",type=string,JSONPath=`.status.mediaPod`
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=`.status.endReason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Media",type=string,JSONPath=`.status.conditions[?(@.type=="MediaFlowing")].status`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.botRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.mediaPod`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
type Call struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec OneCallSpec `json:"spec"`
	// +optional
	Status OneCallStatus `json:"status,omitzero"`
}

// CallList is a list of Calls.
// +kubebuilder:object:root=true
type CallList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Call `json:"items"`
}

// OneCallSpec is what is wanted of a Call.
// +kubebuilder:validation:XValidation:rule="has(self.to) != has(self.incoming)",message="exactly one of to and incoming must be set; incoming is set by media pods"
// +kubebuilder:validation:XValidation:rule="has(self.to) == has(oldSelf.to) && (!has(self.to) || self.to == oldSelf.to)",message="to cannot change; make a new Call"
// +kubebuilder:validation:XValidation:rule="has(self.incoming) == has(oldSelf.incoming) && (!has(self.incoming) || self.incoming == oldSelf.incoming)",message="incoming cannot change"
// +kubebuilder:validation:XValidation:rule="!has(self.to) || self.to.size() == 1 || !self.to.exists(t, has(t.phone))",message="a group call is with users; call a phone number alone and invite others"
// +kubebuilder:validation:XValidation:rule="!has(self.to) || !self.to.exists(t, has(t.application))",message="Graph calls users and telephones, not applications; name a resource account as user, by its object id"
// +kubebuilder:validation:XValidation:rule="!has(self.to) || !self.to.exists(t, has(t.phone)) || (has(self.from) && has(self.from.application))",message="calling a phone number needs from.application: the application instance that owns a number"
// +kubebuilder:validation:XValidation:rule="!has(self.incoming) || !has(self.ringingTimeout)",message="ringingTimeout is for outgoing calls"
// +kubebuilder:validation:XValidation:rule="!has(self.incoming) || !has(self.tenantID)",message="tenantID is for outgoing calls; that of one that came in is in incoming"
// +kubebuilder:validation:XValidation:rule="has(self.tenantID) == has(oldSelf.tenantID) && (!has(self.tenantID) || self.tenantID == oldSelf.tenantID)",message="tenantID cannot change; make a new Call"
// +kubebuilder:validation:XValidation:rule="!has(self.rejoin) || !has(self.rejoin.policy) || self.rejoin.policy != 'RingAgain' || (has(self.to) && self.to.size() > 1)",message="rejoin.policy RingAgain is for calls to a group: a call between two is over when one of them is lost"
type OneCallSpec struct {
	CallSpec `json:",inline"`

	// to is whom to call: one makes a peer-to-peer call, two to five users a group call.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=5
	To []Identity `json:"to,omitempty"`

	// tenantID is the tenant of those who are called, in whose name the bot calls: the bot's own or one of its allowedTenants.
	// Absent: the bot's own.
	// +optional
	TenantID GUID `json:"tenantID,omitempty"`

	// from is whom the call is shown to come from; absent: the bot.
	// +optional
	From *CallSource `json:"from,omitempty"`

	// subject the called party is shown.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Subject string `json:"subject,omitempty"`

	// ringingTimeout is how long to let it ring; absent, as long as the service does.
	// +optional
	RingingTimeout Duration `json:"ringingTimeout,omitempty"`

	// incoming is what the service said of a call that came in. Set by the media pod that answers it.
	// +optional
	Incoming *IncomingCall `json:"incoming,omitempty"`
}

// CallSource is whom a call is shown to come from.
type CallSource struct {
	// application is the application instance (resource account) that calls.
	// +optional
	Application GUID `json:"application,omitempty"`

	// displayName the called party is shown.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName,omitempty"`
}

// IncomingCall is what the service said of a call that came in.
type IncomingCall struct {
	// id of the call in Graph.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	ID string `json:"id"`

	// tenantID whose token the notification carried.
	// +required
	TenantID GUID `json:"tenantID"`

	// from is who calls.
	// +optional
	From *Caller `json:"from,omitempty"`

	// to is what was called: the bot, or the application instance it answers for.
	// +optional
	To *Caller `json:"to,omitempty"`

	// onBehalfOf is on whose behalf the call comes, and transferor who gave it to the bot, where the service says so.
	// +optional
	OnBehalfOf *Caller `json:"onBehalfOf,omitempty"`
	// +optional
	Transferor *Caller `json:"transferor,omitempty"`

	// group: the call is a group call or meeting.
	// +optional
	Group bool `json:"group,omitempty"`

	// policyRecording: the bot is to record by policy.
	// +optional
	PolicyRecording bool `json:"policyRecording,omitempty"`

	// rule is the index of the rule in the bot's spec.incoming that answered.
	// +optional
	Rule int32 `json:"rule"`

	// answeredBy is the process that answered the call. As long as it lives, nobody else says what became of the call.
	// +optional
	AnsweredBy *AnsweringProcess `json:"answeredBy,omitempty"`
}

// AnsweringProcess is a run of the process in a media pod.
type AnsweringProcess struct {
	// mediaPod it runs in.
	// +required
	// +kubebuilder:validation:MaxLength=63
	MediaPod string `json:"mediaPod"`

	// instance as the media pod's status.agent names it.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Instance string `json:"instance"`
}

// CallerKind says what an identity is.
// +kubebuilder:validation:Enum=User;Phone;Application;Guest;Unknown
type CallerKind string

const (
	CallerUser        CallerKind = "User"
	CallerPhone       CallerKind = "Phone"
	CallerApplication CallerKind = "Application"
	CallerGuest       CallerKind = "Guest"
	// CallerUnknown: the service told only an encrypted identity, or one of another kind.
	CallerUnknown CallerKind = "Unknown"
)

// Caller is one end of a call as the service named it.
type Caller struct {
	// +required
	Kind CallerKind `json:"kind"`
	// +optional
	// +kubebuilder:validation:MaxLength=256
	ID string `json:"id,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName,omitempty"`
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TenantID string `json:"tenantID,omitempty"`
}

// CallDirection of a Call.
// +kubebuilder:validation:Enum=Incoming;Outgoing
type CallDirection string

const (
	CallIncoming CallDirection = "Incoming"
	CallOutgoing CallDirection = "Outgoing"
)

// OneCallStatus is the story of the call.
type OneCallStatus struct {
	CallStatus `json:",inline"`

	// direction as seen from the bot.
	// +optional
	Direction CallDirection `json:"direction,omitempty"`
}
