// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/test/rig"
)

// The two bots: one handles the media of its calls itself, of the other the service does.
const (
	ownMedia   = rig.BotName
	theirMedia = "desk"
	deskApp    = "22222222-41c3-47a4-8775-7259bfef4241"
)

// What each bot has: fewer seats than there are calls in a busy moment.
var fleets = map[string]struct{ pods, seats int32 }{ownMedia: {2, 20}, theirMedia: {1, 32}}

// Who calls decides what becomes of the call.
const (
	callerRedirected = "70000000-0000-4000-8000-000000000001"
	callerPassedOn   = "70000000-0000-4000-8000-000000000002"
	callerRejected   = "70000000-0000-4000-8000-000000000003"
	callerRecorded   = "70000000-0000-4000-8000-000000000004"
	callerForMany    = "70000000-0000-4000-8000-000000000005"
	colleague        = "71000000-0000-4000-8000-000000000001"
	absentColleague  = "71000000-0000-4000-8000-000000000002"
	busyColleague    = "71000000-0000-4000-8000-000000000003"
)

// underPolicy are the users whom each bot has to record when they join a meeting; of the last one it wants to know nothing.
var underPolicy = map[string][]string{
	ownMedia: {
		"72000000-0000-4000-8000-000000000001", "72000000-0000-4000-8000-000000000002", "72000000-0000-4000-8000-000000000003",
		"72000000-0000-4000-8000-000000000004",
	},
	theirMedia: {
		"73000000-0000-4000-8000-000000000001", "73000000-0000-4000-8000-000000000002", "73000000-0000-4000-8000-000000000003",
		"73000000-0000-4000-8000-000000000004",
	},
}

// recordsTwo is how many participants a policy's call records: the third gets one of their own.
const recordsTwo = 2

// retry is how the local Teams repeats notifications: for longer than anything is away. Of a call whose process was killed
// before it could say that it holds it, nothing is taken for a minute.
var retry = admin.Retry{PatienceMs: 10_000}

func appOf(bot string) string {
	if bot == theirMedia {
		return deskApp
	}
	return rig.AppID
}

func incomingRules() []callfleetv1.IncomingRule {
	from := func(user string) *callfleetv1.CallerMatch {
		return &callfleetv1.CallerMatch{Users: []callfleetv1.GUID{callfleetv1.GUID(user)}}
	}
	to := func(user string) *callfleetv1.RedirectTo {
		return &callfleetv1.RedirectTo{Targets: []callfleetv1.Identity{{User: callfleetv1.GUID(user)}}, RingSeconds: 15}
	}
	several := to(colleague)
	for _, u := range []string{absentColleague, busyColleague} {
		several.Targets = append(several.Targets, callfleetv1.Identity{User: callfleetv1.GUID(u)})
	}
	byPolicy, unwanted := true, from(underPolicy[ownMedia][3])
	unwanted.Users = append(unwanted.Users, callfleetv1.GUID(underPolicy[theirMedia][3]))
	return []callfleetv1.IncomingRule{
		{PolicyRecording: &byPolicy, From: unwanted, Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy},
		{
			PolicyRecording: &byPolicy, Action: callfleetv1.IncomingAnswer, ParticipantCapacity: recordsTwo,
			Call: &callfleetv1.IncomingTemplate{RecordingStatus: callfleetv1.Recording},
		},
		{From: from(callerForMany), Action: callfleetv1.IncomingRedirect, Redirect: several},
		{From: from(callerRedirected), Action: callfleetv1.IncomingRedirect, Redirect: to(colleague)},
		{From: from(callerPassedOn), Action: callfleetv1.IncomingRedirect, Redirect: to(absentColleague)},
		{From: from(callerRejected), Action: callfleetv1.IncomingReject, Reason: callfleetv1.RejectBusy},
		{From: from(callerRecorded), Action: callfleetv1.IncomingAnswer, Call: &callfleetv1.IncomingTemplate{RecordingStatus: callfleetv1.Recording}},
		{Action: callfleetv1.IncomingAnswer},
	}
}

