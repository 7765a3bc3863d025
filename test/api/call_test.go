// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestCall(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	call := func() *controllertest.CallBuilder { return controllertest.Call(ns, "lunch", "reception") }
	spec := func(f func(*v1alpha1.OneCallSpec)) *controllertest.CallBuilder {
		return call().With(func(c *v1alpha1.Call) { f(&c.Spec) })
	}
	incoming := func(f func(*v1alpha1.OneCallSpec)) *controllertest.CallBuilder {
		return controllertest.IncomingCall(ns, "lunch", "reception").With(func(c *v1alpha1.Call) { f(&c.Spec) })
	}
	phone := v1alpha1.Identity{Phone: "+12065550100"}
	users := func(n int) []v1alpha1.Identity {
		return slices.Repeat([]v1alpha1.Identity{{User: controllertest.UserID}}, n)
	}
	line := &v1alpha1.CallSource{Application: controllertest.AppID, DisplayName: "Reception"}
	const (
		direction = "exactly one of to and incoming must be set; incoming is set by media pods"
		identity  = "exactly one of user, phone and application must be set"
	)
	cases := map[string]struct {
		call *controllertest.CallBuilder
		want string
	}{
		"to a user":           {call(), accepted},
		"one that came in":    {controllertest.IncomingCall(ns, "lunch", "reception"), accepted},
		"neither":             {spec(func(s *v1alpha1.OneCallSpec) { s.To = nil }), direction},
		"both":                {incoming(func(s *v1alpha1.OneCallSpec) { s.To = users(1) }), direction},
		"a group call":        {call().To(users(5)...), accepted},
		"a larger group call": {call().To(users(6)...), "spec.to: Too many: 6: must have at most 5 items"},
		"to an application":   {call().To(v1alpha1.Identity{Application: controllertest.AppID}), "Graph calls users and telephones, not applications"},
		"to nobody":           {call().To(v1alpha1.Identity{}), identity},
		"to two in one":       {call().To(v1alpha1.Identity{User: controllertest.UserID, Application: controllertest.AppID}), identity},
		"to a user by name":   {call().To(v1alpha1.Identity{User: "jane@contoso.com"}), "spec.to[0].user in body should match"},
		"to a number, from one": {
			spec(func(s *v1alpha1.OneCallSpec) { s.To, s.From = []v1alpha1.Identity{phone}, line }), accepted,
		},
		"to a number, from none": {call().To(phone), "calling a phone number needs from.application: the application instance that owns a number"},
		"to a number, from a name only": {
			spec(func(s *v1alpha1.OneCallSpec) {
				s.To, s.From = []v1alpha1.Identity{phone}, &v1alpha1.CallSource{DisplayName: "Reception"}
			}), "calling a phone number needs from.application: the application instance that owns a number",
		},
		"a number in a group": {
			spec(func(s *v1alpha1.OneCallSpec) { s.To, s.From = append(users(1), phone), line }),
			"a group call is with users; call a phone number alone and invite others",
		},
		"a number that is not E.164": {call().To(v1alpha1.Identity{Phone: "206 555 0100"}), "spec.to[0].phone in body should match"},
		"ringing for half a minute":  {spec(func(s *v1alpha1.OneCallSpec) { s.RingingTimeout = "30s" }), accepted},
		"ringing for a call that came in": {
			incoming(func(s *v1alpha1.OneCallSpec) { s.RingingTimeout = "30s" }), "ringingTimeout is for outgoing calls",
		},
		"to a user of a tenant":       {spec(func(s *v1alpha1.OneCallSpec) { s.TenantID = controllertest.TenantID }), accepted},
		"to a user of a tenant named": {spec(func(s *v1alpha1.OneCallSpec) { s.TenantID = "contoso.com" }), "spec.tenantID in body should match"},
		"a tenant for a call that came in": {
			incoming(func(s *v1alpha1.OneCallSpec) { s.TenantID = controllertest.TenantID }), "tenantID is for outgoing calls",
		},
		"a group that rings again": {spec(func(s *v1alpha1.OneCallSpec) { s.To, s.Rejoin.Policy = users(2), v1alpha1.RejoinRingAgain }), accepted},
		"one user who is rung again": {
			spec(func(s *v1alpha1.OneCallSpec) { s.Rejoin.Policy = v1alpha1.RejoinRingAgain }), "rejoin.policy RingAgain is for calls to a group",
		},
		"ringing again at who called": {
			incoming(func(s *v1alpha1.OneCallSpec) { s.Rejoin.Policy = v1alpha1.RejoinRingAgain }), "rejoin.policy RingAgain is for calls to a group",
		},
		"from a caller of unheard kind": {
			incoming(func(s *v1alpha1.OneCallSpec) { s.Incoming.From.Kind = "Fax" }), `Unsupported value: "Fax"`,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.call.Object(), tc.want) })
	}
}

