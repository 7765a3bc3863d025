// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"fmt"
	"math"
	"testing"
)

func tone(rate int, hz, amplitude float64, n int) Clip {
	c := Clip{SampleRate: rate, Samples: make([]int16, n)}
	for i := range c.Samples {
		c.Samples[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return c
}

// A tone that both rates can carry comes out as the same tone: in pitch, phase and
// level, with noise and aliases 70 dB below.
func TestResampleKeepsATone(t *testing.T) {
	for _, rates := range [][2]int{{44100, 16000}, {48000, 16000}, {8000, 16000}, {22050, 16000}, {16000, 8000}, {16000, 48000}, {11025, 16000}, {96000, 16000}} {
		for _, part := range []float64{0.02, 0.3, 0.8} { // of the narrower band
			hz := part * float64(min(rates[0], rates[1])) / 2
			t.Run(fmt.Sprintf("%d to %d, %.0f Hz", rates[0], rates[1], hz), func(t *testing.T) {
				in := tone(rates[0], hz, 20000, rates[0])
				got, want := in.Resample(rates[1]), tone(rates[1], hz, 20000, rates[1])
				if got.SampleRate != rates[1] || len(got.Samples) != len(want.Samples) {
					t.Fatalf("%d samples at %d, want %d at %d", len(got.Samples), got.SampleRate, len(want.Samples), rates[1])
				}
				var signal, noise float64
				for i := 500; i < len(want.Samples)-500; i++ {
					d := float64(got.Samples[i]) - float64(want.Samples[i])
					signal += float64(want.Samples[i]) * float64(want.Samples[i])
					noise += d * d
				}
				if snr := 10 * math.Log10(signal/noise); snr < 70 {
					t.Errorf("signal to noise %.1f dB, want 70", snr)
				}
			})
		}
	}
}

// What the lower rate cannot carry is gone, and does not come back as something else.
func TestResampleHoldsBackAliases(t *testing.T) {
	for _, hz := range []float64{9000, 12000, 15000, 20000} {
		out := tone(44100, hz, 20000, 44100).Resample(16000)
		var energy float64
		for _, s := range out.Samples[500 : len(out.Samples)-500] {
			energy += float64(s) * float64(s)
		}
		rms := math.Sqrt(energy / float64(len(out.Samples)-1000))
		if db := 20 * math.Log10((rms+1e-9)/14142); db < -300 || db > -70 {
			t.Errorf("%v Hz comes out at %.1f dB", hz, db)
		}
	}
}

func TestResampleEdges(t *testing.T) {
	tests := map[string]struct {
		clip Clip
		rate int
		want int
	}{
		"no samples":         {Clip{SampleRate: 8000}, 16000, 0},
		"one sample":         {Clip{SampleRate: 8000, Samples: []int16{9}}, 16000, 2},
		"less than a sample": {Clip{SampleRate: 48000, Samples: []int16{9}}, 8000, 0},
		"the same rate":      {Clip{SampleRate: 16000, Samples: []int16{1, 2, 3}}, 16000, 3},
		"full scale":         {Clip{SampleRate: 8000, Samples: []int16{32767, -32768, 32767, -32768}}, 16000, 8},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := len(tc.clip.Resample(tc.rate).Samples); got != tc.want {
				t.Errorf("%d samples, want %d", got, tc.want)
			}
		})
	}
}

func BenchmarkResample(b *testing.B) {
	in := tone(44100, 1000, 20000, 44100)
	for b.Loop() {
		in.Resample(16000)
	}
}
