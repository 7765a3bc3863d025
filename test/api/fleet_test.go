// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

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
