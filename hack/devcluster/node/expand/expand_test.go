// SPDX-License-Identifier: Apache-2.0

package expand

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func lookup(name string) (string, bool) {
	v, ok := map[string]string{"POD_IP": "127.64.0.2", "EMPTY": "", "NESTED": "$(POD_IP)"}[name]
	return v, ok
}

// The cases follow the table of Kubernetes' own expansion package.
func TestString(t *testing.T) {
	for input, want := range map[string]string{
		"":                            "",
		"plain":                       "plain",
		"$(POD_IP)":                   "127.64.0.2",
		"--bind=$(POD_IP):8445":       "--bind=127.64.0.2:8445",
		"$(POD_IP)$(POD_IP)":          "127.64.0.2127.64.0.2",
		"[$(EMPTY)]":                  "[]",
		"$(UNKNOWN)":                  "$(UNKNOWN)",
		"$$(POD_IP)":                  "$(POD_IP)",
		"$$$(POD_IP)":                 "$127.64.0.2",
		"$$$$(POD_IP)":                "$$(POD_IP)",
		"$POD_IP":                     "$POD_IP",
		"${POD_IP}":                   "${POD_IP}",
		"cost $":                      "cost $",
		"$$":                          "$",
		"$(POD_IP":                    "$(POD_IP",
		"$(unclosed $(POD_IP)":        "$(unclosed $(POD_IP)",
		"$()":                         "$()",
		"$(NESTED)":                   "$(POD_IP)",
		"a $(POD_IP) b $(EMPTY) c $x": "a 127.64.0.2 b  c $x",
	} {
		if got := String(input, lookup); got != want {
			t.Errorf("String(%q) = %q, want %q", input, got, want)
		}
	}
}

func TestStrings(t *testing.T) {
	got := Strings([]string{"a", "$(POD_IP)"}, lookup)
	if diff := cmp.Diff([]string{"a", "127.64.0.2"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzString(f *testing.F) {
	for _, s := range []string{"$(POD_IP)", "$$(A)", "$(", "$", "a$(b)c$$", "$(UNKNOWN)$"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		// Without known names only doubled dollars change.
		got := String(s, func(string) (string, bool) { return "", false })
		if !strings.Contains(s, "$$") && got != s {
			t.Errorf("String(%q) = %q, though nothing is known", s, got)
		}
		if len(got) > len(s) {
			t.Errorf("String(%q) = %q grew", s, got)
		}
	})
}
