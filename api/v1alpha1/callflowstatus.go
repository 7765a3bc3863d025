// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FlowEnd is how a flow ended.
// +kubebuilder:validation:Enum=HungUp;CallerHungUp;Transferred;Redirected;Returned;Failed
type FlowEnd string

const (
	// FlowHungUp: the flow ended the call.
	FlowHungUp FlowEnd = "HungUp"
	// FlowCallerHungUp: the call ended before the flow did.
	FlowCallerHungUp FlowEnd = "CallerHungUp"
	// FlowTransferred: somebody else has the call.
	FlowTransferred FlowEnd = "Transferred"
	// FlowRedirected: the call was sent on before it was answered.
	FlowRedirected FlowEnd = "Redirected"
	// FlowReturned: the flow is over, and the bot still in the call.
	FlowReturned FlowEnd = "Returned"
	// FlowFailed: the flow could not go on; the call was ended.
	FlowFailed FlowEnd = "Failed"
)

// CallFlowStatus says what became of a CallFlow.
type CallFlowStatus struct {
	// observedGeneration is the generation that was looked at.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// revision is the ControllerRevision with the newest version that is valid, its subflows included: what new calls run.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`

	// promptsDigest is one SHA-256 over the prompts' files in ConfigMaps; it changes when one of them does.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	PromptsDigest string `json:"promptsDigest,omitempty"`

	// usedBy tells who runs the flow, as a subflow too.
	// +optional
	UsedBy FlowUsers `json:"usedBy,omitzero"`

	// conditions: Valid, and Stalled while it is not.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// FlowUsers are those who run a flow.
type FlowUsers struct {
	// bots whose rules for calls that come in name it; the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Bots []string `json:"bots,omitempty"`
	// flows that have it as a subflow; the first twenty.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	Flows []string `json:"flows,omitempty"`
	// calls and sessions that run it now.
	// +optional
	Calls int32 `json:"calls"`
}

// FlowStatus is where a call is in its flow.
type FlowStatus struct {
	// name of the CallFlow.
	// +required
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// revision that the call began with, and runs to its end.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Revision string `json:"revision,omitempty"`
	// step it is at; that of a subflow is written flow/step.
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Step string `json:"step,omitempty"`
	// steps that were taken.
	// +optional
	Steps int64 `json:"steps,omitempty"`
	// sealed is what another pod goes on from: variables and keys, which may be anybody's PIN. The bot's pods alone can read it; it goes
	// with the end of the flow.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Sealed string `json:"sealed,omitempty"`
	// end of the flow, once it is over.
	// +optional
	End FlowEnd `json:"end,omitempty"`
	// message says why it failed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`
}
