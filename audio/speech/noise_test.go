// SPDX-License-Identifier: Apache-2.0

package speech

import (
	"math"
	"slices"
	"testing"

	"github.com/callfleet/callfleet/audio"
)

func TestNoiseHasItsLevel(t *testing.T) {
	for set, want := range map[float64]float64{-70: -70, -60: -60, -45: -45, -30: -30, -5: MostNoiseDBov,
		audio.SilenceDBov: audio.SilenceDBov, -200: audio.SilenceDBov, math.Inf(-1): audio.SilenceDBov} {
		g := NewNoise(1)
		g.SetLevel(set)
		g.Fill(make([]int16, n))
		s := make([]int16, 5*audio.SampleRate)
		g.Fill(s)
		if got := audio.DBov(audio.Energy(s), len(s)); math.Abs(got-want) > 0.6 {
			t.Errorf("noise of %v dBov has %.2f, want %v", set, got, want)
		}
		sum := 0
		for _, v := range s {
			sum += int(v)
		}
		if mean := float64(sum) / float64(len(s)); math.Abs(mean) > 0.5+1000*math.Pow(10, want/20) {
			t.Errorf("noise of %v dBov has a mean of %.2f", set, mean)
		}
	}
}

// Below a kilohertz there is more of it than above four, as in a room, and it does not
// repeat within seconds.
func TestNoiseSoundsLikeARoom(t *testing.T) {
	g := NewNoise(7)
	g.SetLevel(-40)
	s := make([]int16, 4*audio.SampleRate)
	g.Fill(s)
	var all, differences float64
	for i := 1; i < len(s); i++ {
		d := float64(s[i]) - float64(s[i-1])
		differences += d * d
		all += float64(s[i]) * float64(s[i])
	}
	// White noise has two, a hum nearly nothing.
	if got := differences / all; got < 0.4 || got > 0.8 {
		t.Errorf("a step has %.2f times the power of a sample", got)
	}
	for lag := audio.SampleRate / 100; lag < len(s)/2; lag += 997 {
		var product float64
		for i := range len(s) / 2 {
			product += float64(s[i]) * float64(s[i+lag])
		}
		if r := product / (all / 2); math.Abs(r) > 0.1 {
			t.Errorf("it resembles itself after %d samples: %.2f", lag, r)
		}
	}
}

func TestNoiseIsThatOfItsSeed(t *testing.T) {
	make3 := func(seed uint64) []int16 {
		g, s := NewNoise(seed), make([]int16, 3*n)
		g.SetLevel(-40)
		g.Fill(s)
		return s
	}
	if !slices.Equal(make3(5), make3(5)) || slices.Equal(make3(5), make3(6)) {
		t.Error("seeds do not tell noises apart")
	}
}

func TestNoiseComesAndGoesInAFrame(t *testing.T) {
	g, frame := NewNoise(3), make([]int16, n)
	part := func(i int) float64 { return audio.DBov(audio.Energy(frame[i*n/4:(i+1)*n/4]), n/4) }
	g.SetLevel(-30)
	g.Fill(frame)
	if part(0) > -38 || part(3) < -35 {
		t.Errorf("it comes with %.1f to %.1f dBov", part(0), part(3))
	}
	g.SetLevel(audio.SilenceDBov)
	g.Fill(frame)
	if part(0) < -35 || part(3) > -38 {
		t.Errorf("it goes with %.1f to %.1f dBov", part(0), part(3))
	}
	g.Fill(frame)
	if audio.Energy(frame) != 0 {
		t.Error("silence has noise")
	}
	g.Fill(nil)
}

func BenchmarkNoise(b *testing.B) {
	g, frame := NewNoise(1), make([]int16, n)
	g.SetLevel(-60)
	b.ReportAllocs()
	for b.Loop() {
		g.Fill(frame)
	}
}
