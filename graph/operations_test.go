// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const running = `{"@odata.type":"#microsoft.graph.commsOperation","id":"o1","status":"Running","clientContext":"x"}`

// request is one operation as it should go out.
type request struct {
	do     func(context.Context, *Client) (any, error)
	answer http.HandlerFunc
	method string
	path   string // with its query, both escaped
	body   string
	schema string // of the body in Microsoft's metadata; empty: none
	result any    // nil: an operation o1 that is running
}

var (
	alice    = InvitationParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "a"}}}
	ended202 = answer(202, "")
	accepts  = answer(200, running, "Location", "https://graph.microsoft.com/v1.0/communications/calls/c1/operations/o1")
	none     = struct{}{} // an operation that yields nothing
)

const aliceBody = `{"@odata.type":"#microsoft.graph.invitationParticipantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet","user":{"@odata.type":"#microsoft.graph.identity","id":"a"}}}`

func op(o *Operation, err error) (any, error) { return o, err }
func nothing(err error) (any, error)          { return none, err }

// requests has every operation of the client by the name of its method.
var requests = map[string]request{
	"CreateCall": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.CreateCall(ctx, "s", &Call{CallbackURI: "https://b/c", MediaConfig: ServiceHostedMedia(), Targets: []InvitationParticipantInfo{alice}})
		},
		answer(201, `{"id":"c1"}`), "POST", "/communications/calls",
		`{"@odata.type":"#microsoft.graph.call","callbackUri":"https://b/c","targets":[` + aliceBody + `],"mediaConfig":{"@odata.type":"#microsoft.graph.serviceHostedMediaConfig"}}`, "microsoft.graph.call", &Call{ID: "c1"},
	},
	"GetCall": {
		func(ctx context.Context, c *Client) (any, error) { return c.GetCall(ctx, "s", "a/b") },
		answer(200, `{"id":"a/b","state":"established"}`), "GET", "/communications/calls/a%2Fb", "", "", &Call{ID: "a/b", State: StateEstablished},
	},
	"DeleteCall": {func(ctx context.Context, c *Client) (any, error) { return nothing(c.DeleteCall(ctx, "s", "c1")) }, answer(204, ""), "DELETE", "/communications/calls/c1", "", "", none},
	"KeepAlive":  {func(ctx context.Context, c *Client) (any, error) { return nothing(c.KeepAlive(ctx, "s", "c1")) }, answer(200, ""), "POST", "/communications/calls/c1/keepAlive", "", "", none},
	"AnswerCall": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.AnswerCall(ctx, "s", "c1", Answer{
				CallbackURI: "https://b/c", AcceptedModalities: []Modality{ModalityAudio}, MediaConfig: AppHostedMedia("{}"),
				ParticipantCapacity: 100, CallOptions: &CallOptions{IsDeltaRosterEnabled: true},
			}))
		},
		ended202, "POST", "/communications/calls/c1/answer",
		`{"callbackUri":"https://b/c","acceptedModalities":["audio"],"mediaConfig":{"@odata.type":"#microsoft.graph.appHostedMediaConfig","blob":"{}"},"participantCapacity":100,` +
			`"callOptions":{"@odata.type":"#microsoft.graph.incomingCallOptions","isDeltaRosterEnabled":true}}`, "AnswerCallsBody", none,
	},
	"RejectCall": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.RejectCall(ctx, "s", "c1", RejectForbidden))
		},
		ended202, "POST", "/communications/calls/c1/reject", `{"reason":"forbidden"}`, "RejectCallsBody", none,
	},
	"RedirectCall": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.RedirectCall(ctx, "s", "c1", Redirect{Targets: []InvitationParticipantInfo{alice}, TimeoutSeconds: 30, CallbackURI: "https://b/c"}))
		},
		ended202, "POST", "/communications/calls/c1/redirect", `{"targets":[` + aliceBody + `],"timeout":30,"callbackUri":"https://b/c"}`, "RedirectCallsBody", none,
	},
	"TransferCall": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.TransferCall(ctx, "s", "c1", Transfer{
				Target:     InvitationParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "a"}}, ReplacesCallID: "c2"},
				Transferee: &ParticipantInfo{Identity: IdentitySet{User: &Identity{ID: "b"}}, ParticipantID: "p2"},
			}))
		},
		ended202, "POST", "/communications/calls/c1/transfer",
		`{"transferTarget":{"@odata.type":"#microsoft.graph.invitationParticipantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet","user":{"@odata.type":"#microsoft.graph.identity","id":"a"}},"replacesCallId":"c2"},` +
			`"transferee":{"@odata.type":"#microsoft.graph.participantInfo","identity":{"@odata.type":"#microsoft.graph.identitySet","user":{"@odata.type":"#microsoft.graph.identity","id":"b"}},"participantId":"p2"}}`,
		"TransferCallsBody", none,
	},
	"UpdateRecordingStatus": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.UpdateRecordingStatus(ctx, "s", "c1", Recording, "x"))
		},
		answer(200, `{"@odata.type":"#microsoft.graph.updateRecordingStatusOperation","id":"o2","status":"completed","resultInfo":{"code":200,"subcode":0}}`),
		"POST", "/communications/calls/c1/updateRecordingStatus", `{"status":"recording","clientContext":"x"}`, "UpdateRecordingStatusCallsBody",
		&Operation{Type: "updateRecordingStatusOperation", ID: "o2", Status: OperationCompleted, ResultInfo: &ResultInfo{Code: 200}},
	},
	"LogTeleconferenceDeviceQuality": {
		func(ctx context.Context, c *Client) (any, error) {
			const id = "9e90d1c1-f61e-43e7-9f75-d420159aae08"
			return nothing(c.LogTeleconferenceDeviceQuality(ctx, "s", DeviceQuality{
				CallChainID: id, ParticipantID: id, MediaLegID: id, DeviceName: "n", DeviceDescription: "d",
				MediaQualityList: []DeviceMediaQuality{{Media: ModalityVideo, ChannelIndex: 1, InboundPackets: 5, AverageInboundJitter: "PT0.01S"}},
			}))
		},
		answer(200, ""), "POST", "/communications/calls/logTeleconferenceDeviceQuality",
		`{"quality":{"@odata.type":"#microsoft.graph.teleconferenceDeviceQuality","callChainId":"9e90d1c1-f61e-43e7-9f75-d420159aae08","participantId":"9e90d1c1-f61e-43e7-9f75-d420159aae08",` +
			`"mediaLegId":"9e90d1c1-f61e-43e7-9f75-d420159aae08","deviceName":"n","deviceDescription":"d","mediaQualityList":[{"@odata.type":"#microsoft.graph.teleconferenceDeviceVideoQuality","channelIndex":1,` +
			`"inboundPackets":5,"outboundPackets":0,"averageInboundJitter":"PT0.01S","averageInboundPacketLossRateInPercentage":0,"averageOutboundPacketLossRateInPercentage":0}]}}`,
		"LogTeleconferenceDeviceQualityCallssBody", none,
	},

	"PlayPrompt": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.PlayPrompt(ctx, "s", "c1", []MediaInfo{{URI: "https://cdn/x.wav", ResourceID: "r"}}, "x"))
		},
		accepts, "POST", "/communications/calls/c1/playPrompt",
		`{"prompts":[{"@odata.type":"#microsoft.graph.mediaPrompt","mediaInfo":{"@odata.type":"#microsoft.graph.mediaInfo","uri":"https://cdn/x.wav","resourceId":"r"}}],"clientContext":"x"}`, "PlayPromptCallsBody", nil,
	},
	"RecordResponse": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.RecordResponse(ctx, "s", "c1", RecordRequest{
				Prompts: []MediaInfo{{URI: "https://cdn/x.wav"}}, BargeIn: true, InitialSilence: 1500 * time.Millisecond, MaxSilence: 3 * time.Second,
				MaxDuration: time.Minute, NoBeep: true, StopTones: []Tone{"tone1", ToneStar, TonePound}, ClientContext: "x",
			}))
		},
		accepts, "POST", "/communications/calls/c1/recordResponse",
		`{"prompts":[{"@odata.type":"#microsoft.graph.mediaPrompt","mediaInfo":{"@odata.type":"#microsoft.graph.mediaInfo","uri":"https://cdn/x.wav"}}],"bargeInAllowed":true,"initialSilenceTimeoutInSeconds":2,` +
			`"maxSilenceTimeoutInSeconds":3,"maxRecordDurationInSeconds":60,"playBeep":false,"stopTones":["1","*","#"],"clientContext":"x"}`, "RecordResponseCallsBody", nil,
	},
	"SubscribeToTone": {
		func(ctx context.Context, c *Client) (any, error) { return op(c.SubscribeToTone(ctx, "s", "c1", "x")) },
		accepts, "POST", "/communications/calls/c1/subscribeToTone", `{"clientContext":"x"}`, "SubscribeToToneCallsBody", nil,
	},
	"SendDTMFTones": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.SendDTMFTones(ctx, "s", "c1", []Tone{"tone1", ToneFlash}, 250*time.Millisecond, "x"))
		},
		accepts, "POST", "/communications/calls/c1/sendDtmfTones", `{"tones":["tone1","flash"],"delayBetweenTonesMs":250,"clientContext":"x"}`, "SendDtmfTonesCallsBody", nil,
	},
	"CancelMediaProcessing": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.CancelMediaProcessing(ctx, "s", "c1", "x"))
		},
		accepts, "POST", "/communications/calls/c1/cancelMediaProcessing", `{"clientContext":"x"}`, "CancelMediaProcessingCallsBody", nil,
	},
	"Mute":   {func(ctx context.Context, c *Client) (any, error) { return op(c.Mute(ctx, "s", "c1", "x")) }, accepts, "POST", "/communications/calls/c1/mute", `{"clientContext":"x"}`, "MuteCallsBody", nil},
	"Unmute": {func(ctx context.Context, c *Client) (any, error) { return op(c.Unmute(ctx, "s", "c1", "")) }, accepts, "POST", "/communications/calls/c1/unmute", `{}`, "UnmuteCallsBody", nil},
	"ChangeScreenSharingRole": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.ChangeScreenSharingRole(ctx, "s", "c1", ScreenSharingSharer))
		},
		ended202, "POST", "/communications/calls/c1/changeScreenSharingRole", `{"role":"sharer"}`, "ChangeScreenSharingRoleCallsBody", none,
	},
	"AddLargeGalleryView": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.AddLargeGalleryView(ctx, "s", "c1", "x"))
		},
		answer(202, running), "POST", "/communications/calls/c1/addLargeGalleryView", `{"clientContext":"x"}`, "AddLargeGalleryViewCallsBody", nil,
	},

	"ListParticipants": {
		func(ctx context.Context, c *Client) (any, error) { return c.ListParticipants(ctx, "s", "c1") },
		answer(200, `{"value":[{"id":"p1"}]}`), "GET", "/communications/calls/c1/participants", "", "", []Participant{{ID: "p1"}},
	},
	"GetParticipant": {
		func(ctx context.Context, c *Client) (any, error) { return c.GetParticipant(ctx, "s", "c1", "p1") },
		answer(200, `{"id":"p1","isMuted":true}`), "GET", "/communications/calls/c1/participants/p1", "", "", &Participant{ID: "p1", IsMuted: true},
	},
	"RemoveParticipant": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.RemoveParticipant(ctx, "s", "c1", "p1"))
		},
		answer(204, ""), "DELETE", "/communications/calls/c1/participants/p1", "", "", none,
	},
	"Invite": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.Invite(ctx, "s", "c1", []InvitationParticipantInfo{alice}, "x"))
		},
		accepts, "POST", "/communications/calls/c1/participants/invite", `{"participants":[` + aliceBody + `],"clientContext":"x"}`, "InviteCallsParticipantssBody", nil,
	},
	"MuteParticipant": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.MuteParticipant(ctx, "s", "c1", "p1", "x"))
		},
		accepts, "POST", "/communications/calls/c1/participants/p1/mute", `{"clientContext":"x"}`, "MuteCallsParticipantsBody", nil,
	},
	"StartHoldMusic": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.StartHoldMusic(ctx, "s", "c1", "p1", &MediaInfo{URI: "https://cdn/x.wav"}, "x"))
		},
		answer(202, "", "Location", "https://graph.microsoft.com/v1.0/communications/calls/c1/operations/o1"), "POST", "/communications/calls/c1/participants/p1/startHoldMusic",
		`{"customPrompt":{"@odata.type":"#microsoft.graph.mediaPrompt","mediaInfo":{"@odata.type":"#microsoft.graph.mediaInfo","uri":"https://cdn/x.wav"}},"clientContext":"x"}`, "StartHoldMusicCallsParticipantsBody",
		&Operation{ID: "o1"},
	},
	"StopHoldMusic": {
		func(ctx context.Context, c *Client) (any, error) {
			return op(c.StopHoldMusic(ctx, "s", "c1", "p1", "x"))
		},
		answer(202, running), "POST", "/communications/calls/c1/participants/p1/stopHoldMusic", `{"clientContext":"x"}`, "StopHoldMusicCallsParticipantsBody", nil,
	},
	"ListContentSharingSessions": {
		func(ctx context.Context, c *Client) (any, error) { return c.ListContentSharingSessions(ctx, "s", "c1") },
		answer(200, `{"value":[{"id":"x"}]}`), "GET", "/communications/calls/c1/contentSharingSessions", "", "", []ContentSharingSession{{ID: "x"}},
	},
	"GetContentSharingSession": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.GetContentSharingSession(ctx, "s", "c1", "x")
		},
		answer(200, `{"id":"x"}`), "GET", "/communications/calls/c1/contentSharingSessions/x", "", "", &ContentSharingSession{ID: "x"},
	},
	"GetOperation": {
		func(ctx context.Context, c *Client) (any, error) { return op(c.GetOperation(ctx, "s", "c1", "o1")) },
		answer(200, running), "GET", "/communications/calls/c1/operations/o1", "", "", nil,
	},

	"ListAudioRoutingGroups": {
		func(ctx context.Context, c *Client) (any, error) { return c.ListAudioRoutingGroups(ctx, "s", "c1") },
		answer(200, `{"value":[{"id":"g","routingMode":"OneToOne","sources":["a"],"receivers":["b"]}]}`), "GET", "/communications/calls/c1/audioRoutingGroups", "", "",
		[]AudioRoutingGroup{{ID: "g", RoutingMode: RoutingOneToOne, Sources: []string{"a"}, Receivers: []string{"b"}}},
	},
	"CreateAudioRoutingGroup": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.CreateAudioRoutingGroup(ctx, "s", "c1", AudioRoutingGroup{RoutingMode: RoutingMulticast, Sources: []string{"a"}, Receivers: []string{"b", "c"}})
		},
		answer(201, `{"id":"g"}`), "POST", "/communications/calls/c1/audioRoutingGroups",
		`{"@odata.type":"#microsoft.graph.audioRoutingGroup","routingMode":"multicast","sources":["a"],"receivers":["b","c"]}`, "microsoft.graph.audioRoutingGroup", &AudioRoutingGroup{ID: "g"},
	},
	"GetAudioRoutingGroup": {
		func(ctx context.Context, c *Client) (any, error) { return c.GetAudioRoutingGroup(ctx, "s", "c1", "g") },
		answer(200, `{"id":"g"}`), "GET", "/communications/calls/c1/audioRoutingGroups/g", "", "", &AudioRoutingGroup{ID: "g"},
	},
	"UpdateAudioRoutingGroup": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.UpdateAudioRoutingGroup(ctx, "s", "c1", "g", AudioRoutingGroup{RoutingMode: RoutingMulticast, Sources: []string{"a"}, Receivers: []string{"c"}}))
		},
		answer(200, `{"id":"g"}`), "PATCH", "/communications/calls/c1/audioRoutingGroups/g",
		`{"@odata.type":"#microsoft.graph.audioRoutingGroup","id":"g","routingMode":"multicast","sources":["a"],"receivers":["c"]}`, "microsoft.graph.audioRoutingGroup", none,
	},
	"DeleteAudioRoutingGroup": {
		func(ctx context.Context, c *Client) (any, error) {
			return nothing(c.DeleteAudioRoutingGroup(ctx, "s", "c1", "g"))
		},
		answer(204, ""), "DELETE", "/communications/calls/c1/audioRoutingGroups/g", "", "", none,
	},

	"GetOnlineMeeting": {
		func(ctx context.Context, c *Client) (any, error) { return c.GetOnlineMeeting(ctx, "u", "m") },
		answer(200, `{"id":"m"}`), "GET", "/users/u/onlineMeetings/m", "", "", &OnlineMeeting{ID: "m"},
	},
	"FindOnlineMeetingByJoinURL": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.FindOnlineMeetingByJoinURL(ctx, "u", "https://teams.microsoft.com/l/meetup-join/19%3Ax'y/0?context=%7B%7D")
		},
		answer(200, `{"value":[{"id":"m"}]}`), "GET",
		"/users/u/onlineMeetings?$filter=" + url.QueryEscape("JoinWebUrl eq 'https://teams.microsoft.com/l/meetup-join/19%3Ax''y/0?context=%7B%7D'"), "", "", &OnlineMeeting{ID: "m"},
	},
	"FindOnlineMeetingByJoinMeetingID": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.FindOnlineMeetingByJoinMeetingID(ctx, "u", "123 456 789")
		},
		answer(200, `{"value":[{"id":"m"}]}`), "GET", "/users/u/onlineMeetings?$filter=" + url.QueryEscape("joinMeetingIdSettings/joinMeetingId eq '123456789'"), "", "", &OnlineMeeting{ID: "m"},
	},
	"FindOnlineMeetingByVTCID": {
		func(ctx context.Context, c *Client) (any, error) { return c.FindOnlineMeetingByVTCID(ctx, "1234567") },
		answer(200, `{"value":[{"id":"m"}]}`), "GET", "/communications/onlineMeetings/?$filter=" + url.QueryEscape("VideoTeleconferenceId eq '1234567'"), "", "", &OnlineMeeting{ID: "m"},
	},
	"CreateOnlineMeeting": {
		func(ctx context.Context, c *Client) (any, error) {
			start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.FixedZone("", 3600))
			return c.CreateOnlineMeeting(ctx, "u", NewMeeting{Subject: "Stand-up", Start: start, End: start.Add(time.Hour)})
		},
		answer(201, `{"id":"m"}`), "POST", "/users/u/onlineMeetings",
		`{"@odata.type":"#microsoft.graph.onlineMeeting","subject":"Stand-up","startDateTime":"2026-03-01T08:00:00Z","endDateTime":"2026-03-01T09:00:00Z"}`, "microsoft.graph.onlineMeeting", &OnlineMeeting{ID: "m"},
	},
	"CreateOrGetOnlineMeeting": {
		func(ctx context.Context, c *Client) (any, error) {
			return c.CreateOrGetOnlineMeeting(ctx, "u", "ext", "Stand-up")
		},
		answer(200, `{"id":"m"}`), "POST", "/users/u/onlineMeetings/createOrGet", `{"externalId":"ext","subject":"Stand-up"}`, "CreateOrGetOnlineMeetingssBody", &OnlineMeeting{ID: "m"},
	},
}

