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
// +kubebuilder:validation:XValidation:rule="has(self.guestName) == has(oldSelf.guestName) && (!has(self.guestName) || self.guestName == oldSelf.guestName)",message="guestName cannot change; make a new MeetingSession"
// +kubebuilder:validation:XValidation:rule="!has(self.rejoin) || !has(self.rejoin.policy) || self.rejoin.policy != 'RingAgain'",message="rejoin.policy RingAgain is for group calls; a meeting rings nobody, and is rejoined with OnFailure"
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

	// guestName, if set, makes the bot join as a guest of that name; it then usually waits in the lobby.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	GuestName string `json:"guestName,omitempty"`

	// allowDuplicates lets this session join although another session of the bot is in the same meeting.
	// +optional
	AllowDuplicates bool `json:"allowDuplicates,omitempty"`
}

// Meeting is named by exactly one of joinURL, joinMeetingID, coordinates, token, videoTeleconferenceID and create. They
// let people in, and count as secrets: none is ever copied into status, events or logs.
// +kubebuilder:validation:XValidation:rule="[has(self.joinURL), has(self.joinMeetingID), has(self.coordinates), has(self.token), has(self.videoTeleconferenceID), has(self.create)].filter(x, x).size() == 1",message="exactly one of joinURL, joinMeetingID, coordinates, token, videoTeleconferenceID and create must be set"
// +kubebuilder:validation:XValidation:rule="!has(self.organizer) || has(self.joinURL)",message="organizer goes with joinURL"
// +kubebuilder:validation:XValidation:rule="!has(self.tenantID) || !has(self.coordinates)",message="coordinates have a tenantID of their own"
type Meeting struct {
	// joinURL is the link of the invitation, long (…/l/meetup-join/…) or short (…/meet/ID?p=…).
	// +optional
	JoinURL HTTPSURL `json:"joinURL,omitempty"`

	// organizer is the object id of the user in whose calendar the meeting is. With it, a joinURL that does not tell which
	// meeting it leads to is looked up (permission OnlineMeetings.Read.All and an application access policy).
	// +optional
	Organizer GUID `json:"organizer,omitempty"`

	// tenantID is the tenant of the meeting and its organizer, in whose name the bot looks it up and joins: the bot's own or one of
	// its allowedTenants. Absent: the one a long joinURL names, else the bot's own.
	// +optional
	TenantID GUID `json:"tenantID,omitempty"`

	// joinMeetingID is the meeting's number and passcode.
	// +optional
	JoinMeetingID *JoinMeetingID `json:"joinMeetingID,omitempty"`

	// coordinates are what a long joinURL says, taken apart; channel meetings have a replyChainMessageID.
	// +optional
	Coordinates *MeetingCoordinates `json:"coordinates,omitempty"`

	// token is a key of a Secret with a join token: what Microsoft calls meetingInfo.token in the notification of a call that comes in
	// to a group call or meeting. Callfleet keeps none; it is for one that other software of the same registration has received.
	// +optional
	Token *KeyReference `json:"token,omitempty"`

	// videoTeleconferenceID is looked up among the meetings of the tenant (Cloud Video Interop).
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]{1,32}$`
	// +kubebuilder:validation:MaxLength=32
	VideoTeleconferenceID string `json:"videoTeleconferenceID,omitempty"`

	// create makes the meeting first, once however often the bot joins. Its join link is put into the Secret
	// <session>-meeting, under joinURL.
	// +optional
	Create *NewMeeting `json:"create,omitempty"`
}

// MeetingCoordinates name a meeting by its chat thread and organizer.
type MeetingCoordinates struct {
	// threadID of the meeting's chat, such as 19:meeting_…@thread.v2.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	ThreadID string `json:"threadID"`
	// messageID in the thread; "0" for a scheduled meeting.
	// +optional
	// +default="0"
	// +kubebuilder:validation:MaxLength=64
	MessageID string `json:"messageID,omitempty"`
	// replyChainMessageID of a channel meeting.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	ReplyChainMessageID string `json:"replyChainMessageID,omitempty"`
	// organizerID is the object id of the organizer.
	// +required
	OrganizerID GUID `json:"organizerID"`
	// tenantID of the organizer; absent: the bot's.
	// +optional
	TenantID GUID `json:"tenantID,omitempty"`
}

// NewMeeting is a meeting to be made (Graph, "onlineMeeting: createOrGet").
type NewMeeting struct {
	// organizer is the object id of the user whose meeting it will be (permission OnlineMeetings.ReadWrite.All and an
	// application access policy).
	// +required
	Organizer GUID `json:"organizer"`
	// subject of the meeting.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Subject string `json:"subject,omitempty"`
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
