// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func user(id string) graph.InvitationParticipantInfo {
	return graph.InvitationParticipantInfo{Identity: graph.IdentitySet{User: &graph.Identity{ID: id}}}
}

func phone(number string) graph.InvitationParticipantInfo {
	return graph.InvitationParticipantInfo{Identity: graph.IdentitySet{Phone: &graph.Identity{ID: number}}}
}

func instance(id string) *graph.ParticipantInfo {
	return &graph.ParticipantInfo{Identity: graph.IdentitySet{ApplicationInstance: &graph.Identity{ID: id}}}
}

// call makes a call to somebody.
func call(t *testing.T, s *Server, changes ...func(*JoinRequest)) *Call {
	t.Helper()
	req := JoinRequest{UID: testUID, Targets: []graph.InvitationParticipantInfo{user("ada")}, ScenarioID: "scenario"}
	for _, change := range changes {
		change(&req)
	}
	c, err := s.Join(req)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c
}

func TestPlacingACallAsksGraphForIt(t *testing.T) {
	tests := map[string]struct {
		change func(*JoinRequest)
		want   func(*graph.Call)
		group  bool
	}{
		"a user": {want: func(*graph.Call) {}},
		"a telephone": {
			change: func(r *JoinRequest) {
				r.Targets, r.Source, r.Subject = []graph.InvitationParticipantInfo{phone("+12065550100")}, instance("resource"), "hello"
			},
			want: func(c *graph.Call) {
				c.Targets, c.Source, c.Subject = []graph.InvitationParticipantInfo{phone("+12065550100")}, instance("resource"), "hello"
			},
		},
		"several users, our media, video": {
			change: func(r *JoinRequest) {
				r.Targets, r.Blob = []graph.InvitationParticipantInfo{user("ada"), user("bob")}, testBlob
				r.Modalities = []graph.Modality{graph.ModalityAudio, graph.ModalityVideo}
			},
			want: func(c *graph.Call) {
				c.Targets, c.MediaConfig = []graph.InvitationParticipantInfo{user("ada"), user("bob")}, graph.AppHostedMedia(testBlob)
				c.RequestedModalities = []graph.Modality{graph.ModalityAudio, graph.ModalityVideo}
				c.CallOptions = &graph.CallOptions{IsDeltaRosterEnabled: true}
			},
			group: true,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				var changes []func(*JoinRequest)
				if tt.change != nil {
					changes = append(changes, tt.change)
				}
				c := call(t, s, changes...)
				want := &graph.Call{
					CallbackURI: "https://bots.example/voice/reception/pods/reception-0/calls/" + testUID, TenantID: testTenant,
					Targets: []graph.InvitationParticipantInfo{user("ada")}, RequestedModalities: []graph.Modality{graph.ModalityAudio},
					MediaConfig: graph.ServiceHostedMedia(),
				}
				tt.want(want)
				if diff := cmp.Diff(want, g.created[0]); diff != "" {
					t.Errorf("request (-want +got):\n%s", diff)
				}
				if c.Snapshot().Group != tt.group {
					t.Errorf("group call: %t, want %t", c.Snapshot().Group, tt.group)
				}
			})
		})
	}
}

func TestWhoCannotBeCalledIsToldWithoutAskingGraph(t *testing.T) {
	tests := map[string]struct {
		change func(*JoinRequest)
		want   EndReason
		says   string
	}{
		"too many":                    {func(r *JoinRequest) { r.Targets = make([]graph.InvitationParticipantInfo, 6); fill(r.Targets) }, EndInvalidTarget, "up to 5"},
		"nobody in particular":        {func(r *JoinRequest) { r.Targets[0] = graph.InvitationParticipantInfo{} }, EndInvalidTarget, "no id"},
		"telephone without a number":  {func(r *JoinRequest) { r.Targets[0] = phone("+12065550100") }, EndInvalidTarget, "application instance"},
		"a telephone and a user":      {func(r *JoinRequest) { r.Targets = append(r.Targets, phone("+12065550100")); r.Source = instance("x") }, EndInvalidTarget, "together"},
		"a tenant that is not served": {func(r *JoinRequest) { r.TenantID = "33333333-4620-44ed-baec-459b611f84b2" }, EndTenantNotConsented, "allowedTenants"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s, tt.change)
				end := wantEnd(t, c, tt.want).End
				if !strings.Contains(end.Message, tt.says) || !end.Failed || end.Retryable || len(g.created) != 0 {
					t.Errorf("end %+v after %d requests, want a fault that says %q", end, len(g.created), tt.says)
				}
			})
		})
	}
}

