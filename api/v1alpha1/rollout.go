// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rollout says how a changed configuration reaches the fleet: pods with the new one come up beside the old, take the new
// calls, and the old ones finish theirs.
// +kubebuilder:validation:XValidation:rule="!has(self.onDeadline) || self.onDeadline != 'HangUp' || has(self.drainDeadline)",message="onDeadline: HangUp needs a drainDeadline"
// +kubebuilder:validation:XValidation:rule="!has(self.drainDeadline) || duration(self.drainDeadline) > duration('0s')",message="drainDeadline must be longer than 0s; leave it out to wait for as long as calls last"
type Rollout struct {
	// maxSurge bounds how many pods a rollout may have beside those that are wanted, the ones that still drain included: a
	// number of pods, or a percentage of the pods wanted, rounded up. With 100% all old pods are relieved at once and drain
	// side by side; with less, one that drains for hours holds up the next. It has no say over pods that drain for another
	// reason.
	// +optional
	// +default="100%"
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 1000 : self.matches('^(100|[1-9][0-9]?)%$')",message="must be a number of pods, 1 to 1000, or a percentage, 1% to 100%: without surge a rollout would have to take seats away"
	MaxSurge *intstr.IntOrString `json:"maxSurge,omitempty"`

	// drainDeadline is how long the calls on an old pod may go on after it was relieved. Absent: as long as they last.
	// +optional
	DrainDeadline Duration `json:"drainDeadline,omitempty"`

	// onDeadline says what happens then: Keep only tells of it (condition RolloutComplete); HangUp has the bot leave the calls.
	// It follows for pods that drain already.
	// +optional
	// +default="Keep"
	OnDeadline DeadlinePolicy `json:"onDeadline,omitempty"`

	// paused holds a rollout where it is: no more pods are made for it and none is relieved. What is lost, and what more
	// replicas are wanted, is made with the configuration that most of the serving pods have.
	// +optional
	Paused bool `json:"paused,omitempty"`
}

// DeadlinePolicy says what happens to calls that go on beyond a drainDeadline.
// +kubebuilder:validation:Enum=Keep;HangUp
type DeadlinePolicy string

const (
	DeadlineKeep   DeadlinePolicy = "Keep"
	DeadlineHangUp DeadlinePolicy = "HangUp"
)

// RolloutStatus tells how far the present configuration has got.
type RolloutStatus struct {
	// revision is the hash of the present configuration, as MediaPods carry it.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Revision string `json:"revision,omitempty"`
	// updatedReplicas counts the serving pods that have it, ready or not.
	// +optional
	UpdatedReplicas int32 `json:"updatedReplicas"`
	// oldPods counts the pods with an earlier configuration, those that drain included.
	// +optional
	OldPods int32 `json:"oldPods"`
	// oldCalls counts the calls on them.
	// +optional
	OldCalls int32 `json:"oldCalls"`
}

// Drain says why a pod is being emptied.
type Drain struct {
	// reason in one word.
	// +required
	// +kubebuilder:validation:Enum=ScaleIn;Rollout;NodeDraining;Lost
	Reason string `json:"reason"`

	// message says what led to it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`

	// since when.
	// +required
	Since metav1.Time `json:"since"`

	// hangUpAt is when the pod leaves the calls it still has. Absent: it does not.
	// +optional
	HangUpAt *metav1.Time `json:"hangUpAt,omitempty"`
}

const (
	DrainScaleIn = "ScaleIn"
	DrainRollout = "Rollout"
	// DrainNode: the node is about to go, or to be worked on.
	DrainNode = "NodeDraining"
	// DrainLost: a person said that the process is gone (AnnotationLost).
	DrainLost = "Lost"
)

// DeletionPolicy says what becomes of the calls of a bot that is deleted.
// +kubebuilder:validation:Enum=Drain;Force
type DeletionPolicy string

const (
	// DeletionDrain waits for them.
	DeletionDrain DeletionPolicy = "Drain"
	// DeletionForce has the bot leave them.
	DeletionForce DeletionPolicy = "Force"
)

// Condition and reasons of a rollout.
const (
	// ConditionRolloutComplete of a CallingBot: every pod has the present configuration. While it is false the fleet is as
	// well as ever: the message says how many pods and calls are left.
	ConditionRolloutComplete = "RolloutComplete"

	// ReasonRolloutComplete: no pod has an earlier configuration.
	ReasonRolloutComplete = "Complete"
	// ReasonRollingOut: new pods come up.
	ReasonRollingOut = "RollingOut"
	// ReasonDrainingCalls: new pods serve; old ones finish their calls.
	ReasonDrainingCalls = "DrainingCalls"
	// ReasonSurgeExhausted: the next new pod has to wait until an old one has drained, as maxSurge allows no more.
	ReasonSurgeExhausted = "SurgeExhausted"
	// ReasonDrainOverdue: calls go on beyond drainDeadline, and onDeadline is Keep.
	ReasonDrainOverdue = "DrainOverdue"
	// ReasonPaused: rollout.paused is set.
	ReasonPaused = "Paused"
)
