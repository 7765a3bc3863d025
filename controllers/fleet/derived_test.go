// SPDX-License-Identifier: Apache-2.0

package fleet

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/controllers/controllertest"
)

var reception = types.NamespacedName{Namespace: "voice", Name: "reception"}

// TestWhatIsRememberedOfAConfigurationIsWhatFollowsFromIt: also when it is changed in place, in bytes that are shared, and when the
// generation stays, as that of a bot made again may.
func TestWhatIsRememberedOfAConfigurationIsWhatFollowsFromIt(t *testing.T) {
	var known configurations
	bot := controllertest.Bot(reception.Namespace, reception.Name).Template(`{"spec":{"os":{"name":"linux"}}}`).Object()
	config := &bot.Spec.FleetConfig
	steps := []struct {
		name   string
		change func()
		valid  bool
	}{
		{"as it is at first", func() {}, true},
		{"nothing", func() {}, true},
		{"the template's bytes", func() { copy(config.Template.Raw, `{"spec":{"so":`) }, false},
		{"another template", func() { config.Template = &runtime.RawExtension{Raw: []byte(`{}`)} }, true},
		{"another platform", func() { config.Media.Platform = v1alpha1.PlatformMicrosoft }, false},
		{"the platform back", func() { config.Media.Platform = "" }, true},
		{"more seats", func() { config.Capacity.Seats++ }, true},
		{"redirects, which are no part of the revision", func() {
			config.Signaling.Redirects = []v1alpha1.RegionRedirect{{Regions: []string{"emea"}}}
		}, true},
	}
	for _, step := range steps {
		step.change()
		want, err := derive(config.DeepCopy())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			got, err := known.of(reception, config)
			if err != nil || got.revision != want.revision || (got.invalid == nil) != step.valid || (want.invalid == nil) != step.valid {
				t.Errorf("after a change of %s: %+v %v, want %+v", step.name, got, err, want)
			}
		}
	}
	if known.forget(reception); len(known.known) != 0 {
		t.Errorf("of a bot that is gone there is still %+v", known.known)
	}
}

func TestBotsDoNotShareWhatIsRemembered(t *testing.T) {
	var known configurations
	revisions := map[string]bool{}
	for _, host := range []string{"a.contoso.com", "b.contoso.com"} {
		bot := controllertest.Bot(reception.Namespace, host).With(func(b *v1alpha1.CallingBot) { b.Spec.Signaling.Host = host }).Object()
		d, err := known.of(types.NamespacedName{Namespace: bot.Namespace, Name: bot.Name}, &bot.Spec.FleetConfig)
		if err != nil {
			t.Fatal(err)
		}
		revisions[d.revision] = true
	}
	if len(revisions) != 2 || len(known.known) != 2 {
		t.Errorf("two bots have revisions %v, and %d configurations are known", revisions, len(known.known))
	}
}

// BenchmarkConfiguration: what a pass over a bot spends on its configuration, the first time and every other.
func BenchmarkConfiguration(b *testing.B) {
	config := &controllertest.Bot(reception.Namespace, reception.Name).Template(bridgeTemplate).Object().Spec.FleetConfig
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := derive(config); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("known", func(b *testing.B) {
		var known configurations
		b.ReportAllocs()
		for b.Loop() {
			if _, err := known.of(reception, config); err != nil {
				b.Fatal(err)
			}
		}
	})
}

const bridgeTemplate = `{"spec":{"containers":[{"name":"bridge","image":"media-bridge"}]}}`