func TestACallThatIsRefusedEndsForWhomItWasTo(t *testing.T) {
	refused := func(status int, code string, phone bool) error {
		return &graph.Error{Operation: "create call", StatusCode: status, Code: code, ToPeople: true, ToPhone: phone}
	}
	tests := map[string]struct {
		err  error
		want EndReason
		says string
	}{
		"there is no such user":          {refused(404, "", false), EndInvalidTarget, "callee's id"},
		"a user of another tenant":       {refused(400, "BadRequest", false), EndInvalidTarget, "tenant of the call"},
		"a number the service dislikes":  {refused(400, "2203", true), EndInvalidTarget, "telephone number"},
		"no number to call a phone from": {refused(403, "7504", true), EndPhoneNotEnabled, "number of its own"},
		"nobody has consented":           {refused(403, "7504", false), EndTenantNotConsented, "those who are called"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, tt.err }}
				s := newTestServer(t, g)
				defer stop(t, s)
				end := wantEnd(t, call(t, s), tt.want).End
				if !strings.Contains(end.Message, tt.says) || strings.Contains(end.Message, "meeting") || !end.Failed || end.Retryable {
					t.Errorf("end %+v, want a fault that says %q and nothing of a meeting", end, tt.says)
				}
			})
		})
	}
}

func TestGroupCallsThatNobodyAnswers(t *testing.T) {
	up := updated(testCallID, graph.StateEstablished)
	tests := map[string]struct {
		steps []graph.Notification
		want  EndReason
	}{
		"nobody joined":                   {[]graph.Notification{deleted(testCallID, 200, 5013)}, EndNoAnswer},
		"nobody joined the one it was":    {[]graph.Notification{up, deleted(testCallID, 200, 5013)}, EndNoAnswer},
		"all are gone, and none came":     {[]graph.Notification{deleted(testCallID, 200, 5012)}, EndNoAnswer},
		"over without a word":             {[]graph.Notification{deleted(testCallID, 0, 0)}, EndNoAnswer},
		"given up after a time limit":     {[]graph.Notification{deleted(testCallID, 408, 1)}, EndNoAnswer},
		"all have left after they came":   {[]graph.Notification{up, deleted(testCallID, 200, 5012)}, EndEveryoneLeft},
		"ended by one who was in":         {[]graph.Notification{up, deleted(testCallID, 200, 4097)}, EndMeetingEnded},
		"the service failed on the way":   {[]graph.Notification{deleted(testCallID, 500, 1)}, EndServiceError},
		"the bot's media was unreachable": {[]graph.Notification{deleted(testCallID, 500, 7106)}, EndMediaUnreachable},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestServer(t, &fakeGraph{})
				defer stop(t, s)
				c := call(t, s, func(r *JoinRequest) { r.Targets = append(r.Targets, user("bob")) })
				tell(t, s, tt.steps...)
				if end := wantEnd(t, c, tt.want).End; end.Failed != endReasons[tt.want].failed || end.Message == "" {
					t.Errorf("end %+v", end)
				}
			})
		})
	}
}

func fill(list []graph.InvitationParticipantInfo) {
	for i := range list {
		list[i] = user(strings.Repeat("x", i+1))
	}
}

func TestGuestsSayTheirName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		join(t, s, func(r *JoinRequest) { r.GuestName = "Reception" })
		source := g.created[0].Source
		if source == nil || source.Identity.Guest == nil || source.Identity.Guest.DisplayName != "Reception" || source.Identity.Guest.ID == "" {
			t.Errorf("source %+v, want a guest with a name and an id", source)
		}
	})
}

func TestMeetingsAreJoinedByToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		join(t, s, func(r *JoinRequest) { r.Meeting = graph.Meeting{Token: "secret-token"} })
		if len(g.created) != 1 || g.created[0].MeetingInfo == nil || g.created[0].MeetingInfo.Token != "secret-token" || g.created[0].TenantID != testTenant {
			t.Errorf("requests %v, want one with the token and the home tenant", g.created)
		}
	})
}

