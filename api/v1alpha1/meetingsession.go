// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MeetingSession says that a bot is in a meeting, from then until then, doing this.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=ms,categories=callfleet
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Bot",type=string,JSONPath=`.spec.botRef.name`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Pod",type=string,JSONPath=`.status.mediaPod`
// +kubebuilder:printcolumn:name="Participants",type=integer,JSONPath=`.status.participants.count`
// +kubebuilder:printcolumn:name="End",type=string,JSONPath=`.status.endReason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Media",type=string,JSONPath=`.status.conditions[?(@.type=="MediaFlowing")].status`,priority=1
// +kubebuilder:printcolumn:name="Start",type=string,JSONPath=`.spec.startTime`,priority=1
// +kubebuilder:selectablefield:JSONPath=`.spec.botRef.name`
// +kubebuilder:selectablefield:JSONPath=`.status.mediaPod`
// +kubebuilder:selectablefield:JSONPath=`.status.phase`
type MeetingSession struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// +required
	Spec MeetingSessionSpec `json:"spec"`
	// +optional
	Status MeetingSessionStatus `json:"status,omitzero"`
}

// MeetingSessionList is a list of MeetingSessions.
// +kubebuilder:object:root=true
type MeetingSessionList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []MeetingSession `json:"items"`
}

// MeetingSessionSpec is what the user wants.
// +kubebuilder:validation:XValidation:rule="!has(self.startTime) || !has(self.endTime) || self.startTime < self.endTime",message="endTime must be after startTime"
// +kubebuilder:validation:XValidation:rule="self.meeting == oldSelf.meeting",message="meeting cannot change; make a new MeetingSession"
type MeetingSessionSpec struct {
	CallSpec `json:",inline"`

	// meeting to be in.
	// +required
	Meeting Meeting `json:"meeting"`

	// startTime is when the bot joins; absent: now.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// endTime is when the bot leaves at the latest.
	// +optional
	EndTime *metav1.Time `json:"endTime,omitempty"`

	// allowDuplicates lets this session join although another session of the bot is in the same meeting.
	// +optional
	AllowDuplicates bool `json:"allowDuplicates,omitempty"`
}

// Meeting is named by exactly one of the members. Both are secrets in the sense that they let people in: they are never
// copied into status, events or logs.
// +kubebuilder:validation:XValidation:rule="has(self.joinURL) != has(self.joinMeetingID)",message="exactly one of joinURL and joinMeetingID must be set"
type Meeting struct {
	// joinURL is the link of the invitation, long (…/l/meetup-join/…) or short (…/meet/ID?p=…).
	// +optional
	JoinURL HTTPSURL `json:"joinURL,omitempty"`

	// joinMeetingID is the meeting's number and passcode.
	// +optional
	JoinMeetingID *JoinMeetingID `json:"joinMeetingID,omitempty"`
}

// JoinMeetingID is what people type to join.
type JoinMeetingID struct {
	// id, digits with or without spaces.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9][0-9 ]*[0-9]$`
	ID string `json:"id"`

	// passcode, if the meeting has one.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Passcode string `json:"passcode,omitempty"`
}

// MeetingSessionStatus is the story of the session.
type MeetingSessionStatus struct {
	CallStatus `json:",inline"`
}
