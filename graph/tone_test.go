// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"slices"
	"testing"
)

func TestTonesAreReadAndWritten(t *testing.T) {
	got, err := ParseTones("0 9*#,a-D")
	want := []Tone{"tone0", "tone9", ToneStar, TonePound, "a", "d"}
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%q %v", got, err)
	}
	keys := ""
	for _, tone := range got {
		keys += tone.Key()
		if !slices.Contains(tones, tone) {
			t.Errorf("%s is not a tone of Graph", tone)
		}
	}
	if keys != "09*#AD" {
		t.Errorf("written as %q", keys)
	}
	for _, odd := range []Tone{"flash", "tonex", "tone10", ""} {
		if odd.Key() != string(odd) {
			t.Errorf("%q became %q", odd, odd.Key())
		}
	}
	if got, err := ParseTones("12x"); err == nil {
		t.Errorf("x is a key: %q", got)
	}
}