func TestTheTenantOfACallSpeaksForIt(t *testing.T) {
	const partner = "33333333-4620-44ed-baec-459b611f84b2"
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		var asked []string
		s := newTestServer(t, g, func(c *Config) {
			c.AllowedTenants = []string{partner}
			c.Graph = func(tenantID string) GraphAPI { asked = append(asked, tenantID); return g }
		})
		defer stop(t, s)
		c := join(t, s, func(r *JoinRequest) { r.Meeting.TenantID = partner })
		if err := s.HangUpRemote(t.Context(), "", otherCall, "scenario"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{partner, testTenant}, asked); diff != "" || c.Snapshot().TenantID != partner {
			t.Errorf("tenants asked for (-want +got):\n%s", diff)
		}
	})
}

func TestCallsOfTwo(t *testing.T) {
	tests := map[string]struct {
		steps  []graph.Notification
		want   EndReason
		failed bool
	}{
		"hung up":                {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 200, 4521)}, want: EndRemoteHungUp},
		"left":                   {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 200, 18503)}, want: EndRemoteHungUp},
		"telephone hung up":      {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 200, 540000)}, want: EndRemoteHungUp},
		"over without a word":    {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 0, 0)}, want: EndRemoteHungUp},
		"declined":               {steps: []graph.Notification{updated(testCallID, graph.StateRinging), deleted(testCallID, 603, 0)}, want: EndCallDeclined, failed: true},
		"hung up on":             {steps: []graph.Notification{deleted(testCallID, 200, 4521)}, want: EndCallDeclined, failed: true},
		"busy":                   {steps: []graph.Notification{deleted(testCallID, 486, 0)}, want: EndCallDeclined, failed: true},
		"no sign of life":        {steps: []graph.Notification{deleted(testCallID, 408, 10057)}, want: EndNoAnswer, failed: true},
		"rang for too long":      {steps: []graph.Notification{updated(testCallID, graph.StateRinging), deleted(testCallID, 408, 1)}, want: EndNoAnswer, failed: true},
		"rang until it was over": {steps: []graph.Notification{updated(testCallID, graph.StateRinging), deleted(testCallID, 487, 10004)}, want: EndNoAnswer, failed: true},
		"signed in nowhere":      {steps: []graph.Notification{deleted(testCallID, 480, 10037)}, want: EndCalleeUnreachable, failed: true},
		"not reachable":          {steps: []graph.Notification{deleted(testCallID, 480, 10076)}, want: EndCalleeUnreachable, failed: true},
		"calling not allowed":    {steps: []graph.Notification{deleted(testCallID, 480, 10199)}, want: EndCalleeUnreachable, failed: true},
		"no keepAlive":           {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 408, 8537)}, want: EndKeepAliveTimeout, failed: true},
		"media lost":             {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), deleted(testCallID, 410, 301005)}, want: EndMediaLost, failed: true},
		"transferred":            {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateTransferring), updated(testCallID, graph.StateTransferAccepted), deleted(testCallID, 0, 7015)}, want: EndTransferred},
		"transferred, lost":      {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateTransferAccepted), deleted(testCallID, 0, 0)}, want: EndTransferred},
		"transferred, reversed":  {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateTransferAccepted), updated(testCallID, graph.StateTransferring), deleted(testCallID, 200, 7015)}, want: EndTransferred},
		"replaced by another call": {steps: []graph.Notification{updated(testCallID, graph.StateEstablished), {
			ChangeType: graph.Deleted, Resource: graph.Resource{Kind: graph.KindCall, CallID: testCallID},
			Call: &graph.Call{ID: testCallID, State: graph.StateTerminated, TerminationReason: "AppTransferred"},
		}}, want: EndTransferred},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s)
				tell(t, s, tt.steps...)
				if end := wantEnd(t, c, tt.want).End; end.Failed != tt.failed {
					t.Errorf("end %+v, want failed %t", end, tt.failed)
				}
				if g.count("list", testCallID) != 0 {
					t.Error("the roster of a call of two was asked for")
				}
			})
		})
	}
}

