// SPDX-License-Identifier: Apache-2.0

package control

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/control/wire"
)

// FuzzParse: whatever somebody sends, what passes is within the limits, is an action, and reads the same when it is
// written and read again.
func FuzzParse(f *testing.F) {
	f.Add("transfer", []byte(`{"to":{"user":"1fdd12d0-4620-44ed-baec-459b611f84b2"},"participant":"p1","replacesCallID":"c1"}`))
	f.Add("play", []byte(`{"prompts":[{"configMap":{"name":"prompts","key":"a.wav"}},{"url":"https://cdn.contoso.com/a.wav?sig=1"}]}`))
	f.Add("record", []byte(`{"bargeIn":true,"initialSilence":"1s","maxDuration":"120s","stopTones":"#"}`))
	f.Add("dtmf", []byte(`{"tones":"12, 34-#ABCD","delay":"1ms"}`))
	f.Add("hold-start", []byte(`{"participant":"p1","prompt":{"url":"https://cdn.contoso.com/a.wav"}}`))
	f.Add("stop", []byte(``))
	f.Add("mute-participant", []byte(`{"participant":"../../other"}`))
	f.Fuzz(func(t *testing.T, name string, raw []byte) {
		body, err := parse(wire.Action(name), raw)
		if err != nil {
			if r := refusalOf(err); r.code < 400 || r.code >= 500 || r.say.Message == "" {
				t.Fatalf("refused with %d %q", r.code, r.say.Message)
			}
			return
		}
		s := &Server{cfg: Config{Prompts: library{}}}
		if play, ok := body.(*wire.Play); ok && (len(play.Prompts) < 1 || len(play.Prompts) > wire.MaxPrompts) {
			t.Fatalf("%d prompts pass", len(play.Prompts))
		}
		if tones, ok := body.(*wire.SendTones); ok {
			if parsed, err := graph.ParseTones(tones.Tones); err != nil || len(parsed) < 1 || len(parsed) > wire.MaxTones {
				t.Fatalf("%q passes: %d tones, %v", tones.Tones, len(parsed), err)
			}
		}
		if _, err := s.action(t.Context(), wire.Action(name), body); err != nil && refusalOf(err).code >= 500 {
			t.Fatalf("%s %s is no action: %v", name, raw, err)
		}
		again, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		second, err := parse(wire.Action(name), again)
		if err != nil {
			t.Fatalf("%s becomes %s: %v", raw, again, err)
		}
		if diff := cmp.Diff(body, second); diff != "" {
			t.Fatalf("%s becomes %s:\n%s", raw, again, diff)
		}
	})
}
