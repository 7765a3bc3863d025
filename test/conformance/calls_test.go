// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"net/http"
	"slices"
	"testing"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestCreateCall(t *testing.T) {
	guest := func(c *graph.Call) {
		c.Source = &graph.ParticipantInfo{Identity: graph.IdentitySet{Guest: &graph.Identity{ID: "d7a3b999-17ac-4bca-9e77-e6a730d2ec2e", DisplayName: "Visitor"}}}
	}
	t.Run("join by coordinates", func(t *testing.T) {
		s := start(t)
		m, joined := s.meeting()
		call, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
		s.must(err)
		if call.State != graph.StateEstablishing || call.MyParticipantID == "" || call.CallChainID == "" || call.Direction != graph.DirectionOutgoing {
			t.Errorf("created as %+v", call)
		}
		s.bot.waitState(call.ID, graph.StateEstablished)
		if got := s.call(call.ID); got.MeetingID != m.ID || got.ScenarioID != scenario {
			t.Errorf("the service has it as %+v", got)
		}
	})
	t.Run("join by meeting ID and passcode", func(t *testing.T) {
		s := start(t)
		m, _ := s.meeting()
		call, err := s.graph.CreateCall(t.Context(), scenario, s.request(graph.Meeting{JoinMeetingID: m.JoinMeetingID, Passcode: m.Passcode, TenantID: tenantID}.Apply))
		s.must(err)
		if call.ChatInfo == nil || call.ChatInfo.ThreadID != m.ThreadID {
			t.Errorf("the answer does not show the chat: %+v", call.ChatInfo)
		}
		s.bot.waitState(call.ID, graph.StateEstablished)
	})
	t.Run("join by short link", func(t *testing.T) {
		s := start(t)
		m, _ := s.meeting()
		joined, err := graph.ParseJoinURL(m.ShortJoinURL)
		s.must(err)
		call, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
		s.must(err)
		s.bot.waitState(call.ID, graph.StateEstablished)
	})
	t.Run("join as a guest", func(t *testing.T) {
		s := start(t)
		m, joined := s.meeting(func(n *admin.NewMeeting) { n.Lobby = true })
		call, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply, guest))
		s.must(err)
		me := s.bot.waitRoster("the bot in the lobby", call.ID, func(p graph.Participant) bool { return p.IsInLobby })
		if !named("Visitor")(me) {
			t.Errorf("in the lobby as %+v", me.Info.Identity)
		}
		s.must(s.admin.Admit(t.Context(), m.ID, me.ID))
		s.bot.waitRoster("Ada", call.ID, named("Ada"))
	})
	t.Run("join by the token of a call", func(t *testing.T) {
		s := start(t)
		m, _ := s.meeting()
		in := s.ring(func(in *admin.IncomingCall) { in.MeetingID = m.ID })
		if in.Call.MeetingInfo == nil || in.Call.MeetingInfo.Token == "" {
			t.Fatalf("no token in %s", in.Raw)
		}
		call, err := s.graph.CreateCall(t.Context(), scenario, s.request(graph.Meeting{Token: in.Call.MeetingInfo.Token, TenantID: tenantID}.Apply))
		s.must(err)
		s.bot.waitState(call.ID, graph.StateEstablished)
		if got := s.call(call.ID); got.MeetingID != m.ID {
			t.Errorf("joined %s, want %s", got.MeetingID, m.ID)
		}
	})
	t.Run("no such meeting", func(t *testing.T) {
		s := start(t)
		_, err := s.graph.CreateCall(t.Context(), scenario, s.request(graph.Meeting{JoinMeetingID: "999999999", TenantID: tenantID}.Apply))
		refused(t, err, http.StatusNotFound, graph.ReasonMeetingNotFound)
	})
	t.Run("a role is missing", func(t *testing.T) {
		s := start(t)
		s.must(s.admin.PutApp(t.Context(), admin.App{ID: appID, TenantID: tenantID, Secret: secret, Roles: []string{graph.RoleInitiate}}))
		_, joined := s.meeting()
		_, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
		refused(t, err, http.StatusForbidden, graph.ReasonPermissionMissing)
		var e *graph.Error
		if errors.As(err, &e) && !slices.Equal(e.MissingRoles, []string{graph.RoleJoinGroupCall}) {
			t.Errorf("missing %q", e.MissingRoles)
		}
	})
}

func TestGetCall(t *testing.T) {
	s := start(t)
	id, _, m := s.join()
	call, err := s.graph.GetCall(t.Context(), scenario, id)
	s.must(err)
	if call.ID != id || call.State != graph.StateEstablished || call.ChatInfo == nil || call.ChatInfo.ThreadID != m.ThreadID || call.CallbackURI != s.bot.uri() {
		t.Errorf("read as %+v", call)
	}
	_, err = s.graph.GetCall(t.Context(), scenario, "e141b67c-90fd-455d-858b-b48a40b9cc8d")
	refused(t, err, http.StatusNotFound, graph.ReasonCallNotFound)
}