func TestRingingHasALimit(t *testing.T) {
	tests := map[string]struct {
		steps []graph.Notification
		want  EndReason
	}{
		"nobody answers":   {steps: []graph.Notification{updated(testCallID, graph.StateRinging)}, want: EndNoAnswer},
		"somebody answers": {steps: []graph.Notification{updated(testCallID, graph.StateEstablished)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{get: func(id string) (*graph.Call, error) { return &graph.Call{ID: id}, nil }}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s, func(r *JoinRequest) { r.RingingTimeout = 20 * time.Second })
				tell(t, s, tt.steps...)
				pass(20*time.Second - time.Millisecond)
				if tt.want != "" {
					wantPhase(t, c, PhaseJoining)
				}
				pass(terminatedWait + time.Millisecond)
				if tt.want == "" {
					wantPhase(t, c, PhaseEstablished)
					return
				}
				wantEnd(t, c, tt.want)
				if g.count("delete", testCallID) != 1 {
					t.Error("the call was not hung up")
				}
			})
		})
	}
}

func TestATransferThatFailsLeavesTheCallAsItWas(t *testing.T) {
	tests := map[string]func(t *testing.T, s *Server){
		"told": func(t *testing.T, s *Server) {
			tell(t, s, updated(testCallID, graph.StateEstablished, withResult(500, 7000)))
		},
		"the notification is lost": func(*testing.T, *Server) { pass(2 * reconcileEvery) },
	}
	for name, fail := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{get: func(id string) (*graph.Call, error) { return updated(id, graph.StateEstablished).Call, nil }}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s)
				tell(t, s, updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateTransferring))
				if got := c.Snapshot().State; got != graph.StateTransferring {
					t.Fatalf("state %s", got)
				}
				fail(t, s)
				snap := c.Snapshot()
				if snap.Phase != PhaseEstablished || snap.State != graph.StateEstablished || snap.Result != nil {
					t.Errorf("phase %s, state %s, result %v, want the call as it was", snap.Phase, snap.State, snap.Result)
				}
				if events := eventsOf(snap); events[len(events)-1] != EventTransferFailed || events[len(events)-2] != EventTransferring {
					t.Errorf("events %v", events)
				}
				tell(t, s, deleted(testCallID, 200, 4521))
				wantEnd(t, c, EndRemoteHungUp)
			})
		})
	}
}

func TestACallThatIsGoneAfterItsTransferWasTransferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{get: func(string) (*graph.Call, error) { return nil, errGone }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := call(t, s)
		tell(t, s, updated(testCallID, graph.StateEstablished), updated(testCallID, graph.StateTransferring), updated(testCallID, graph.StateTransferAccepted))
		pass(reconcileEvery)
		if end := wantEnd(t, c, EndTransferred).End; end.Failed {
			t.Errorf("end %+v", end)
		}
	})
}

func TestACallOfTwoBecomesAGroupCall(t *testing.T) {
	tests := map[string]graph.Notification{
		"by its roster": rosterOf(testCallID, bot(), person(1), person(2)),
		"by its chat":   updated(testCallID, graph.StateEstablished, func(c *graph.Call) { c.ChatInfo = &graph.ChatInfo{ThreadID: "19:x@thread.v2"} }),
	}
	for name, n := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{list: func(string) ([]graph.Participant, error) {
					return []graph.Participant{bot(), person(1), person(2)}, nil
				}}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := call(t, s)
				tell(t, s, updated(testCallID, graph.StateEstablished))
				tell(t, s, n)
				pass(rosterWait)
				if snap := c.Snapshot(); !snap.Group || snap.Phase != PhaseEstablished || snap.ParticipantCount != 3 {
					t.Errorf("group %t, phase %s, %d participants", snap.Group, snap.Phase, snap.ParticipantCount)
				}
				tell(t, s, deleted(testCallID, 200, 5003))
				wantEnd(t, c, EndMeetingEnded)
			})
		})
	}
}

func TestPlacingIsSafeAsJoiningIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, errLost }}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := call(t, s)
		tell(t, s, updated(testCallID, graph.StateRinging))
		if snap := c.Snapshot(); snap.CallID != testCallID || snap.State != graph.StateRinging {
			t.Errorf("call %q in state %s, want the one that told of itself", snap.CallID, snap.State)
		}
	})
}