func startBots(ctx context.Context) error {
	own, err := world.Bot()
	if err != nil {
		return err
	}
	// Parts in screen sharing are wished for in the middle of calls.
	own.Spec.Media.Modalities = callfleetv1.Modalities{callfleetv1.ModalityAudio, callfleetv1.ModalityScreenSharing}
	desk, err := world.ServiceBot(theirMedia, deskApp)
	if err != nil {
		return err
	}
	if err := world.Teams.SetClockSpeed(ctx, speed); err != nil {
		return err
	}
	if err := world.Teams.SetRetry(ctx, retry); err != nil {
		return err
	}
	for _, u := range []admin.User{
		{ID: colleague, TenantID: rig.TenantID, Reaction: admin.Answers, AfterSeconds: 2},
		{ID: absentColleague, TenantID: rig.TenantID, Reaction: admin.Ignores},
		{ID: busyColleague, TenantID: rig.TenantID, Reaction: admin.IsBusy},
	} {
		if err := world.Teams.PutUser(ctx, u); err != nil {
			return err
		}
	}
	err = world.Teams.PutPolicies(ctx, rig.TenantID, admin.Policies{
		AllowRemove: []string{rig.AppID, deskApp},
		Access:      []admin.AccessPolicy{{AppID: rig.AppID}, {AppID: deskApp}},
		Recording: []admin.RecordingPolicy{
			{AppID: rig.AppID, Users: underPolicy[ownMedia], RequiredBefore: true},
			{AppID: deskApp, Users: underPolicy[theirMedia], RequiredDuring: true},
		},
	})
	if err != nil {
		return err
	}
	for _, bot := range []*callfleetv1.CallingBot{own, desk} {
		f := fleets[bot.Name]
		bot.Spec.Replicas, bot.Spec.Capacity.Seats, bot.Spec.Incoming = &f.pods, f.seats, incomingRules()
		bot.Spec.Template.Raw = podTemplate(0)
		if err := world.Register(ctx, bot); err != nil {
			return err
		}
		if err := world.StartBot(ctx, bot); err != nil {
			return err
		}
	}
	if err := putPrompt(ctx); err != nil {
		return err
	}
	return makeOperator(ctx)
}

// legacyFirst lets the channel of a bot send new calls in the old format first, or no more.
func legacyFirst(ctx context.Context, on bool) error {
	own, err := world.Bot()
	if err != nil {
		return err
	}
	desk, err := world.ServiceBot(theirMedia, deskApp)
	if err != nil {
		return err
	}
	set := func(a *admin.App) { a.LegacyFirst = on }
	return errors.Join(world.Register(ctx, own, set), world.Register(ctx, desk, set))
}

// podTemplate is that of a media pod; another number makes another revision.
func podTemplate(revision int) []byte {
	return fmt.Appendf(nil, `{"metadata":{"annotations":{"test/revision":"%d"}},"spec":{"os":{"name":"linux"},
		"containers":[{"name":"mediapod","env":[{"name":"CLOCK_SPEED","value":"%d"}]}]}}`, revision, speed)
}

// fleetsStand waits until both fleets are as they should be: all pods ready, none too many, no seat taken.
func fleetsStand(ctx context.Context, patience time.Duration) error {
	for name, want := range fleets {
		bot := &callfleetv1.CallingBot{}
		bot.Namespace, bot.Name = rig.Namespace, name
		err := world.Await(ctx, bot, patience, "the fleet of "+name+" to be idle and whole", func() error {
			if st := bot.Status; st.ReadyReplicas != want.pods || st.Replicas != want.pods || st.DrainingReplicas != 0 {
				return fmt.Errorf("%d of %d pods are ready, %d drain; want %d", st.ReadyReplicas, st.Replicas, st.DrainingReplicas, want.pods)
			}
			pods := &callfleetv1.MediaPodList{}
			if err := world.Client.List(ctx, pods, client.InNamespace(rig.Namespace), client.MatchingLabels{callfleetv1.LabelBot: name}); err != nil {
				return err
			}
			for _, p := range pods.Items {
				if s := p.Status.Seats; s.Used != 0 || s.Reserved != 0 || p.Status.Calls != 0 || p.Status.Agent == nil {
					return fmt.Errorf("pod %s has %d seats used, %d reserved, %d calls", p.Name, s.Used, s.Reserved, p.Status.Calls)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// steadily repeats what needs the API server while that is away.
func steadily(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !away(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
