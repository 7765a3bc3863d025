// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	tenant    = "86dc81db-c112-4228-9222-63f3esaa1edb"
	organizer = "5810cede-f3cc-42eb-b2c1-e9bd5d53ec96"
)

// createBodies are the ways to join and to call that Graph documents, with the bodies it documents for them.
var createBodies = map[string]struct {
	call *Call
	want string
}{
	"join by coordinates, media hosted by the bot": {
		call: func() *Call {
			c := &Call{
				CallbackURI: "https://bot.contoso.com/callback", RequestedModalities: []Modality{ModalityAudio},
				MediaConfig: AppHostedMedia(`{"version":1}`), Subject: "Stand-up",
			}
			Meeting{ThreadID: "19:meeting_abc@thread.v2", MessageID: "0", OrganizerID: organizer, TenantID: tenant}.Apply(c)
			return c
		}(),
		want: `{"@odata.type":"#microsoft.graph.call",
			"callbackUri":"https://bot.contoso.com/callback",
			"subject":"Stand-up",
			"tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb",
			"requestedModalities":["audio"],
			"mediaConfig":{"@odata.type":"#microsoft.graph.appHostedMediaConfig","blob":"{\"version\":1}"},
			"chatInfo":{"@odata.type":"#microsoft.graph.chatInfo","threadId":"19:meeting_abc@thread.v2","messageId":"0"},
			"meetingInfo":{"@odata.type":"#microsoft.graph.organizerMeetingInfo",
				"organizer":{"@odata.type":"#microsoft.graph.identitySet",
					"user":{"@odata.type":"#microsoft.graph.identity","id":"5810cede-f3cc-42eb-b2c1-e9bd5d53ec96","tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb"}},
				"allowConversationWithoutHost":true}}`,
	},
	"join a channel meeting as a guest, media hosted by the service": {
		call: func() *Call {
			c := &Call{
				CallbackURI: "https://bot.contoso.com/callback", RequestedModalities: []Modality{ModalityAudio},
				MediaConfig: ServiceHostedMedia(MediaInfo{URI: "https://cdn.contoso.com/beep.wav", ResourceID: "f8971b04"}),
				Source:      &ParticipantInfo{Identity: IdentitySet{Guest: &Identity{ID: "d7a3b999", DisplayName: "Guest User"}}},
			}
			Meeting{ThreadID: "19:abc@thread.tacv2", MessageID: "1533758867081", ReplyChainMessageID: "1533758867000", OrganizerID: organizer, TenantID: tenant}.Apply(c)
			return c
		}(),
		want: `{"@odata.type":"#microsoft.graph.call",
			"callbackUri":"https://bot.contoso.com/callback",
			"tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb",
			"source":{"@odata.type":"#microsoft.graph.participantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet",
				"guest":{"@odata.type":"#microsoft.graph.identity","id":"d7a3b999","displayName":"Guest User"}}},
			"requestedModalities":["audio"],
			"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig",
				"preFetchMedia":[{"@odata.type":"#microsoft.graph.mediaInfo","uri":"https://cdn.contoso.com/beep.wav","resourceId":"f8971b04"}]},
			"chatInfo":{"@odata.type":"#microsoft.graph.chatInfo","threadId":"19:abc@thread.tacv2","messageId":"1533758867081","replyChainMessageId":"1533758867000"},
			"meetingInfo":{"@odata.type":"#microsoft.graph.organizerMeetingInfo",
				"organizer":{"@odata.type":"#microsoft.graph.identitySet",
					"user":{"@odata.type":"#microsoft.graph.identity","id":"5810cede-f3cc-42eb-b2c1-e9bd5d53ec96","tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb"}},
				"allowConversationWithoutHost":true}}`,
	},
	"join by meeting ID": {
		call: func() *Call {
			c := &Call{CallbackURI: "https://b/c", RequestedModalities: []Modality{ModalityAudio}, MediaConfig: ServiceHostedMedia(), TenantID: tenant}
			Meeting{JoinMeetingID: "123456789012", Passcode: "psw123"}.Apply(c)
			return c
		}(),
		want: `{"@odata.type":"#microsoft.graph.call","callbackUri":"https://b/c","tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb","requestedModalities":["audio"],
			"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig"},
			"meetingInfo":{"@odata.type":"#microsoft.graph.joinMeetingIdMeetingInfo","joinMeetingId":"123456789012","passcode":"psw123"}}`,
	},
	"join by meeting ID without a passcode": {
		call: func() *Call {
			c := &Call{CallbackURI: "https://b/c", MediaConfig: ServiceHostedMedia(), TenantID: tenant}
			Meeting{JoinMeetingID: "1234567"}.Apply(c)
			return c
		}(),
		want: `{"@odata.type":"#microsoft.graph.call","callbackUri":"https://b/c","tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb",
			"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig"},
			"meetingInfo":{"@odata.type":"#microsoft.graph.joinMeetingIdMeetingInfo","joinMeetingId":"1234567","passcode":null}}`,
	},
	"join by token, with options": {
		call: &Call{
			CallbackURI: "https://b/c", MediaConfig: ServiceHostedMedia(), MeetingInfo: &MeetingInfo{Token: "tok"},
			CallOptions: &CallOptions{IsDeltaRosterEnabled: true},
		},
		want: `{"@odata.type":"#microsoft.graph.call","callbackUri":"https://b/c",
			"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig"},
			"callOptions":{"@odata.type":"#microsoft.graph.outgoingCallOptions","isDeltaRosterEnabled":true},
			"meetingInfo":{"@odata.type":"#microsoft.graph.tokenMeetingInfo","token":"tok"}}`,
	},
	"call a telephone": {
		call: &Call{
			CallbackURI: "https://b/c", MediaConfig: ServiceHostedMedia(), TenantID: tenant, CallChainID: "d8217646",
			Source:  &ParticipantInfo{Identity: IdentitySet{ApplicationInstance: &Identity{ID: "3d913abb", DisplayName: "Calling Bot"}}},
			Targets: []InvitationParticipantInfo{{Identity: IdentitySet{Phone: &Identity{ID: "+12345678901"}}}},
		},
		want: `{"@odata.type":"#microsoft.graph.call","callbackUri":"https://b/c","tenantId":"86dc81db-c112-4228-9222-63f3esaa1edb","callChainId":"d8217646",
			"source":{"@odata.type":"#microsoft.graph.participantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet",
				"applicationInstance":{"@odata.type":"#microsoft.graph.identity","id":"3d913abb","displayName":"Calling Bot"}}},
			"targets":[{"@odata.type":"#microsoft.graph.invitationParticipantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet",
				"phone":{"@odata.type":"#microsoft.graph.identity","id":"+12345678901"}}}],
			"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig"}}`,
	},
}

