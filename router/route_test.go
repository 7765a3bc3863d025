// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strings"
	"testing"
)

func TestParseRoute(t *testing.T) {
	bot, digest := Bot{"voice", "reception"}, strings.Repeat("0f", 32)
	tests := map[string]struct {
		want route
		ok   bool
	}{
		"/voice/reception/calls":                              {route{bot: bot, kind: kindNewCall}, true},
		"/voice/reception/pods/reception-3/calls/u-1":         {route{bot: bot, mediaPod: "reception-3", kind: kindCallback}, true},
		"/voice/reception/healthz":                            {route{bot: bot, kind: kindSelfTest}, true},
		"/voice/reception/prompts/" + digest + "/menu/a.wav":  {route{bot: bot, kind: kindPrompt}, true},
		"/voice/reception/prompts/" + digest + "/_spoken/r-1": {route{bot: bot, kind: kindPrompt, mediaPod: "r-1"}, true},
		"/voice/reception/prompts/" + digest + "/menu":        {},
		"/voice/reception/prompts/" + digest + "/menu/..":     {},
		"/voice/reception/prompts/" + digest[1:] + "/menu/a":  {},
		"/voice/reception/prompts/" + digest[1:] + "G/menu/a": {},
		"/voice/reception/calls/":                             {},
		"/voice/reception":                                    {},
		"/voice//calls":                                       {},
		"/../reception/calls":                                 {},
		"/voice/reception/pods/reception-3/calls":             {},
		"/voice/reception/pods/reception-3/calls/u/v":         {},
		"/voice/reception/pods/reception-3/calls/u/v/w":       {},
		"/voice/reception/pods/reception-3/other/u":           {},
		"/voice/reception/boots/reception-3/calls/u-1":        {},
		"/" + strings.Repeat("x", 300) + "/b/calls":           {},
		"/": {},
		"":  {},
	}
	for path, tc := range tests {
		t.Run(path, func(t *testing.T) {
			got, ok := parseRoute(path)
			if ok != tc.ok || (ok && got != tc.want) {
				t.Errorf("parseRoute(%q) = %+v, %v; want %+v, %v", path, got, ok, tc.want, tc.ok)
			}
		})
	}
}

func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{"/voice/reception/calls", "/a/b/pods/c/calls/d", "/a/b/prompts/" + strings.Repeat("0f", 32) + "/c/d", "//calls", "/%2f/x/calls", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r, ok := parseRoute(path)
		if ok && (r.bot.Namespace == "" || r.bot.Name == "" || (r.kind == kindCallback) != (r.mediaPod != "")) {
			t.Errorf("parseRoute(%q) = %+v", path, r)
		}
		if !ok && r.kind != kindUnknown {
			t.Errorf("parseRoute(%q) names a kind, %s, for what it refuses", path, r.kind)
		}
	})
}
