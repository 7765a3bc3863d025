// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CallFlow is a voice menu as data: what callers hear, which keys they may press, and where that leads. Calls, sessions and rules for
// calls that come in name it with behavior.flowRef.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=cf,categories=callfleet
// +kubebuilder:subresource:status
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name of a flow has at most 63 characters: its revisions carry it in a label"
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].reason`
// +kubebuilder:printcolumn:name="Calls",type=integer,JSONPath=`.status.usedBy.calls`
// +kubebuilder:printcolumn:name="Revision",type=string,JSONPath=`.status.revision`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type CallFlow struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec CallFlowSpec `json:"spec"`
	// +optional
	// +default={"observedGeneration": -1}
	Status CallFlowStatus `json:"status,omitzero"`
}

// CallFlowList is a list of CallFlows.
// +kubebuilder:object:root=true
type CallFlowList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []CallFlow `json:"items"`
}

// CallFlowSpec is the menu. What a schema cannot tell, such as steps that nothing leads to, is checked when it is applied.
type CallFlowSpec struct {
	// start is the name of the first step.
	// +required
	Start StepName `json:"start"`

	// steps of the flow, each under a name of its own.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Steps []FlowStep `json:"steps"`

	// variables that are there when the flow begins.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Variables map[VariableName]VariableValue `json:"variables,omitempty"`

	// timeZone in which conditions ask for the time, by its name in the IANA database.
	// +optional
	// +default="UTC"
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`

	// speech turns the text of prompts into sound; a flow with text needs it.
	// +optional
	Speech *SpeechService `json:"speech,omitempty"`

	// tests are calls that kubectl callfleet flow test plays, without a phone.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=50
	Tests []FlowTest `json:"tests,omitempty"`
}

// StepName is the name of a step of a flow.
// +kubebuilder:validation:Pattern=`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`
// +kubebuilder:validation:MaxLength=63
type StepName string

// VariableName names what a flow remembers of a call.
// +kubebuilder:validation:Pattern=`^[a-zA-Z][a-zA-Z0-9_]*$`
// +kubebuilder:validation:MaxLength=63
type VariableName string

// VariableValue is what a variable holds.
// +kubebuilder:validation:MaxLength=1024
type VariableValue string

// Template is text in which ${name} stands for the value of a variable, and $${ for ${ itself. Besides the flow's own there are
// caller.kind, caller.id, caller.name and caller.tenant, called.id, call.id, flow.name, and error, which is why the last step that
// could fail did. It is no code.
// +kubebuilder:validation:MaxLength=1024
type Template string

// PhoneKey is a key of a telephone.
// +kubebuilder:validation:Enum="0";"1";"2";"3";"4";"5";"6";"7";"8";"9";"*";"#";A;B;C;D
type PhoneKey string

// FlowStep is one step: exactly one of its members says what is done.
// +kubebuilder:validation:XValidation:rule="[has(self.say), has(self.play), has(self.menu), has(self.collect), has(self.record), has(self.transfer), has(self.invite), has(self.redirect), has(self.hold), has(self.mute), has(self.set), has(self.branch), has(self.webhook), has(self.subflow), has(self.hangup), has(self.return)].filter(x, x).size() == 1",message="a step does one thing: exactly one of say, play, menu, collect, record, transfer, invite, redirect, hold, mute, set, branch, webhook, subflow, hangup and return must be set"
// +kubebuilder:validation:XValidation:rule="has(self.next) == !(has(self.menu) || has(self.transfer) || has(self.redirect) || has(self.branch) || has(self.hangup) || has(self.return))",message="next says which step follows, of every step but menu, branch, transfer, redirect, hangup and return, which say it themselves or end the flow"
type FlowStep struct {
	// +required
	Name StepName `json:"name"`

	// next is the step that follows.
	// +optional
	Next StepName `json:"next,omitempty"`

	// say speaks a text; it is short for play with one prompt.
	// +optional
	Say *Template `json:"say,omitempty"`
	// +optional
	Play *PlayStep `json:"play,omitempty"`
	// +optional
	Menu *MenuStep `json:"menu,omitempty"`
	// +optional
	Collect *CollectStep `json:"collect,omitempty"`
	// +optional
	Record *RecordStep `json:"record,omitempty"`
	// +optional
	Transfer *TransferStep `json:"transfer,omitempty"`
	// +optional
	Invite *InviteStep `json:"invite,omitempty"`
	// +optional
	Redirect *RedirectTo `json:"redirect,omitempty"`
	// +optional
	Hold *HoldStep `json:"hold,omitempty"`
	// +optional
	Mute *MuteStep `json:"mute,omitempty"`
	// set gives variables values.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	Set map[VariableName]Template `json:"set,omitempty"`
	// +optional
	Branch *BranchStep `json:"branch,omitempty"`
	// +optional
	Webhook *WebhookStep `json:"webhook,omitempty"`
	// +optional
	Subflow *SubflowStep `json:"subflow,omitempty"`
	// hangup ends the call.
	// +optional
	Hangup *HangupStep `json:"hangup,omitempty"`
	// return ends the flow: a subflow goes back to the flow that called it; else the bot stays in the call and listens.
	// +optional
	Return *ReturnStep `json:"return,omitempty"`
}