func TestEncodeCreate(t *testing.T) {
	for name, c := range createBodies {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(c.call)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, []byte(c.want)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(indented(t, want.Bytes()), indented(t, got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// indented keeps the order of members, which is ours to keep stable.
func indented(t *testing.T, object []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, object, "", " "); err != nil {
		t.Fatalf("%v in %s", err, object)
	}
	return b.String()
}

// What is encoded decodes to what it was, for every field of every type.
func TestEncodeDecode(t *testing.T) {
	id := &IdentitySet{User: &Identity{ID: "u", DisplayName: "U <&> “Ü”", TenantID: "t", IdentityProvider: "AAD"}}
	for name, c := range createBodies {
		t.Run(name, func(t *testing.T) { sameAgain(t, *c.call) })
	}
	t.Run("notified call", func(t *testing.T) {
		sameAgain(t, Call{
			ID: "c", State: StateTerminated, Direction: DirectionIncoming, MyParticipantID: "me", MediaState: &CallMediaState{Audio: MediaInactive},
			ResultInfo: &ResultInfo{Code: 500, Subcode: 1005, Message: "m"}, ToneInfo: &ToneInfo{SequenceID: 1, Tone: "pound"},
			Transcription:   &CallTranscription{State: "active", LastModifiedDateTime: "2026-01-01T00:00:00Z"},
			IncomingContext: &IncomingContext{SourceParticipantID: "s", ObservedParticipantID: "o", OnBehalfOf: id, Transferor: id},
			CallRoutes:      []CallRoute{{Original: id, Final: id, RoutingType: "forwarded"}},
			CallOptions:     &CallOptions{Incoming: true, HideBotAfterEscalation: true},
			AnsweredBy:      &ParticipantInfo{Identity: *id, Region: "amer"}, TerminationReason: "AppTransferred", ActiveModalities: []Modality{ModalityVideoScreenSharing},
		})
	})
	t.Run("participant", func(t *testing.T) {
		sameAgain(t, Participant{
			ID: "p", Info: ParticipantInfo{Identity: IdentitySet{Other: map[string]Identity{"robot": {ID: "r"}, "alien": {ID: "a"}}}, LanguageID: "de"},
			IsMuted: true, IsInLobby: true, MediaStreams: []MediaStream{{MediaType: ModalityVideo, SourceID: "5", Direction: MediaSendOnly, ServerMuted: true}},
			Metadata: `{"a":1}`, RecordingInfo: &RecordingInfo{Status: Recording, Initiator: id}, RemovedState: &RemovedState{Reason: "r"}, RosterSequenceNumber: 9,
		})
	})
	t.Run("operation", func(t *testing.T) {
		sameAgain(t, Operation{
			Type: "recordOperation", ID: "o", Status: OperationFailed, ClientContext: "x", ResultInfo: &ResultInfo{Code: 400, Subcode: 8508},
			CompletionReason: "operationCanceled", RecordingLocation: "https://r", RecordingAccessToken: "t",
		})
	})
}

func sameAgain[T any](t *testing.T, v T) {
	t.Helper()
	object, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var again T
	if err := decode(object, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, again); diff != "" {
		t.Errorf("%s\n(-was +is)\n%s", object, diff)
	}
}

func TestEncodeRefusesWhatGraphCannotTell(t *testing.T) {
	for name, v := range map[string]any{
		"meeting info with nothing":      MeetingInfo{},
		"meeting info with two ways":     MeetingInfo{Token: "t", JoinMeetingID: "1"},
		"media config without a hosting": MediaConfig{Blob: "b"},
	} {
		if object, err := json.Marshal(v); err == nil {
			t.Errorf("%s: encoded as %s", name, object)
		}
	}
}

func TestPrimaryIdentity(t *testing.T) {
	a, u := &Identity{ID: "a"}, &Identity{ID: "u"}
	for want, set := range map[string]IdentitySet{
		"user":                {User: u, Application: a},
		"applicationInstance": {ApplicationInstance: u, Application: a},
		"encrypted":           {Encrypted: u},
		"alien":               {Other: map[string]Identity{"robot": {ID: "r"}, "alien": {ID: "u"}, "zombie": {ID: "z"}}},
	} {
		if key, id := set.Primary(); key != want || id.ID != "u" {
			t.Errorf("%s: got %s %v", want, key, id)
		}
	}
	if key, id := new(IdentitySet).Primary(); key != "" || id != nil {
		t.Errorf("an empty set has the identity %s %v", key, id)
	}
}

func TestNewBlob(t *testing.T) {
	blob, err := NewBlob("https://pod.media.contoso.com:8445/whip/c1", "tok")
	if want := `{"version":1,"transport":"webrtc","mpUri":"https://pod.media.contoso.com:8445/whip/c1","token":"tok"}`; err != nil || blob != want {
		t.Errorf("%s %v, want %s", blob, err, want)
	}
	for name, c := range map[string]struct{ uri, token string }{
		"no token": {"https://h/p", ""}, "plain http": {"http://h/p", "t"}, "no host": {"https:///p", "t"}, "a user": {"https://u@h/p", "t"}, "no URL": {"\x7f", "t"},
	} {
		if _, err := NewBlob(c.uri, c.token); err == nil {
			t.Errorf("%s: made a blob", name)
		}
	}
}
