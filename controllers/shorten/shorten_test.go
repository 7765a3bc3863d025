// SPDX-License-Identifier: Apache-2.0

package shorten_test

import (
	"testing"
	"unicode/utf8"

	"github.com/callfleet/callfleet/controllers/shorten"
)

func TestShorten(t *testing.T) {
	cases := map[string]struct {
		text              string
		limit             int
		bytes, characters string
	}{
		"empty":                 {"", 4, "", ""},
		"fits":                  {"abcd", 4, "abcd", "abcd"},
		"one too many":          {"abcde", 4, "a…", "abc…"},
		"characters of two":     {"äöüß", 4, "…", "äöüß"},
		"one more of them":      {"äöüßa", 4, "…", "äöü…"},
		"cut inside of a glyph": {"aäöüß", 5, "a…", "aäöüß"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := shorten.Bytes(tc.text, tc.limit); got != tc.bytes {
				t.Errorf("Bytes gives %q, want %q", got, tc.bytes)
			}
			if got := shorten.Characters(tc.text, tc.limit); got != tc.characters {
				t.Errorf("Characters gives %q, want %q", got, tc.characters)
			}
		})
	}
}

func FuzzShorten(f *testing.F) {
	f.Add("media pod reception-0 did not take it", 20)
	f.Add("\xff\xfe…", 4)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		if limit < 3 || limit > 4096 {
			t.Skip()
		}
		if got := shorten.Bytes(text, limit); len(got) > limit {
			t.Errorf("%d bytes, at most %d", len(got), limit)
		}
		if got := shorten.Characters(text, limit); utf8.RuneCountInString(got) > limit {
			t.Errorf("%d characters, at most %d", utf8.RuneCountInString(got), limit)
		}
	})
}