func TestEveryOperationIsSentAsDocumented(t *testing.T) {
	for name, c := range requests {
		t.Run(name, func(t *testing.T) {
			f := newFakeGraph(t, c.answer)
			result, err := c.do(t.Context(), f.client(t))
			if err != nil {
				t.Fatal(err)
			}
			want := c.result
			if want == nil {
				want = &Operation{Type: "commsOperation", ID: "o1", Status: OperationRunning, ClientContext: "x"}
			}
			if diff := cmp.Diff(want, result); diff != "" {
				t.Error(diff)
			}
			r := f.got()[0]
			path, query, _ := strings.Cut(c.path, "?")
			if r.method != c.method || r.path != "/v1.0"+path || r.query != query || r.body != c.body {
				t.Errorf("sent %s %s?%s %s\nwant %s %s %s", r.method, r.path, r.query, r.body, c.method, c.path, c.body)
			}
			if about := strings.HasPrefix(c.path, callsPath); about != (r.header.Get("Scenario-Id") == "s") {
				t.Errorf("scenario id %q", r.header.Get("Scenario-Id"))
			}
		})
	}
}

// The table, the client's methods and the test above name the same operations.
func TestOperationsTableIsWhole(t *testing.T) {
	methods := map[string]bool{}
	for i := range reflect.TypeFor[*Client]().NumMethod() {
		methods[reflect.TypeFor[*Client]().Method(i).Name] = true
	}
	delete(methods, "ForTenant") // sends nothing
	seen := map[string]bool{}
	for _, spec := range Operations {
		where := spec.Method + " " + spec.Path
		if seen[where] || spec.Name == "" || spec.Section == "" || len(spec.ok) == 0 {
			t.Errorf("%s: twice, or incomplete", where)
		}
		seen[where] = true
		if spec.GoMethod == "" {
			if spec.Version == "v1.0" {
				t.Errorf("%s is in v1.0, and the client cannot ask for it", where)
			}
			continue
		}
		if !methods[spec.GoMethod] {
			t.Errorf("%s: the client has no method %s", where, spec.GoMethod)
		}
		delete(methods, spec.GoMethod)
		if c, tested := requests[spec.GoMethod]; !tested && spec.GoMethod != "DownloadRecording" {
			t.Errorf("%s: nothing tests how it is sent", spec.GoMethod)
		} else if tested && c.method != spec.Method {
			t.Errorf("%s: %s here, %s there", spec.GoMethod, spec.Method, c.method)
		}
		if spec.Feature != "" && !slices.Contains(Features(), spec.Feature) {
			t.Errorf("%s: no feature %s", spec.GoMethod, spec.Feature)
		}
	}
	for name := range methods {
		t.Errorf("the client's %s is not in the table", name)
	}
}

