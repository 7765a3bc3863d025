// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FlowTest is a call to be played without a phone.
type FlowTest struct {
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// caller as conditions and templates see it; absent: nobody known.
	// +optional
	Caller *Caller `json:"caller,omitempty"`
	// time at which the call comes; absent: now.
	// +optional
	Time *metav1.Time `json:"time,omitempty"`
	// script is what the caller does, one after the other: "press 12#", "wait 3s", "say hello.wav", "speak 4s", "hang up".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:items:MaxLength=256
	Script []string `json:"script,omitempty"`
	// outcomes of steps that need others: transfers, invitations, webhooks, by the name of the step. Absent: they succeed.
	// +optional
	// +listType=map
	// +listMapKey=step
	// +kubebuilder:validation:MaxItems=50
	Outcomes []FlowOutcome `json:"outcomes,omitempty"`
	// expect is what must come of it.
	// +required
	Expect FlowExpectation `json:"expect"`
}

// FlowOutcome is what becomes of a step in a test.
type FlowOutcome struct {
	// +required
	Step StepName `json:"step"`
	// failed: it does not succeed.
	// +optional
	Failed bool `json:"failed,omitempty"`
	// variables that a webhook answers with.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Variables map[VariableName]VariableValue `json:"variables,omitempty"`
	// next is the step that a webhook chooses.
	// +optional
	Next StepName `json:"next,omitempty"`
}

// FlowExpectation is what must come of a test; members that are absent are not looked at.
type FlowExpectation struct {
	// steps that were taken, in order; those of subflows are written flow/step.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=500
	Steps []string `json:"steps,omitempty"`
	// variables at the end.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Variables map[VariableName]VariableValue `json:"variables,omitempty"`
	// end of the flow.
	// +optional
	End FlowEnd `json:"end,omitempty"`
}
