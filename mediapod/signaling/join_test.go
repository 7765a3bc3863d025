// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
)

func TestJoinAsksGraphForTheMeeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)

		want := &graph.Call{
			CallbackURI:         "https://bots.example/voice/reception/pods/reception-0/calls/" + testUID,
			TenantID:            testTenant,
			RequestedModalities: []graph.Modality{graph.ModalityAudio},
			MediaConfig:         graph.AppHostedMedia(testBlob),
			CallOptions:         &graph.CallOptions{IsDeltaRosterEnabled: true},
			ChatInfo:            &graph.ChatInfo{ThreadID: "19:meeting_abc@thread.v2", MessageID: "0"},
			MeetingInfo: &graph.MeetingInfo{
				Organizer:                    &graph.IdentitySet{User: &graph.Identity{ID: "11111111-2222-4333-8444-555555555555", TenantID: testTenant}},
				AllowConversationWithoutHost: true,
			},
		}
		if diff := cmp.Diff(want, g.created[0]); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
		snap := c.Snapshot()
		if snap.CallID != testCallID || snap.ChainID != "chain" || snap.ScenarioID != "scenario" || snap.State != graph.StateEstablishing {
			t.Errorf("snapshot %+v, want the ids and the state of Graph's answer", snap)
		}
		if !g.scenario["scenario"] || len(g.scenario) != 1 {
			t.Errorf("scenario ids sent: %v, want the one asked for", g.scenario)
		}
	})
}

func TestJoinByMeetingIDUsesTheHomeTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{}
		s := newTestServer(t, g)
		defer stop(t, s)
		join(t, s, func(r *JoinRequest) { r.Meeting = graph.Meeting{JoinMeetingID: "123 456 789 012", Passcode: "abc"} })
		got := g.created[0]
		if got.TenantID != testTenant || got.MeetingInfo.JoinMeetingID != "123456789012" || got.MeetingInfo.Passcode != "abc" {
			t.Errorf("tenant %q, meeting %+v; want the home tenant and the digits", got.TenantID, *got.MeetingInfo)
		}
	})
}

func TestJoinEndsAtOnceForAMeetingThatCannotBeJoined(t *testing.T) {
	tests := map[string]struct {
		change func(*graph.Meeting)
		want   EndReason
		says   string
	}{
		"no thread":      {func(m *graph.Meeting) { m.ThreadID = "" }, EndInvalidMeeting, "thread ID is missing"},
		"foreign tenant": {func(m *graph.Meeting) { m.TenantID = "33333333-4620-44ed-baec-459b611f84b2" }, EndTenantNotConsented, "allowedTenants"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s, func(r *JoinRequest) { tt.change(&r.Meeting) })
				end := wantEnd(t, c, tt.want).End
				if !strings.Contains(end.Message, tt.says) || !end.Failed || end.Retryable {
					t.Errorf("end %+v, want a fault that says %q", end, tt.says)
				}
				if len(g.created) != 0 {
					t.Error("Graph was asked all the same")
				}
			})
		})
	}
}

func TestJoinRefusesMisuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestServer(t, &fakeGraph{})
		join(t, s)
		if _, err := s.Join(JoinRequest{UID: testUID, Meeting: testMeeting(), Blob: testBlob}); !errors.Is(err, ErrAlreadyJoined) {
			t.Errorf("second Join() of the session = %v, want %v", err, ErrAlreadyJoined)
		}
		if _, err := s.Join(JoinRequest{Meeting: testMeeting(), Blob: testBlob}); err == nil {
			t.Error("Join() without a session succeeded")
		}
		tell(t, s, deleted(testCallID, 200, 0))
		c := join(t, s) // the next attempt for the same session
		stop(t, s)
		wantEnd(t, c, EndPodStopped)
		if _, err := s.Join(JoinRequest{UID: testUID, Meeting: testMeeting(), Blob: testBlob}); !errors.Is(err, ErrStopping) {
			t.Errorf("Join() after Shutdown() = %v, want %v", err, ErrStopping)
		}
	})
}

