// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"strings"
)

// Somebody else under a recording policy is about to join, or has left, a call that was answered with a participantCapacity. No page
// of Graph shows the body around participantJoiningNotification and participantLeftNotification, so it is taken as an entry
// of commsNotifications, as the resourceData of one, and alone.

const (
	joiningType = "participantJoiningNotification"
	leftType    = "participantLeftNotification"
)

type recordedWire struct {
	Type          string          `json:"@odata.type"`
	Call          json.RawMessage `json:"call"`
	ParticipantID string          `json:"participantId"`
}

// recordedKind tells what an @odata.type says of somebody under a recording policy.
func recordedKind(odataType string) ResourceKind {
	switch name := typeName(odataType); {
	case strings.EqualFold(name, joiningType):
		return KindParticipantJoining
	case strings.EqualFold(name, leftType):
		return KindParticipantLeft
	}
	return KindUnknown
}

// readRecorded makes n the news in data, if data is one of the two. What n knows already of the call stays.
func (n *Notification) readRecorded(data json.RawMessage) bool {
	var wire recordedWire
	if !isObject(data) || decode(data, &wire) != nil {
		return false
	}
	kind := recordedKind(wire.Type)
	if kind == KindUnknown {
		return false
	}
	n.Resource.Kind = kind
	n.Resource.ID = wire.ParticipantID
	n.readCall(wire.Call)
	if n.Resource.CallID == "" && n.Call != nil {
		n.Resource.CallID = n.Call.ID
	}
	return true
}

// JoinResponse is the body that answers a KindParticipantJoining, with status 200.
type JoinResponse struct {
	odataType string
	reason    RejectReason
	inviteURI string
}

// AcceptJoin lets the participant share the call.
func AcceptJoin() JoinResponse { return JoinResponse{odataType: "acceptJoinResponse"} }

// RejectJoin turns the participant away from the bot; the policy decides what becomes of the participant's own call.
func RejectJoin(reason RejectReason) JoinResponse {
	return JoinResponse{odataType: "rejectJoinResponse", reason: reason}
}

// InviteNewBot has the service send a new incoming call for the participant to uri.
func InviteNewBot(uri string) JoinResponse {
	return JoinResponse{odataType: "inviteNewBotResponse", inviteURI: uri}
}

// MarshalJSON writes the response as the service wants it.
func (r JoinResponse) MarshalJSON() ([]byte, error) {
	return encode(r.odataType, struct {
		Reason    RejectReason `json:"reason,omitempty"`
		InviteURI string       `json:"inviteUri,omitempty"`
	}{r.reason, r.inviteURI})
}
