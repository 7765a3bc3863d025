// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Autoscaling has the operator choose how many media pods serve: as many as the calls there are need, those known to come,
// and a number of free seats besides.
// +kubebuilder:validation:XValidation:rule="self.min <= self.max",message="min must not be above max"
// +kubebuilder:validation:XValidation:rule="!has(self.schedules) || self.schedules.all(s, !has(s.min) || s.min <= self.max)",message="min of a schedule must not be above max"
type Autoscaling struct {
	// min is how many pods serve at the least.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Min int32 `json:"min"`

	// max is how many pods serve at the most. Pods that drain come on top.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Max int32 `json:"max"`

	// freeSeats are kept free for calls that nobody announced.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	FreeSeats int32 `json:"freeSeats,omitempty"`

	// stabilization is how long fewer pods have to be enough before the fleet shrinks, to the most that were needed meanwhile.
	// +optional
	// +default="5m"
	Stabilization Duration `json:"stabilization,omitempty"`

	// leadTime is how long before it is needed a pod is started at the latest. Absent: as long as the pods of this fleet were
	// measured to take (status.autoscaling.podStart), and never less than that.
	// +optional
	LeadTime Duration `json:"leadTime,omitempty"`

	// schedules change freeSeats and min at certain times. What the entry says that came last holds until the next comes.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Schedules []CapacitySchedule `json:"schedules,omitempty"`
}

// CapacitySchedule says what holds from certain times on.
// +kubebuilder:validation:XValidation:rule="has(self.freeSeats) || has(self.min)",message="a schedule sets freeSeats, min or both"
type CapacitySchedule struct {
	// cron is when: minute, hour, day of month, month, day of week, such as "0 8 * * MON-FRI".
	// +required
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[^\s=]+(\s+[^\s=]+){4}$`
	Cron string `json:"cron"`

	// timeZone of these times by its name in the IANA database, such as Europe/Zurich; absent: UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]+$`
	TimeZone string `json:"timeZone,omitempty"`

	// freeSeats from then on; absent: as autoscaling.freeSeats says.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	FreeSeats *int32 `json:"freeSeats,omitempty"`

	// min from then on; absent: as autoscaling.min says.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000
	Min *int32 `json:"min,omitempty"`
}

// AutoscalingStatus is what autoscaling goes by.
type AutoscalingStatus struct {
	// replicas it wants.
	// +optional
	Replicas int32 `json:"replicas"`
	// lowerSince is since when fewer would be enough; the fleet shrinks when that has held for autoscaling.stabilization.
	// +optional
	LowerSince *metav1.Time `json:"lowerSince,omitempty"`
	// peak is the most that were needed since then.
	// +optional
	Peak int32 `json:"peak,omitempty"`
	// podStart is how long pods of this fleet take from their creation until they are Ready, as nine of ten of the last ones did.
	// +optional
	PodStart Duration `json:"podStart,omitempty"`
}

// Conditions and reasons of autoscaling.
const (
	// ConditionAutoscaling of a CallingBot: the operator chooses how many pods there are. Present while spec.autoscaling is.
	ConditionAutoscaling = "Autoscaling"
	// ReasonFollowingDemand: it does.
	ReasonFollowingDemand = "FollowingDemand"
	// ReasonMaxReached: more pods would be needed than autoscaling.max allows.
	ReasonMaxReached = "MaxReached"
	// ReasonReplicasSet: spec.replicas is set, which takes over.
	ReasonReplicasSet = "ReplicasSet"
	// ReasonScheduleInvalid: an entry of autoscaling.schedules cannot be understood; the others hold.
	ReasonScheduleInvalid = "ScheduleInvalid"

	// ConditionCapacityReserved of a MeetingSession whose startTime is ahead: there will be seats for it in time.
	ConditionCapacityReserved = "CapacityReserved"
	// ReasonPlanned: the fleet may have as many pods as are needed then, and there is time to start them.
	ReasonPlanned = "Planned"
	// ReasonPodsStarting: they are on their way, and take no longer than the fleet's pods did.
	ReasonPodsStarting = "PodsStarting"
	// ReasonSeatsReady: the pods are there.
	ReasonSeatsReady = "SeatsReady"
	// ReasonPodsLate: the pods that are needed will not be there in time.
	ReasonPodsLate = "PodsLate"
	// ReasonFleetTooSmall: so many calls at that time are more than the fleet may have seats for.
	ReasonFleetTooSmall = "FleetTooSmall"
)
