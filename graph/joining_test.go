// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParticipantJoiningIsReadInEveryFormItMayTake(t *testing.T) {
	const joining = `{"@odata.type":"#microsoft.graph.participantJoiningNotification","call":{"@odata.type":"#microsoft.graph.call","id":"c1","tenantId":"T",
		"source":{"identity":{"user":{"id":"u2"}}},"incomingContext":{"sourceParticipantId":"p","observedParticipantId":"p"}}}`
	call := &Call{
		ID: "c1", TenantID: "T", Source: &ParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "u2"}}},
		IncomingContext: &IncomingContext{SourceParticipantID: "p", ObservedParticipantID: "p"},
	}
	for name, c := range map[string]struct {
		body string
		want Notification
	}{
		"joining, as an entry": {one(joining), Notification{Resource: Resource{Kind: KindParticipantJoining, CallID: "c1"}, TenantID: "T", Call: call}},
		"joining, alone":       {joining, Notification{Resource: Resource{Kind: KindParticipantJoining, CallID: "c1"}, TenantID: "T", Call: call}},
		"joining, as the data of an entry": {
			one(`{"changeType":"updated","resourceUrl":"/communications/calls/C1","resourceData":` + joining + `}`),
			Notification{ChangeType: Updated, Resource: Resource{Kind: KindParticipantJoining, CallID: "C1"}, TenantID: "T", Call: call},
		},
		"left": {
			one(`{"@odata.type":"#Microsoft.Graph.ParticipantLeftNotification","Call":{"id":"c1"},"participantId":"p7"}`),
			Notification{Resource: Resource{Kind: KindParticipantLeft, CallID: "c1", ID: "p7"}, Call: &Call{ID: "c1"}},
		},
		"left, without a call": {
			one(`{"@odata.type":"#microsoft.graph.participantLeftNotification","call":null,"participantId":"p7"}`),
			Notification{Resource: Resource{Kind: KindParticipantLeft, ID: "p7"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNotifications([]byte(c.body))
			if err != nil || len(got) != 1 {
				t.Fatal(got, err)
			}
			if diff := cmp.Diff(c.want, got[0], cmpopts.IgnoreFields(Notification{}, "Raw")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestJoinResponses(t *testing.T) {
	for want, r := range map[string]JoinResponse{
		`{"@odata.type":"#microsoft.graph.acceptJoinResponse"}`:                                 AcceptJoin(),
		`{"@odata.type":"#microsoft.graph.rejectJoinResponse","reason":"busy"}`:                 RejectJoin(RejectBusy),
		`{"@odata.type":"#microsoft.graph.inviteNewBotResponse","inviteUri":"https://b/calls"}`: InviteNewBot("https://b/calls"),
	} {
		got, err := json.Marshal(r)
		if err != nil || string(got) != want {
			t.Errorf("%s %v, want %s", got, err, want)
		}
	}
}

func TestRecordsByPolicy(t *testing.T) {
	for name, c := range map[string]struct {
		call string
		want bool
	}{
		"by its metadata":        {`{"applicationMetadata":{"botData":{"inviteReasons":["policyBasedRecording"],"user":{"participationMethod":"x"}}}}`, true},
		"by whom to observe":     {`{"incomingContext":{"sourceParticipantId":"A-b","observedParticipantId":"aB"},"meetingInfo":{"@odata.type":"#microsoft.graph.tokenMeetingInfo","token":"t"}}`, true},
		"a person calls":         {`{"incomingContext":{"sourceParticipantId":"a"},"meetingInfo":{"token":"t"}}`, false},
		"somebody else observed": {`{"incomingContext":{"sourceParticipantId":"a","observedParticipantId":"b"},"meetingInfo":{"token":"t"}}`, false},
		"no call to be recorded": {`{"incomingContext":{"sourceParticipantId":"a","observedParticipantId":"a"}}`, false},
		"metadata as a text":     {`{"applicationMetadata":"?"}`, false},
		"nothing":                {`{}`, false},
	} {
		var call Call
		if err := decode([]byte(c.call), &call); err != nil || call.RecordsByPolicy() != c.want {
			t.Errorf("%s: %v %v", name, call.RecordsByPolicy(), err)
		}
	}
}
