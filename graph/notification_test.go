// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func one(entry string) string {
	return `{"@odata.type":"#microsoft.graph.commsNotifications","value":[` + entry + `]}`
}

func TestParseNotifications(t *testing.T) {
	const id = "57dab8b1-894c-409a-b240-bd8beae78896"
	inCall := Resource{Kind: KindCall, CallID: id}

	for name, c := range map[string]struct {
		body string
		want []Notification
	}{
		"established, as documented": {
			body: one(`{"@odata.type":"#microsoft.graph.commsNotification","changeType":"updated",
				"resourceUrl":"/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896",
				"resourceData":{"@odata.type":"#microsoft.graph.call","@odata.id":"/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896",
				"@odata.etag":"W/\"5445\"","state":"established","mediaState":{"audio":"active"},
				"chatInfo":{"@odata.type":"#microsoft.graph.chatInfo","threadId":"19:cbee7c1c860e465f8258e3cebf7bee0d@thread.skype","messageId":"1533758867081"},
				"meetingInfo":{"@odata.type":"#microsoft.graph.organizerMeetingInfo","organizer":{"user":{"id":"5810cede","displayName":"Bob"}},"allowConversationWithoutHost":true}}}`),
			want: []Notification{{
				ChangeType: Updated, Resource: inCall,
				Call: &Call{
					ID: id, State: StateEstablished, MediaState: &CallMediaState{Audio: MediaActive},
					ChatInfo:    &ChatInfo{ThreadID: "19:cbee7c1c860e465f8258e3cebf7bee0d@thread.skype", MessageID: "1533758867081"},
					MeetingInfo: &MeetingInfo{Organizer: &IdentitySet{User: &Identity{ID: "5810cede", DisplayName: "Bob"}}, AllowConversationWithoutHost: true},
				},
			}},
		},
		"incoming call, tenant from the caller": {
			body: one(`{"changeType":"created","resource":"/app/calls/57dab8b1-894c-409a-b240-bd8beae78896","callbackUri":"https://bot.contoso.com/callback",
				"resourceData":{"@odata.type":"#microsoft.graph.call","state":"incoming","direction":"incoming",
				"source":{"@odata.type":"#microsoft.graph.participantInfo","identity":{"user":{"displayName":"Test User","id":"8A34A46B","tenantId":"T1","identityProvider":"AAD"}},
					"countryCode":"US","endpointType":"default"},
				"targets":[{"@odata.type":"#microsoft.graph.participantInfo","identity":{"application":{"displayName":"Test BOT","id":"8A34A46B"}}}],
				"requestedModalities":["Audio","video"],
				"incomingContext":{"sourceParticipantId":"s","observedParticipantId":"o"},
				"meetingInfo":{"@odata.type":"#microsoft.graph.tokenMeetingInfo","token":"join-token"},
				"toneInfo":null,"callRoutes":[]}}`),
			want: []Notification{{
				ChangeType: Created, Resource: inCall, TenantID: "T1", CallbackURI: "https://bot.contoso.com/callback",
				Call: &Call{
					ID: id, State: StateIncoming, Direction: DirectionIncoming,
					Source: &ParticipantInfo{
						Identity:    IdentitySet{User: &Identity{ID: "8A34A46B", DisplayName: "Test User", TenantID: "T1", IdentityProvider: "AAD"}},
						CountryCode: "US", EndpointType: "default",
					},
					Targets:             []InvitationParticipantInfo{{Identity: IdentitySet{Application: &Identity{ID: "8A34A46B", DisplayName: "Test BOT"}}}},
					RequestedModalities: []Modality{ModalityAudio, ModalityVideo},
					IncomingContext:     &IncomingContext{SourceParticipantID: "s", ObservedParticipantID: "o"},
					MeetingInfo:         &MeetingInfo{Token: "join-token"},
				},
			}},
		},
		"terminated, loosely cased, codes as strings": {
			body: one(`{"ChangeType":"Deleted","ResourceUrl":"communications/calls/57DAB8B1894C409AB240BD8BEAE78896",
				"ResourceData":{"@odata.type":"#microsoft.graph.call","State":"Terminated","tenantId":"T2","terminationReason":"CallTerminated",
				"resultInfo":{"code":"500","subCode":"1203002","message":"Server Internal Error. DiagCode: 500#1203002.@"}}}`),
			want: []Notification{{
				ChangeType: Deleted, Resource: Resource{Kind: KindCall, CallID: "57DAB8B1894C409AB240BD8BEAE78896"}, TenantID: "T2",
				Call: &Call{
					ID: "57DAB8B1894C409AB240BD8BEAE78896", State: StateTerminated, TenantID: "T2", TerminationReason: "CallTerminated",
					ResultInfo: &ResultInfo{Code: 500, Subcode: 1203002, Message: "Server Internal Error. DiagCode: 500#1203002.@"},
				},
			}},
		},
		"a code that is no number is not success": {
			body: one(`{"changeType":"deleted","resourceUrl":"/communications/calls/c","resourceData":{"resultInfo":{"code":"n/a","subcode":null}}}`),
			want: []Notification{{
				ChangeType: Deleted, Resource: Resource{Kind: KindCall, CallID: "c"},
				Call: &Call{ID: "c", ResultInfo: &ResultInfo{Code: -1}},
			}},
		},
		"unknown enum members stay as they came, members of a wrong type are left out": {
			body: one(`{"changeType":"renamed","resourceUrl":"/communications/calls/c","resourceData":{"state":"teleporting","subject":["?"],"tenantId":"T","requestedModalities":["smell"]}}`),
			want: []Notification{{
				ChangeType: "renamed", Resource: Resource{Kind: KindCall, CallID: "c"}, TenantID: "T",
				Call: &Call{ID: "c", State: "teleporting", TenantID: "T", RequestedModalities: []Modality{"smell"}},
			}},
		},
		"tone": {
			body: one(`{"changeType":"updated","resourceUrl":"/communications/calls/c","resourceData":{"state":"established","toneInfo":{"sequenceId":"7","tone":"Tone1"}}}`),
			want: []Notification{{
				ChangeType: Updated, Resource: Resource{Kind: KindCall, CallID: "c"},
				Call: &Call{ID: "c", State: StateEstablished, ToneInfo: &ToneInfo{SequenceID: 7, Tone: "tone1"}},
			}},
		},
		"roster": {
			body: one(`{"changeType":"updated","resourceUrl":"/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896/participants","resourceData":[
				{"@odata.type":"#microsoft.graph.participant","id":null,"info":{"identity":{"user":null,"guest":{"id":"g","displayName":"Guest User"}}},"isInLobby":true},
				{"id":"p2","isMuted":true,"metadata":null,"info":{"identity":{"application":{"id":"app","ApplicationType":"LargeGallery-V2"}}},
				 "mediaStreams":[{"mediaType":"audio","label":"main-audio","sourceId":"1","direction":"SendReceive","serverMuted":false},{"mediaType":"data","sourceId":4294967295}],
				 "recordingInfo":{"recordingStatus":"notRecording"},"rosterSequenceNumber":3,"publishedStates":[]},
				{"id":"p3","info":{"identity":{"robot":{"id":"r2"}}}}]}`),
			want: []Notification{{
				ChangeType: Updated, Resource: Resource{Kind: KindParticipants, CallID: id},
				Participants: []Participant{
					{Info: ParticipantInfo{Identity: IdentitySet{Guest: &Identity{ID: "g", DisplayName: "Guest User"}}}, IsInLobby: true},
					{
						ID: "p2", IsMuted: true, RosterSequenceNumber: 3,
						Info: ParticipantInfo{Identity: IdentitySet{Application: &Identity{ID: "app", ApplicationType: "LargeGallery-V2"}}},
						MediaStreams: []MediaStream{
							{MediaType: ModalityAudio, Label: "main-audio", SourceID: "1", Direction: MediaSendReceive},
							{MediaType: ModalityData, SourceID: "4294967295"},
						},
						RecordingInfo: &RecordingInfo{Status: NotRecording},
					},
					{ID: "p3", Info: ParticipantInfo{Identity: IdentitySet{Other: map[string]Identity{"robot": {ID: "r2"}}}}},
				},
			}},
		},
		"an empty roster is not a missing one": {
			body: one(`{"changeType":"updated","resourceUrl":"/communications/calls/c/participants","resourceData":[]},
				{"changeType":"updated","resourceUrl":"/communications/calls/c/participants"}`),
			want: []Notification{
				{ChangeType: Updated, Resource: Resource{Kind: KindParticipants, CallID: "c"}, Participants: []Participant{}},
				{ChangeType: Updated, Resource: Resource{Kind: KindParticipants, CallID: "c"}},
			},
		},
		"delta roster": {
			body: one(`{"changeType":"updated","resourceUrl":"/communications/calls/c/participants","resourceData":{"@odata.type":"#microsoft.graph.deltaParticipants",
				"sequenceNumber":12,"participants":[{"id":"p","removedState":{"reason":"Removed"},"info":{}}]}}`),
			want: []Notification{{
				ChangeType: Updated, Resource: Resource{Kind: KindParticipants, CallID: "c"}, Delta: true, Sequence: 12,
				Participants: []Participant{{ID: "p", RemovedState: &RemovedState{Reason: "Removed"}}},
			}},
		},
		"one participant": {
			body: one(`{"changeType":"updated","resourceUrl":"/communications/calls/c/participants/p","resourceData":{"isMuted":true}}`),
			want: []Notification{{
				ChangeType: Updated, Resource: Resource{Kind: KindParticipants, CallID: "c", ID: "p"},
				Participants: []Participant{{ID: "p", IsMuted: true}},
			}},
		},
		"operation": {
			body: one(`{"changeType":"deleted","resourceUrl":"/communications/calls/c/operations/0FE0623FD62842EDB4BD8AC290072CC5",
				"resourceData":{"@odata.type":"#microsoft.graph.playPromptOperation","clientContext":"d45324c1","status":"Completed","resultInfo":{"code":200,"subcode":0.0}}}`),
			want: []Notification{{
				ChangeType: Deleted, Resource: Resource{Kind: KindOperation, CallID: "c", ID: "0FE0623FD62842EDB4BD8AC290072CC5"},
				Operation: &Operation{
					Type: "playPromptOperation", ID: "0FE0623FD62842EDB4BD8AC290072CC5", Status: OperationCompleted, ClientContext: "d45324c1",
					ResultInfo: &ResultInfo{Code: 200},
				},
			}},
		},
		"content sharing without data, and entries that make no sense, do not hide the rest": {
			body: "\xef\xbb\xbf" + one(`7, {"changeType":"created","resourceUrl":"/communications/calls/c/contentsharingsessions/s"}, {"resourceUrl":["x"]},
				{"changeType":"updated","resourceUrl":"/users/u"}, {"changeType":"deleted","resourceData":{"@odata.type":"#microsoft.graph.call","id":"c2"}}`),
			want: []Notification{
				{},
				{ChangeType: Created, Resource: Resource{Kind: KindContentSharing, CallID: "c", ID: "s"}},
				{},
				{ChangeType: Updated},
				{ChangeType: Deleted, Resource: Resource{Kind: KindCall, CallID: "c2"}, Call: &Call{ID: "c2"}},
			},
		},
		"no entries": {body: `{"value":[]}`, want: []Notification{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNotifications([]byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Notification{}, "Raw"), cmpopts.IgnoreFields(Call{}, "CallRoutes")); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestParseNotificationsKeepsUnknownMembers(t *testing.T) {
	got, err := ParseNotifications([]byte(one(`{"changeType":"created","resourceUrl":"/communications/calls/c","resourceData":{"applicationMetadata":{"botData":1}}}`)))
	if err != nil || len(got) != 1 || !strings.Contains(string(got[0].Raw), `"botData":1`) {
		t.Errorf("%v %v", got, err)
	}
}

func TestParseNotificationsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		body    string
		notThat bool
	}{
		"nothing":             {body: ""},
		"not JSON":            {body: "<html>"},
		"cut off":             {body: `{"value":[{"changeType":"upd`},
		"null":                {body: "null", notThat: true},
		"an array":            {body: "[]", notThat: true},
		"another format":      {body: `{"activities":[],"links":{}}`, notThat: true},
		"value is no array":   {body: `{"value":{}}`, notThat: true},
		"longer than is read": {body: `{"value":[]}` + strings.Repeat(" ", MaxNotificationBytes)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseNotifications([]byte(c.body))
			if err == nil || errors.Is(err, ErrNotNotifications) != c.notThat {
				t.Errorf("error %v; want ErrNotNotifications: %v", err, c.notThat)
			}
		})
	}
}

