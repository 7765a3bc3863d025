// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"flag"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var update = flag.Bool("update", false, "write the fixtures of test/gitops anew")

// TestStatusesThatGitOpsToolsJudge keeps the fixtures of test/gitops what the controller really writes: there, the tools' own
// code says what it makes of them.
func TestStatusesThatGitOpsToolsJudge(t *testing.T) {
	bot := func(change ...func(*v1alpha1.CallingBot)) *v1alpha1.CallingBot {
		b := rolling(2, v1alpha1.Rollout{})
		for _, c := range change {
			b.With(c)
		}
		return b.With(func(b *v1alpha1.CallingBot) { b.Generation = 3 }).Object()
	}
	type pods = []*controllertest.MediaPodBuilder
	paused := func(b *v1alpha1.CallingBot) { b.Spec.Rollout.Paused = true }
	deleted := func(b *v1alpha1.CallingBot) {
		b.DeletionTimestamp, b.Finalizers = ptr.To(metav1.NewTime(noon)), []string{v1alpha1.FinalizerDrain}
	}
	cases := map[string]struct {
		bot     *v1alpha1.CallingBot
		pods    pods
		problem *problem
	}{
		"progressing": {bot: bot(), pods: pods{ready(0), mp(1, newRevision)}},
		"rolling-out": {bot: bot(), pods: pods{oldReady(0), oldReady(1), mp(2, newRevision), mp(3, newRevision)}},
		"ready":       {bot: bot(), pods: pods{ready(0), ready(1)}},
		// The calls of these began before lunch and may last until the evening.
		"draining-for-hours": {bot: bot(), pods: pods{ready(0), ready(1), oldDraining(2, 40), oldDraining(3, 1)}},
		"surge-exhausted": {
			bot:  rolling(2, surge("1")).With(func(b *v1alpha1.CallingBot) { b.Generation = 3 }).Object(),
			pods: pods{ready(0), oldReady(1).Calls(3), oldDraining(2, 4)},
		},
		"paused":   {bot: bot(paused), pods: pods{oldReady(0), oldReady(1)}},
		"stalled":  {bot: bot(), problem: &problem{v1alpha1.ReasonSecretNotFound, "Secret b of the credential does not exist; create it"}},
		"deleting": {bot: bot(deleted), pods: pods{scaledIn(0, 2)}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			seen := fleetOf(tc.bot, nil, tc.pods...)
			seen.problem = tc.problem
			after := tc.bot.DeepCopy()
			after.Status = statusOf(seen, noon)
			after.APIVersion, after.Kind = v1alpha1.GroupVersion.String(), "CallingBot"
			controllertest.MatchGitOpsFixture(t, "callingbot-"+name, after, *update)
		})
	}
}
