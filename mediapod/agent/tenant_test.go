// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr/testr"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/meeting"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/teamsim"
	"github.com/callfleet/callfleet/teamsim/admin"
)

const (
	partner  = "9a3b7c11-2f6e-4d0a-8f5b-0c1d2e3f4a5b" // has consented to the bot
	stranger = "77777777-2f6e-4d0a-8f5b-0c1d2e3f4a5b"
)

// trusting takes every notification for authentic; here none arrives.
type trusting struct{}

func (trusting) Verify(context.Context, string) (signaling.Claims, error) {
	return signaling.Claims{}, nil
}

// twoTenants is an agent whose bot is at home in one tenant and allowed in another, before the local Teams.
func twoTenants(t *testing.T, m *memory) (*Agent, *teamsim.Server) {
	t.Helper()
	teams, err := teamsim.Start(teamsim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(teams.Close)
	if err := teams.Admin().PutApp(t.Context(), admin.App{
		ID: controllertest.AppID, TenantID: controllertest.TenantID, ConsentedTenants: []string{partner}, Secret: "s3cret",
		Roles: []string{graph.RoleJoinGroupCall, graph.RoleInitiate, graph.RoleMeetingsRead},
	}); err != nil {
		t.Fatal(err)
	}
	if err := teams.Admin().PutUser(t.Context(), admin.User{ID: jane, TenantID: partner}); err != nil {
		t.Fatal(err)
	}
	if err := teams.Admin().PutPolicies(t.Context(), partner, admin.Policies{Access: []admin.AccessPolicy{{AppID: controllertest.AppID}}}); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(teams.Info().CA))
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	t.Cleanup(web.CloseIdleConnections)
	secret := filepath.Join(t.TempDir(), "clientSecret")
	if err := os.WriteFile(secret, []byte("s3cret"), 0o600); err != nil {
		t.Fatal(err)
	}
	id := callfleetv1.BotIdentity{
		AppID: controllertest.AppID, TenantID: controllertest.TenantID, AllowedTenants: []callfleetv1.GUID{partner}, Cloud: callfleetv1.CloudCustom,
	}
	cloud := graph.Cloud{GraphURL: teams.Info().URL, LoginURL: teams.Info().URL}
	client, err := graph.NewClient(graph.ClientOptions{Cloud: cloud, Credential: newSecretFileCredential(secret, id, cloud, web), Transport: withoutRedirects(web)})
	if err != nil {
		t.Fatal(err)
	}
	calls, err := signaling.New(signaling.Config{
		HomeTenant: string(id.TenantID), AllowedTenants: tenantsOf(id)[1:], BaseURL: "https://bots.contoso.com/voice/reception", MediaPod: "reception-0",
		Graph: graphOf(client, id), Verifier: trusting{}, Log: testr.New(t),
	})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := seat(t, m, func(p *callfleetv1.MediaPod) {
		p.Spec.Identity, p.Spec.Media.Hosting = id, callfleetv1.HostingService
	})
	a.calls = graphCalls{calls}
	a.meetings = &meeting.Finder{Graph: meetingsOf(client, id), Tenants: tenantsOf(id), Secrets: noSecrets{}, Clock: clock.RealClock{}, Log: testr.New(t)}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // the far side is not told that the calls are over, and need not be waited for
		_ = calls.Shutdown(ctx)
	})
	return a, teams
}

type noSecrets struct{ meeting.Secrets }

// TestMeetingsAndPeopleOfAnAllowedTenantAreReached: with the tokens of that tenant and in its name, or the service refuses.
func TestMeetingsAndPeopleOfAnAllowedTenantAreReached(t *testing.T) {
	tests := map[string]struct {
		meeting func(admin.Meeting) callfleetv1.Meeting // nil: jane is called
		tenant  callfleetv1.GUID
		want    callfleetv1.EndReason // empty: the call is made, in the partner's tenant
		says    string
	}{
		"a number": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: m.JoinMeetingID, Passcode: m.Passcode}}
		}, tenant: partner},
		"a short link": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(m.ShortJoinURL)}
		}, tenant: partner},
		"a long link, which tells the tenant": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinURL: callfleetv1.HTTPSURL(m.JoinURL)}
		}},
		"a conference id": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{VideoTeleconferenceID: m.VTCID}
		}, tenant: partner},
		"a user": {tenant: partner},
		"a number, and no word of the tenant": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: m.JoinMeetingID, Passcode: m.Passcode}}
		}, want: callfleetv1.EndTenantNotConsented, says: "does not tell the tenant"},
		"a conference id, and no word of the tenant": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{VideoTeleconferenceID: m.VTCID}
		}, want: callfleetv1.EndMeetingNotFound, says: "spec.meeting.tenantID"},
		"a number in a tenant the bot does not serve": {meeting: func(m admin.Meeting) callfleetv1.Meeting {
			return callfleetv1.Meeting{JoinMeetingID: &callfleetv1.JoinMeetingID{ID: m.JoinMeetingID, Passcode: m.Passcode}}
		}, tenant: stranger, want: callfleetv1.EndTenantNotConsented, says: "identity.allowedTenants"},
		"a user, and no word of the tenant":         {want: callfleetv1.EndInvalidTarget, says: "tenant of the call"},
		"a user in a tenant the bot does not serve": {tenant: stranger, want: callfleetv1.EndTenantNotConsented, says: "identity.allowedTenants"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			m := &memory{object: session()}
			if tc.meeting == nil {
				m.object = outgoing(callfleetv1.OneCallSpec{To: []callfleetv1.Identity{{User: jane}}, TenantID: tc.tenant})
			}
			a, teams := twoTenants(t, m)
			if tc.meeting != nil {
				made, err := teams.Admin().CreateMeeting(t.Context(), admin.NewMeeting{TenantID: partner})
				if err != nil {
					t.Fatal(err)
				}
				m.object.session.Spec.Meeting = tc.meeting(made)
				m.object.session.Spec.Meeting.TenantID = tc.tenant
			}
			a.changed(m.newest())
			calls := func() []admin.Call {
				list, err := teams.Admin().Calls(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				return list
			}
			if tc.want == "" {
				await(t, "a call in the partner's tenant", func() bool {
					return slices.ContainsFunc(calls(), func(c admin.Call) bool { return strings.EqualFold(c.TenantID, partner) })
				})
				await(t, "the tenant in the status", func() bool { s := m.status(); return s.Call != nil && s.Call.TenantID == partner })
				return
			}
			await(t, "the end", func() bool { s := m.status(); return s.Call != nil && s.Call.End != nil })
			if end := m.status().Call.End; end.Reason != tc.want || !end.Failed || end.Retryable || !strings.Contains(end.Message, tc.says) {
				t.Errorf("end %+v, want %s that says %q", end, tc.want, tc.says)
			}
			if made := calls(); len(made) != 0 {
				t.Errorf("%d calls were made", len(made))
			}
		})
	}
}