func TestNotificationsPrintNoSecrets(t *testing.T) {
	got, err := ParseNotifications([]byte(one(`{"changeType":"created","resourceUrl":"/communications/calls/c","resourceData":{
		"meetingInfo":{"token":"s3cret"},"mediaConfig":{"@odata.type":"#microsoft.graph.appHostedMediaConfig","blob":"s3cret"}}}`)))
	if err != nil {
		t.Fatal(err)
	}
	n := got[0]
	for _, text := range []string{
		fmt.Sprint(n), fmt.Sprintf("%+v", n), fmt.Sprint(n.Call), fmt.Sprintf("%+v", *n.Call), fmt.Sprint(*n.Call.MeetingInfo),
		fmt.Sprint(n.MarshalLog()), fmt.Sprint(n.Call.MarshalLog()),
		fmt.Sprintf("%+v", Operation{RecordingAccessToken: "s3cret"}),
	} {
		if strings.Contains(text, "s3cret") {
			t.Errorf("secret in %q", text)
		}
	}
}

// roster is a notification with n participants, as a meeting of n people sends one.
func roster(n int) []byte {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"@odata.type":"#microsoft.graph.participant","id":"%08x-894c-409a-b240-bd8beae78896",
			"info":{"@odata.type":"#microsoft.graph.participantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet",
			"user":{"@odata.type":"#microsoft.graph.identity","id":"%08x-1111-409a-b240-bd8beae78896","displayName":"Person %d","tenantId":"1fdd12d0-4620-44ed-baec-459b611f84b2"}},
			"languageId":"en-US","region":"amer"},
			"mediaStreams":[{"@odata.type":"#microsoft.graph.mediaStream","mediaType":"audio","label":"main-audio","sourceId":"%d","direction":"sendReceive","serverMuted":false}],
			"isMuted":false,"isInLobby":false}`, i, i, i, i)
	}
	return []byte(one(`{"@odata.type":"#microsoft.graph.commsNotification","changeType":"updated",
		"resourceUrl":"/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896/participants","resourceData":[` + b.String() + `]}`))
}

func BenchmarkParseNotifications(b *testing.B) {
	state := []byte(one(`{"@odata.type":"#microsoft.graph.commsNotification","changeType":"updated",
		"resourceUrl":"/communications/calls/57dab8b1-894c-409a-b240-bd8beae78896",
		"resourceData":{"@odata.type":"#microsoft.graph.call","state":"established","mediaState":{"@odata.type":"#microsoft.graph.callMediaState","audio":"active"}}}`))
	for _, c := range []struct {
		name string
		body []byte
	}{{"state", state}, {"roster10", roster(10)}, {"roster300", roster(300)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(c.body)))
			for b.Loop() {
				if _, err := ParseNotifications(c.body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
