// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

// TestRollout has one case for each rule of how a fleet is rolled out.
func TestRollout(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	bot := func(r v1alpha1.Rollout) *controllertest.BotBuilder {
		return controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.Rollout = r })
	}
	surge := func(value string) v1alpha1.Rollout {
		parsed := intstr.Parse(value)
		return v1alpha1.Rollout{MaxSurge: &parsed}
	}
	const surgeRule = "must be a number of pods, 1 to 1000, or a percentage, 1% to 100%"
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		want string
	}{
		"a surge of one pod":             {bot(surge("1")), accepted},
		"a surge of all":                 {bot(surge("100%")), accepted},
		"a surge of a percent":           {bot(surge("1%")), accepted},
		"no surge":                       {bot(surge("0")), surgeRule},
		"no surge, in percent":           {bot(surge("0%")), surgeRule},
		"more than all":                  {bot(surge("101%")), surgeRule},
		"a surge in words":               {bot(surge("many")), surgeRule},
		"a deadline that tells":          {bot(v1alpha1.Rollout{DrainDeadline: "4h"}), accepted},
		"a deadline that hangs up":       {bot(v1alpha1.Rollout{DrainDeadline: "4h", OnDeadline: v1alpha1.DeadlineHangUp}), accepted},
		"hanging up without a deadline":  {bot(v1alpha1.Rollout{OnDeadline: v1alpha1.DeadlineHangUp}), "onDeadline: HangUp needs a drainDeadline"},
		"a deadline at once":             {bot(v1alpha1.Rollout{DrainDeadline: "0s"}), "drainDeadline must be longer than 0s"},
		"something else at the deadline": {bot(v1alpha1.Rollout{DrainDeadline: "4h", OnDeadline: "Kill"}), `Unsupported value: "Kill"`},
		"paused":                         {bot(v1alpha1.Rollout{Paused: true}), accepted},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot.Object(), tc.want) })
	}
}

// TestAutoscaling has one case for each rule of it.
func TestAutoscaling(t *testing.T) {
	ns := controllertest.Start(t).Namespace(t)
	bot := func(change func(*v1alpha1.Autoscaling)) *controllertest.BotBuilder {
		return controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) {
			b.Spec.Replicas, b.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{Min: 1, Max: 3}
			change(b.Spec.Autoscaling)
		})
	}
	at := func(s v1alpha1.CapacitySchedule) *controllertest.BotBuilder {
		return bot(func(a *v1alpha1.Autoscaling) { a.Schedules = []v1alpha1.CapacitySchedule{s} })
	}
	seats := ptr.To[int32](5)
	const cron = "spec.autoscaling.schedules[0].cron in body should match"
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		want string
	}{
		"the usual":               {bot(func(*v1alpha1.Autoscaling) {}), accepted},
		"down to none":            {bot(func(a *v1alpha1.Autoscaling) { a.Min = 0 }), accepted},
		"none at all":             {bot(func(a *v1alpha1.Autoscaling) { a.Max = 0 }), "spec.autoscaling.max in body should be greater than or equal to 1"},
		"min above max":           {bot(func(a *v1alpha1.Autoscaling) { a.Min = 4 }), "min must not be above max"},
		"free seats below":        {bot(func(a *v1alpha1.Autoscaling) { a.FreeSeats = -1 }), "spec.autoscaling.freeSeats in body should be greater than or equal to 0"},
		"a lead in words":         {bot(func(a *v1alpha1.Autoscaling) { a.LeadTime = "soon" }), "spec.autoscaling.leadTime in body should match"},
		"a schedule":              {at(v1alpha1.CapacitySchedule{Cron: "0 8 * * MON-FRI", TimeZone: "America/Argentina/Buenos_Aires", FreeSeats: seats}), accepted},
		"of nothing":              {at(v1alpha1.CapacitySchedule{Cron: "0 8 * * *"}), "a schedule sets freeSeats, min or both"},
		"with a min above max":    {at(v1alpha1.CapacitySchedule{Cron: "0 8 * * *", Min: seats}), "min of a schedule must not be above max"},
		"with seconds":            {at(v1alpha1.CapacitySchedule{Cron: "0 0 8 * * *", FreeSeats: seats}), cron},
		"with a zone of its own":  {at(v1alpha1.CapacitySchedule{Cron: "TZ=UTC 8 * * *", FreeSeats: seats}), cron},
		"in words":                {at(v1alpha1.CapacitySchedule{Cron: "@daily", FreeSeats: seats}), cron},
		"in a zone that is none":  {at(v1alpha1.CapacitySchedule{Cron: "0 8 * * *", TimeZone: "../etc", FreeSeats: seats}), "spec.autoscaling.schedules[0].timeZone in body should match"},
		"deletion by some policy": {controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.DeletionPolicy = "Hope" }), `Unsupported value: "Hope"`},
		"placement by some order": {controllertest.Bot(ns, "reception").With(func(b *v1alpha1.CallingBot) { b.Spec.Placement = "Random" }), `Unsupported value: "Random"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { create(t, tc.bot.Object(), tc.want) })
	}
}
