// SPDX-License-Identifier: Apache-2.0

package audio

import (
	"math"
	"testing"
)

func TestDBov(t *testing.T) {
	fill := func(f func(i int) float64) []int16 {
		s := make([]int16, SampleRate)
		for i := range s {
			s[i] = int16(f(i))
		}
		return s
	}
	tests := map[string]struct {
		samples []int16
		want    float64
	}{
		"no samples":          {nil, -127},
		"silence":             {make([]int16, 320), -127},
		"full-scale square":   {fill(func(i int) float64 { return float64(1-i%2*2) * 32767 }), 0},
		"full-scale sine":     {fill(func(i int) float64 { return 32767 * math.Sin(float64(i)/10) }), -3.01},
		"a tenth of a square": {fill(func(int) float64 { return 3276.8 }), -20},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := DBov(Energy(tc.samples), len(tc.samples)); math.Abs(got-tc.want) > 0.02 {
				t.Errorf("DBov = %.3f, want %.3f", got, tc.want)
			}
		})
	}
}

func TestFrameConstantsAgree(t *testing.T) {
	if got := FrameDuration.Seconds() * SampleRate; got != FrameSamples {
		t.Errorf("a frame of %v at %d Hz has %v samples, not %d", FrameDuration, SampleRate, got, FrameSamples)
	}
}