func TestCreateIsTriedAgainOnlyWhenThatIsSafe(t *testing.T) {
	throttled := answer("create call", http.StatusTooManyRequests)
	hour := answer("create call", http.StatusTooManyRequests)
	hour.RetryAfter = time.Hour
	tests := map[string]struct {
		errs      []error // of one try after another; nil succeeds
		tries     int
		ended     EndReason // empty: the call is there
		retryable bool
		within    time.Duration
	}{
		"at once":                            {errs: []error{nil}, tries: 1},
		"throttled, then done":               {errs: []error{throttled, nil}, tries: 2, within: 2 * time.Second},
		"throttled all the time":             {errs: []error{throttled}, tries: 6, ended: EndThrottled, retryable: true, within: createWindow},
		"throttled for an hour":              {errs: []error{hour}, tries: 1, ended: EndThrottled, retryable: true},
		"no connection, then done":           {errs: []error{errNoConnection, nil}, tries: 2, within: 2 * time.Second},
		"failed, then done":                  {errs: []error{answer("create call", 503), nil}, tries: 2, within: uncertainWait + time.Second},
		"failed all the time":                {errs: []error{answer("create call", 500)}, tries: 7, ended: EndServiceError, retryable: true, within: createWindow + uncertainWait},
		"no answer":                          {errs: []error{errLost}, tries: 1, ended: EndServiceError, retryable: true, within: lostWait},
		"answer timed out":                   {errs: []error{fmt.Errorf("create call: %w", context.DeadlineExceeded)}, tries: 1, ended: EndServiceError, retryable: true, within: lostWait},
		"wrong secret":                       {errs: []error{&graph.AuthError{Code: "invalid_client", AADSTS: 7000215}}, tries: 1, ended: EndAuthenticationFailed},
		"login down, then done":              {errs: []error{&graph.AuthError{Code: "temporarily_unavailable"}, nil}, tries: 2, within: 2 * time.Second},
		"forbidden":                          {errs: []error{answer("create call", 403)}, tries: 1, ended: EndPermissionMissing},
		"no such meeting":                    {errs: []error{answer("create call", 404)}, tries: 1, ended: EndMeetingNotFound},
		"bad request":                        {errs: []error{answer("create call", 400)}, tries: 1, ended: EndInvalidMeeting},
		"certificate not trusted":            {errs: []error{errors.New("create call: tls: failed to verify certificate: x509: unknown authority")}, tries: 1, ended: EndServiceError},
		"monthly limit, which is no wait":    {errs: []error{&graph.Error{Operation: "create call", StatusCode: 429, Message: "Application reached the monthly call creation limit."}}, tries: 1, ended: EndThrottled},
		"consent missing":                    {errs: []error{&graph.Error{Operation: "create call", StatusCode: 403, Code: "7504"}}, tries: 1, ended: EndTenantNotConsented},
		"answer without a call id, a riddle": {errs: []error{errors.New("create call: the answer names no call id")}, tries: 1, ended: EndServiceError, retryable: true, within: lostWait},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := &fakeGraph{create: func(_ context.Context, try int, _ *graph.Call) (*graph.Call, error) {
					if err := tt.errs[min(try, len(tt.errs))-1]; err != nil {
						return nil, err
					}
					return createdCall(testCallID), nil
				}}
				s := newTestServer(t, g)
				defer stop(t, s)
				c := join(t, s)
				pass(tt.within)
				if got := g.count("create", ""); got != tt.tries {
					t.Errorf("%d requests to create the call, want %d", got, tt.tries)
				}
				if tt.ended == "" {
					wantPhase(t, c, PhaseJoining)
					if c.Snapshot().CallID != testCallID {
						t.Error("the call has no id")
					}
					return
				}
				if end := wantEnd(t, c, tt.ended).End; !end.Failed || end.Retryable != tt.retryable {
					t.Errorf("end %+v, want a fault with retryable %t", end, tt.retryable)
				}
			})
		})
	}
}

func TestMissingRolesAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := answer("create call", 403)
		refusal.MissingRoles = []string{graph.RoleJoinGroupCall}
		s := newTestServer(t, &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, refusal }})
		defer stop(t, s)
		if end := wantEnd(t, join(t, s), EndPermissionMissing).End; !strings.Contains(end.Message, graph.RoleJoinGroupCall) {
			t.Errorf("message %q does not name the role", end.Message)
		}
	})
}

func TestACallWhoseAnswerWasLostIsAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{
			create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, errLost },
			get:    func(string) (*graph.Call, error) { return createdCall(testCallID), nil },
		}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		pass(lostWait - time.Second)
		establish(t, s)
		pass(time.Minute)
		wantPhase(t, c, PhaseEstablished)
		if snap := c.Snapshot(); snap.CallID != testCallID || snap.ChainID != "chain" {
			t.Errorf("ids %q, %q; want those of the notification and of what was asked then", snap.CallID, snap.ChainID)
		}
		if got := g.count("create", ""); got != 1 {
			t.Errorf("%d requests to create the call, want 1", got)
		}
	})
}

func TestACallLeftBehindIsNotAdopted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{create: func(context.Context, int, *graph.Call) (*graph.Call, error) { return nil, errLost }}
		s := newTestServer(t, g)
		defer stop(t, s)
		if err := s.HangUpRemote(t.Context(), "", otherCall, "old"); err != nil {
			t.Fatal(err)
		}
		c := join(t, s)
		tell(t, s, updated(otherCall, graph.StateTerminating), deleted(otherCall, 200, 7000))
		pass(lostWait)
		wantEnd(t, c, EndServiceError)
		if got := g.count("delete", otherCall); got != 1 {
			t.Errorf("%d hang-ups of the call left behind, want 1", got)
		}
	})
}

func TestASecondTryLeavesNoGhost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &fakeGraph{create: func(_ context.Context, try int, _ *graph.Call) (*graph.Call, error) {
			if try == 1 {
				return nil, answer("create call", 503) // and yet it made otherCall
			}
			return createdCall(testCallID), nil
		}}
		s := newTestServer(t, g)
		defer stop(t, s)
		c := join(t, s)
		pass(uncertainWait)
		tell(t, s, updated(otherCall, graph.StateEstablished))
		establish(t, s)
		wantPhase(t, c, PhaseEstablished)
		if g.count("delete", otherCall) != 1 || g.count("delete", testCallID) != 0 {
			t.Errorf("asked %v, want the first call hung up and the second kept", g.asked)
		}
	})
}