func TestDeleteCall(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	s.must(s.graph.DeleteCall(t.Context(), scenario, id))
	n := s.bot.waitFor("the end", id, func(n graph.Notification) bool { return n.ChangeType == graph.Deleted })
	if e := graph.Explain(*n.Call.ResultInfo); e.Reason != graph.ReasonEndedByBot {
		t.Errorf("ended with %v", n.Call.ResultInfo)
	}
	if err := s.graph.DeleteCall(t.Context(), scenario, id); !graph.IsNotFound(err) {
		t.Errorf("hung up twice: %v", err)
	}
}

func TestKeepAlive(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	s.must(s.graph.KeepAlive(t.Context(), scenario, id))
	if got := s.call(id).KeepAlives; got != 1 {
		t.Errorf("the service counts %d", got)
	}
	s.must(s.graph.DeleteCall(t.Context(), scenario, id))
	if err := s.graph.KeepAlive(t.Context(), scenario, id); !graph.IsNotFound(err) {
		t.Errorf("a call that is gone is kept alive: %v", err)
	}
}

func TestAnswerCall(t *testing.T) {
	s := start(t)
	in := s.ring()
	if _, caller := in.Call.Source.Identity.Primary(); caller == nil || caller.DisplayName != "Ada" || in.TenantID != tenantID || in.Call.RecordsByPolicy() {
		t.Errorf("told of the caller as %s", in.Raw)
	}
	id := in.Resource.CallID
	s.must(s.graph.AnswerCall(t.Context(), scenario, id, graph.Answer{
		CallbackURI: s.bot.uri(), AcceptedModalities: []graph.Modality{graph.ModalityAudio}, MediaConfig: graph.ServiceHostedMedia(),
		CallOptions: &graph.CallOptions{IsDeltaRosterEnabled: true},
	}))
	s.bot.waitState(id, graph.StateEstablished)
	refused(t, s.graph.AnswerCall(t.Context(), scenario, id, graph.Answer{CallbackURI: s.bot.uri(), MediaConfig: graph.ServiceHostedMedia()}),
		http.StatusConflict, graph.ReasonCallNotFound)
}

func TestOnWhoseBehalfACallComes(t *testing.T) {
	const boss, colleague = "bbbbbbbb-0000-4000-8000-000000000001", "bbbbbbbb-0000-4000-8000-000000000002"
	s := start(t)
	in := s.ring(func(in *admin.IncomingCall) { in.OnBehalfOf, in.Transferor = boss, colleague })
	c := in.Call.IncomingContext
	if c == nil || c.OnBehalfOf == nil || c.OnBehalfOf.User == nil || c.OnBehalfOf.User.ID != boss || c.Transferor == nil || c.Transferor.User == nil || c.Transferor.User.ID != colleague {
		t.Errorf("told as %s", in.Raw)
	}
	if plain := s.ring().Call.IncomingContext; plain == nil || plain.OnBehalfOf != nil || plain.Transferor != nil {
		t.Errorf("a plain call came as %+v", plain)
	}
}

func TestRejectCall(t *testing.T) {
	s := start(t)
	in := s.ring()
	s.must(s.graph.RejectCall(t.Context(), scenario, in.Resource.CallID, graph.RejectBusy))
	s.bot.waitFor("the end", in.Resource.CallID, func(n graph.Notification) bool { return n.ChangeType == graph.Deleted })
	if s.call(in.Resource.CallID).Live() {
		t.Error("the call goes on")
	}
}

func TestUpdateRecordingStatus(t *testing.T) {
	s := start(t)
	id, _, _ := s.join()
	me, err := s.graph.GetCall(t.Context(), scenario, id)
	s.must(err)
	for _, status := range []graph.RecordingStatus{graph.Recording, graph.NotRecording, graph.RecordingFailed} {
		op, err := s.graph.UpdateRecordingStatus(t.Context(), scenario, id, status, "context")
		s.must(err)
		done(t, op, "updateRecordingStatusOperation")
		s.bot.waitRoster("the bot "+string(status), id, func(p graph.Participant) bool {
			return graph.SameID(p.ID, me.MyParticipantID) && p.RecordingInfo != nil && p.RecordingInfo.Status == status
		})
	}
}

func TestLogTeleconferenceDeviceQuality(t *testing.T) {
	s := start(t)
	const guid = "9e90d1c1-f61e-43e7-9f75-d420159aae08"
	quality := graph.DeviceQuality{
		CallChainID: guid, ParticipantID: guid, MediaLegID: guid, DeviceName: "room", DeviceDescription: "a room",
		MediaQualityList: []graph.DeviceMediaQuality{{Media: graph.ModalityAudio, ChannelIndex: 1, InboundPackets: 1200, AverageInboundJitter: "PT0.01S"}},
	}
	s.must(s.graph.LogTeleconferenceDeviceQuality(t.Context(), scenario, quality))
	quality.CallChainID = "x"
	refused(t, s.graph.LogTeleconferenceDeviceQuality(t.Context(), scenario, quality), http.StatusBadRequest, graph.ReasonRequestRejected)
}
