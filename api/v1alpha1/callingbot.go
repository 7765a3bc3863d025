// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CallingBot is one bot registration and the fleet of media pods that answers for it.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=cb,categories=callfleet
// +kubebuilder:subresource:status
// +kubebuilder:subresource:scale:specpath=.spec.replicas,statuspath=.status.replicas,selectorpath=.status.selector
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Desired",type=integer,JSONPath=`.status.desiredReplicas`
// +kubebuilder:printcolumn:name="Serving",type=integer,JSONPath=`.status.readyReplicas`
// +kubebuilder:printcolumn:name="Draining",type=integer,JSONPath=`.status.drainingReplicas`
// +kubebuilder:printcolumn:name="Calls",type=integer,JSONPath=`.status.calls`
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=`.status.seats.free`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 50 && !self.metadata.name.contains('.')",message="the name of a CallingBot is at most 50 characters long and has no dot: pods and host names are built from it"
type CallingBot struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec CallingBotSpec `json:"spec"`
	// A bot that no controller has looked at yet says so: tools that wait (kstatus) would take it for ready otherwise.
	// +optional
	// +default={"observedGeneration": -1}
	Status CallingBotStatus `json:"status,omitzero"`
}

// CallingBotList is a list of CallingBots.
// +kubebuilder:object:root=true
type CallingBotList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CallingBot `json:"items"`
}

// CallingBotSpec is what the user wants.
// +kubebuilder:validation:XValidation:rule="self.media.hosting != 'Service' || !has(self.incoming) || self.incoming.all(r, !has(r.behavior) || !has(r.behavior.echo))",message="an incoming rule with behavior.echo needs media.hosting: Application, as echo needs the call's media in the pod; with hosting: Service use play"
// +kubebuilder:validation:XValidation:rule="self.media.hosting != 'Service' || !has(self.incoming) || self.incoming.all(r, !has(r.behavior) || !has(r.behavior.recording))",message="an incoming rule with behavior.recording needs media.hosting: Application, as the pod hears nothing of a call whose media the service hosts; there, kubectl callfleet record has the service record"
// +kubebuilder:validation:XValidation:rule="self.media.hosting != 'Service' || !has(self.incoming) || self.incoming.all(r, !has(r.call) || !has(r.call.leave) || !has(r.call.leave.silenceTimeout) || duration(r.call.leave.silenceTimeout) <= duration('0s'))",message="an incoming rule with call.leave.silenceTimeout needs media.hosting: Application, as the pod hears nothing of a call whose media the service hosts; use maxDuration or aloneTimeout"
type CallingBotSpec struct {
	FleetConfig `json:",inline"`

	// replicas is how many media pods serve. Draining pods come on top. Absent: autoscaling decides, or, without it, one serves.
	// Setting it, as kubectl scale and other autoscalers do, takes over from autoscaling until it is removed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Replicas *int32 `json:"replicas,omitempty"`

	// autoscaling has the operator choose how many media pods serve, while replicas is absent.
	// +optional
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`

	// placement says which of several pods with free seats gets a session.
	// +optional
	// +default="Packed"
	Placement Placement `json:"placement,omitempty"`

	// rollout says how a changed configuration reaches the fleet.
	// +optional
	Rollout Rollout `json:"rollout,omitzero"`

	// deletionPolicy says what becomes of live calls when the bot is deleted: Drain waits until they are over; Force has the bot
	// leave them. It may be changed while the deletion waits.
	// +optional
	// +default="Drain"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// incoming says what happens to calls that come in; the first rule that matches decides, and a call that none matches
	// is rejected as Forbidden. Changing it does not replace pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Incoming []IncomingRule `json:"incoming,omitempty"`
}

// CallingBotStatus is what the operator sees.
type CallingBotStatus struct {
	// observedGeneration is the generation this status speaks of.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// desiredReplicas is how many media pods should serve.
	// +optional
	DesiredReplicas int32 `json:"desiredReplicas"`

	// replicas counts the media pods that serve or start; draining ones are left out.
	// +optional
	Replicas int32 `json:"replicas"`

	// readyReplicas counts the media pods that can take calls.
	// +optional
	ReadyReplicas int32 `json:"readyReplicas"`

	// drainingReplicas counts the media pods that only finish their calls.
	// +optional
	DrainingReplicas int32 `json:"drainingReplicas"`

	// unavailableReplicas counts the media pods on nodes that nobody hears of. They are replaced meanwhile, and not deleted: their
	// calls may go on.
	// +optional
	UnavailableReplicas int32 `json:"unavailableReplicas,omitempty"`

	// selector matches the pods that serve, for autoscalers.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Selector string `json:"selector,omitempty"`

	// seats of the whole fleet, draining pods left out.
	// +optional
	Seats Seats `json:"seats,omitzero"`

	// calls that are live on any pod of the fleet.
	// +optional
	Calls int32 `json:"calls"`

	// rollout tells how far the present configuration has got.
	// +optional
	Rollout RolloutStatus `json:"rollout,omitzero"`

	// autoscaling is what it goes by; absent while replicas is set.
	// +optional
	Autoscaling *AutoscalingStatus `json:"autoscaling,omitempty"`

	// conditions: Ready and RolloutComplete always; Autoscaling with spec.autoscaling; Reconciling and Stalled only while true.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Seats counts what a pod or a fleet can carry.
type Seats struct {
	// capacity is the number of seats.
	// +optional
	Capacity int32 `json:"capacity"`
	// used seats belong to calls that are live.
	// +optional
	Used int32 `json:"used"`
	// reserved seats belong to calls that are about to be.
	// +optional
	Reserved int32 `json:"reserved"`
	// free is capacity less used and reserved.
	// +optional
	Free int32 `json:"free"`
}
