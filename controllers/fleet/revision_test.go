// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

func TestRevisionChangesWithWhatAPodIsMadeFrom(t *testing.T) {
	bot := func() *controllertest.BotBuilder { return controllertest.Bot("voice", "reception") }
	of := func(b *controllertest.BotBuilder) string {
		t.Helper()
		revision, err := revisionOf(&b.Object().Spec.FleetConfig)
		if err != nil {
			t.Fatal(err)
		}
		return revision
	}
	base := of(bot())
	cases := map[string]struct {
		bot  *controllertest.BotBuilder
		same bool
	}{
		"another number of pods":   {bot().Replicas(7), true},
		"rules for incoming calls": {bot().Incoming(v1alpha1.IncomingRule{Action: v1alpha1.IncomingAnswer}), true},
		"redirects": {bot().With(func(b *v1alpha1.CallingBot) {
			b.Spec.Signaling.Redirects = []v1alpha1.RegionRedirect{{Regions: []string{"emea"}}}
		}), true},
		"hosting named, as it always was":  {bot().With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Hosting = "" }), true},
		"platform named, as it always was": {bot().With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Platform = v1alpha1.PlatformWebRTC }), true},
		"another platform":                 {bot().With(func(b *v1alpha1.CallingBot) { b.Spec.Media.Platform = v1alpha1.PlatformMicrosoft }), false},
		"more seats":                       {bot().Seats(21), false},
		"another host":                     {bot().With(func(b *v1alpha1.CallingBot) { b.Spec.Signaling.Host = "x.contoso.com" }), false},
		"hosting by the service":           {bot().ServiceHosted(), false},
		"a template":                       {bot().Template(`{"spec":{"os":{"name":"linux"}}}`), false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			config := tc.bot.Object().Spec.FleetConfig
			before := config.DeepCopy()
			if same := of(tc.bot) == base; same != tc.same {
				t.Errorf("the same revision: %t, want %t", same, tc.same)
			}
			if _, err := revisionOf(&config); err != nil || len(config.Signaling.Redirects) != len(before.Signaling.Redirects) || config.Media.Hosting != before.Media.Hosting {
				t.Errorf("hashing changed the configuration: %v", err)
			}
		})
	}
}