// What every kind of call asks for, tried on Calls; MeetingSessions embed the same.
func TestCallSpec(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	spec := func(f func(*v1alpha1.OneCallSpec)) *v1alpha1.Call {
		return controllertest.Call(ns, "lunch", "reception").With(func(c *v1alpha1.Call) { f(&c.Spec) }).Object()
	}
	lobby := func(d v1alpha1.Duration) *v1alpha1.Call {
		return spec(func(s *v1alpha1.OneCallSpec) { s.Leave.LobbyTimeout = d })
	}
	invite := func(n int, one v1alpha1.Identity) *v1alpha1.Call {
		return spec(func(s *v1alpha1.OneCallSpec) {
			s.Invite = slices.Repeat([]v1alpha1.Invitee{{Identity: one}}, n)
		})
	}
	modalities := func(list ...v1alpha1.Modality) *v1alpha1.Call {
		return spec(func(s *v1alpha1.OneCallSpec) { s.Modalities = append(v1alpha1.Modalities{}, list...) })
	}
	jane := v1alpha1.Identity{User: controllertest.UserID}
	cases := map[string]struct {
		call *v1alpha1.Call
		want string
	}{
		"all leave rules": {spec(func(s *v1alpha1.OneCallSpec) {
			s.Leave = v1alpha1.LeaveRules{LobbyTimeout: "15m", AloneTimeout: "2m", OnlyBots: true, SilenceTimeout: "0s", MaxDuration: "24h", MediaLostTimeout: ptr.To[v1alpha1.Duration]("0s")}
		}), accepted},
		"a duration of parts":      {lobby("1h30m0.5s250ms"), accepted},
		"a week":                   {lobby("168h"), accepted},
		"more than a week":         {lobby("168h1ms"), "at most 168h"},
		"more than can be counted": {lobby("99999999999999999999h"), "spec.leave.lobbyTimeout: Invalid value"},
		"a number":                 {lobby("90"), "spec.leave.lobbyTimeout in body should match"},
		"days":                     {lobby("1d"), "spec.leave.lobbyTimeout in body should match"},
		"before it began":          {lobby("-5m"), "spec.leave.lobbyTimeout in body should match"},
		"a duration with a tail":   {lobby("5m, or so"), "spec.leave.lobbyTimeout in body should match"},

		"twenty invited":              {invite(20, jane), accepted},
		"more invited":                {invite(21, jane), "spec.invite: Too many: 21: must have at most 20 items"},
		"nobody invited":              {invite(1, v1alpha1.Identity{}), "exactly one of user, phone and application must be set"},
		"a number invited":            {invite(1, v1alpha1.Identity{Phone: "+12065550100"}), accepted},
		"invited twice in one":        {invite(1, v1alpha1.Identity{User: jane.User, Phone: "+12065550100"}), "exactly one of user, phone and application must be set"},
		"every modality":              {modalities("ScreenSharing", "Video", "Audio"), accepted},
		"a call without audio":        {modalities("Video"), "modalities must include Audio"},
		"a modality twice":            {modalities("Audio", "Audio"), "Duplicate value"},
		"a modality in Graph's words": {modalities("Audio", "videoBasedScreenSharing"), `Unsupported value: "videoBasedScreenSharing"`},
		"a part nobody plays":         {spec(func(s *v1alpha1.OneCallSpec) { s.ScreenSharing = "Presenter" }), `Unsupported value: "Presenter"`},
		"a recording on the quiet":    {spec(func(s *v1alpha1.OneCallSpec) { s.RecordingStatus = "Secret" }), `Unsupported value: "Secret"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.call, tc.want) })
	}
}

func TestCallChanges(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	out := func(name string) *controllertest.CallBuilder { return controllertest.Call(ns, name, "reception") }
	in := func(name string) *controllertest.CallBuilder {
		return controllertest.IncomingCall(ns, name, "reception")
	}
	cases := map[string]struct {
		from   func(string) *controllertest.CallBuilder
		change func(*v1alpha1.OneCallSpec)
		want   string
	}{
		"whom to call is fixed": {out, func(s *v1alpha1.OneCallSpec) {
			s.To = []v1alpha1.Identity{{User: controllertest.AppID}}
		}, "to cannot change; make a new Call"},
		"nobody is added": {out, func(s *v1alpha1.OneCallSpec) {
			s.To = append(s.To, v1alpha1.Identity{User: controllertest.AppID})
		}, "to cannot change; make a new Call"},
		"the tenant is fixed": {out, func(s *v1alpha1.OneCallSpec) { s.TenantID = controllertest.TenantID }, "tenantID cannot change; make a new Call"},
		"the direction is fixed": {in, func(s *v1alpha1.OneCallSpec) {
			s.To, s.Incoming = []v1alpha1.Identity{{User: controllertest.UserID}}, nil
		}, "to cannot change; make a new Call"},
		"the other way round too": {out, func(s *v1alpha1.OneCallSpec) {
			s.To, s.Incoming = nil, &v1alpha1.IncomingCall{ID: "1", TenantID: controllertest.TenantID}
		}, "incoming cannot change"},
		"who called is fixed": {in, func(s *v1alpha1.OneCallSpec) { s.Incoming.From.DisplayName = "John" }, "incoming cannot change"},
		"the bot may be asked to leave": {in, func(s *v1alpha1.OneCallSpec) {
			s.DesiredState = v1alpha1.DesiredEnded
		}, accepted},
		"modalities are not added": {out, func(s *v1alpha1.OneCallSpec) {
			s.Modalities = v1alpha1.Modalities{v1alpha1.ModalityAudio}
		}, "modalities cannot change"},
		"the bot may invite": {out, func(s *v1alpha1.OneCallSpec) {
			s.Invite = []v1alpha1.Invitee{{Identity: v1alpha1.Identity{User: controllertest.AppID}, Hidden: true}}
		}, accepted},
	}
	n := 0
	for name, tc := range cases {
		n++
		call := tc.from(fmt.Sprint("lunch-", n)).Object()
		t.Run(name, func(t *testing.T) { update(t, call, func(c *v1alpha1.Call) { tc.change(&c.Spec) }, tc.want) })
	}
}

func TestCallDefaults(t *testing.T) {
	cluster := controllertest.Start(t)
	obj := document(t, cluster.Namespace(t), `
apiVersion: callfleet.dev/v1alpha1
kind: Call
metadata: {name: lunch}
spec:
  botRef: {name: reception}
  to: [{user: 550fae72-d251-43ec-868c-373732c2704f}]
`)
	if err := cluster.Client.Create(context.Background(), obj); err != nil {
		t.Fatal(err)
	}
	call := controllertest.Call(obj.GetNamespace(), "lunch", "reception").Object()
	want := call.Spec
	controllertest.Await(t, cluster.Client, call, "exist", func(*v1alpha1.Call) error { return nil })
	if diff := cmp.Diff(want, call.Spec); diff != "" {
		t.Errorf("defaults are those of a MeetingSession (-want +got):\n%s", diff)
	}
}

// Agents watch Calls by field selector, as they do sessions.
func TestCallsAreSelectable(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	for _, c := range []*controllertest.CallBuilder{
		controllertest.Call(ns, "a", "reception").BoundTo("reception-0"),
		controllertest.IncomingCall(ns, "b", "reception").Held("reception-1", "i1", v1alpha1.HostingService),
		controllertest.Call(ns, "c", "sales").BoundTo("sales-0").Phase(v1alpha1.PhaseCompleted),
	} {
		controllertest.Create(t, cluster.Client, c.Object())
	}
	for selector, want := range map[string]string{
		"status.mediaPod=reception-0": "a", "spec.botRef.name=sales": "c", "status.phase=Established": "b",
	} {
		field, value, _ := strings.Cut(selector, "=")
		var calls v1alpha1.CallList
		if err := cluster.Client.List(context.Background(), &calls, client.InNamespace(ns), client.MatchingFields{field: value}); err != nil {
			t.Fatal(err)
		}
		if len(calls.Items) != 1 || calls.Items[0].Name != want {
			t.Errorf("%s selects %d calls, want %s alone", selector, len(calls.Items), want)
		}
	}
}

// All of Callfleet is one word for kubectl.
func TestCategory(t *testing.T) {
	cluster := controllertest.Start(t)
	ns := cluster.Namespace(t)
	controllertest.Create(t, cluster.Client, controllertest.Bot(ns, "reception").Object())
	controllertest.Create(t, cluster.Client, controllertest.MediaPod(ns, "reception", 0).Object())
	controllertest.Create(t, cluster.Client, controllertest.Session(ns, "standup", "reception").Object())
	controllertest.Create(t, cluster.Client, controllertest.Call(ns, "lunch", "reception").Object())
	out, err := cluster.Kubectl(t, "get", "callfleet", "-n", ns, "-o", "name")
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(out)
	slices.Sort(got)
	want := []string{
		"call.callfleet.dev/lunch", "callingbot.callfleet.dev/reception",
		"mediapod.callfleet.dev/reception-0", "meetingsession.callfleet.dev/standup",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kubectl get callfleet (-want +got):\n%s", diff)
	}
}