// Every operation of Microsoft's metadata is in the table, but for what is read or written through the call itself.
func TestOperationsTableCoversTheMetadata(t *testing.T) {
	doc := loadSchema(t)
	anyID := func(path string) string {
		var b strings.Builder
		for {
			before, rest, found := strings.Cut(path, "{")
			b.WriteString(strings.ToLower(before))
			if !found {
				return b.String()
			}
			b.WriteString("{}")
			_, path, _ = strings.Cut(rest, "}")
		}
	}
	have := map[string]bool{}
	for _, spec := range Operations {
		path, _, _ := strings.Cut(spec.Path, "?")
		have[spec.Method+" "+strings.TrimSuffix(anyID(path), "/")] = true
	}
	for path, item := range doc.Paths.Map() {
		if !strings.HasPrefix(path, "/communications/calls") {
			continue
		}
		for method := range item.Operations() {
			switch where := method + " " + anyID(path); where {
			case "GET /communications/calls", "PATCH /communications/calls/{}": // of OData; the service offers neither
			case "POST /communications/calls/{}/operations", "POST /communications/calls/{}/participants", "POST /communications/calls/{}/contentsharingsessions",
				"GET /communications/calls/{}/operations", "PATCH /communications/calls/{}/operations/{}", "DELETE /communications/calls/{}/operations/{}",
				"PATCH /communications/calls/{}/participants/{}", "PATCH /communications/calls/{}/contentsharingsessions/{}", "DELETE /communications/calls/{}/contentsharingsessions/{}":
				// Written by the service; the actions are how they are made.
			default:
				if !have[where] {
					t.Errorf("%s is not in the table", where)
				}
			}
		}
	}
}

