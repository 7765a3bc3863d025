// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestInspectTellsOfFormatsThatDecodeDoesNotTake: to say what a file is instead of what it should be.
func TestInspectTellsOfFormatsThatDecodeDoesNotTake(t *testing.T) {
	samples := []int16{1, 2, 3}
	tests := map[string]struct {
		file file
		want Header
	}{
		"16 bits":    {file{tag: 1, channels: 1, bits: 16, rate: 16000, data: samples}, Header{PCM, 1, 16000, 16, 6, 6}},
		"µ-law":      {file{tag: 7, channels: 2, bits: 8, rate: 8000, data: samples}, Header{MuLaw, 2, 8000, 8, 6, 6}},
		"12 bits":    {file{tag: 1, channels: 1, bits: 12, rate: 16000, data: samples}, Header{PCM, 1, 16000, 12, 6, 6}},
		"extensible": {file{tag: 3, channels: 1, bits: 32, rate: 48000, extensible: true, data: samples}, Header{IEEEFloat, 1, 48000, 32, 6, 6}},
		"cut short": {file{tag: 1, channels: 1, bits: 16, rate: 16000, data: samples, dataSize: func(uint32) uint32 { return 600 }},
			Header{PCM, 1, 16000, 16, 6, 600}},
		"piped": {file{tag: 1, channels: 1, bits: 16, rate: 16000, data: samples, dataSize: func(uint32) uint32 { return math.MaxUint32 }},
			Header{PCM, 1, 16000, 16, 6, math.MaxUint32}},
		"more follows": {file{tag: 1, channels: 1, bits: 16, rate: 16000, data: samples, dataSize: func(uint32) uint32 { return 4 }},
			Header{PCM, 1, 16000, 16, 4, 4}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Inspect(tc.file.bytes())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := Inspect([]byte("RIFF....WAVE")); err == nil {
		t.Error("a file without data passes")
	}
}