func TestBodiesFollowTheSchema(t *testing.T) {
	doc := loadSchema(t)
	for name, c := range requests {
		if c.schema == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if err := validate(t, doc, c.schema, rawJSON(c.body)); err != nil {
				t.Error(err)
			}
		})
	}
}

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// A path with an id missing would be that of something else: DELETE …/participants/ might be anything.
func TestOperationsNeedTheirIDs(t *testing.T) {
	f := newFakeGraph(t, answer(200, "{}"))
	c := f.client(t)
	ctx := t.Context()
	for name, err := range map[string]error{
		"no call":               c.DeleteCall(ctx, "s", ""),
		"no participant":        c.RemoveParticipant(ctx, "s", "c1", ""),
		"no call, but below":    c.RemoveParticipant(ctx, "s", "", "p1"),
		"a path that climbs":    c.DeleteCall(ctx, "s", ".."),
		"a path that stays":     c.KeepAlive(ctx, "s", "."),
		"below, one that climb": c.DeleteAudioRoutingGroup(ctx, "s", "c1", ".."),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := c.ListParticipants(ctx, "s", ""); err == nil {
		t.Error("list: no error")
	}
	if _, err := c.Mute(ctx, "s", "", ""); err == nil {
		t.Error("mute: no error")
	}
	if _, err := c.CreateOrGetOnlineMeeting(ctx, "u", "", "x"); err == nil {
		t.Error("meeting: no error")
	}
	if n := len(f.got()); n != 0 {
		t.Errorf("%d requests went out", n)
	}
}

// What would be done twice is not sent twice, whatever the service says; what can be repeated is.
func TestWhatIsDoneOnceIsSentOnce(t *testing.T) {
	for _, spec := range Operations {
		c, ok := requests[spec.GoMethod]
		if !ok {
			continue
		}
		t.Run(spec.GoMethod, func(t *testing.T) {
			f := newFakeGraph(t, answer(503, `{}`), c.answer)
			_, err := c.do(t.Context(), f.client(t))
			if sent := len(f.got()); spec.once != (sent == 1) || spec.once != (err != nil) {
				t.Errorf("sent %d times, %v", sent, err)
			}
		})
	}
}

func TestForbiddenOperationTellsWhichRolesAreMissing(t *testing.T) {
	f := newFakeGraph(t, answer(403, `{"error":{"code":"Forbidden","message":"no"}}`))
	_, err := f.client(t).SubscribeToTone(t.Context(), "s", "c1", "")
	var refused *Error
	if !errors.As(err, &refused) || !slices.Equal(refused.MissingRoles, []string{RoleAccessMedia}) {
		t.Fatalf("got %v", err)
	}
	// JoinGroupCall is in the test's token, and one of the two is enough.
	_, err = f.client(t).UpdateRecordingStatus(t.Context(), "s", "c1", Recording, "")
	if !errors.As(err, &refused) || len(refused.MissingRoles) != 0 {
		t.Errorf("got %v", err)
	}
}
