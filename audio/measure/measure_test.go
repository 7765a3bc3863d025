// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
)

var speech = audiotest.Speech

const ms = audio.SampleRate / 1000

func silence(n int) []int16 { return make([]int16, n) }

func join(parts ...[]int16) []int16 {
	var out []int16
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

func scaled(s []int16, by float64) []int16 {
	out := make([]int16, len(s))
	for i, v := range s {
		out[i] = int16(math.Round(min(max(float64(v)*by, math.MinInt16), math.MaxInt16)))
	}
	return out
}

func noise(n int, amplitude float64) []int16 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(amplitude * (2*r.Float64() - 1))
	}
	return out
}

func mixed(a, b []int16) []int16 {
	out := make([]int16, max(len(a), len(b)))
	copy(out, a)
	for i, v := range b {
		out[i] += v
	}
	return out
}

// holes silences length out of every period.
func holes(s []int16, from, period, length int) []int16 {
	out := append([]int16(nil), s...)
	for at := from; at < len(s); at += period {
		clear(out[at:min(at+length, len(s))])
	}
	return out
}

func TestWhatIsHeard(t *testing.T) {
	spoken := speech(t, "standup.wav")
	other := speech(t, "prompt.wav")
	backwards := make([]int16, len(spoken))
	for i, v := range spoken {
		backwards[len(spoken)-1-i] = v
	}

	tests := map[string]struct {
		heard          []int16
		delay          time.Duration
		low, high      float64 // correlation
		level          float64 // within half a dB
		gapMin, gapMax time.Duration
	}{
		"the same":     {heard: spoken, low: 1, high: 1},
		"later":        {heard: join(silence(137*ms), spoken), delay: 137 * time.Millisecond, low: 1, high: 1},
		"much later":   {heard: join(noise(9000*ms, 50), spoken, noise(3000*ms, 50)), delay: 9 * time.Second, low: 1, high: 1},
		"quieter":      {heard: scaled(spoken, 0.1), low: 0.99, high: 1, level: -20},
		"louder":       {heard: scaled(spoken, 1.5), low: 0.99, high: 1, level: 3.5},
		"in noise":     {heard: mixed(spoken, noise(len(spoken), 300)), low: 0.98, high: 0.999},
		"after others": {heard: join(other, spoken, other), delay: 2720 * time.Millisecond, low: 1, high: 1},
		"the beginning missed": {heard: spoken[500*ms:], delay: -500 * time.Millisecond, low: 0.8, high: 0.999,
			level: -0.5, gapMin: 200 * time.Millisecond, gapMax: 400 * time.Millisecond},
		"the end missed": {heard: spoken[:6000*ms], low: 0.9, high: 0.9999, level: -0.2, gapMin: 300 * time.Millisecond, gapMax: 660 * time.Millisecond},
		"a hole of 100 ms": {heard: holes(spoken, 1250*ms, len(spoken), 100*ms), low: 0.9, high: 0.9999,
			level: -0.2, gapMin: 90 * time.Millisecond, gapMax: 105 * time.Millisecond},
		"holes of 60 ms everywhere": {heard: holes(spoken, 100*ms, 300*ms, 60*ms), low: 0.8, high: 0.95,
			level: -1, gapMin: 50 * time.Millisecond, gapMax: 65 * time.Millisecond},
		"every other packet lost": {heard: holes(spoken, 0, 40*ms, 20*ms), low: 0.6, high: 0.8,
			level: -3, gapMin: 15 * time.Millisecond, gapMax: 60 * time.Millisecond},
		"100 ms cut out":              {heard: join(spoken[:3000*ms], spoken[3100*ms:]), delay: -100 * time.Millisecond, low: 0.4, high: 0.85, level: math.NaN(), gapMax: time.Second},
		"silence":                     {heard: silence(len(spoken)), level: audio.SilenceDBov, gapMin: time.Second, gapMax: 7 * time.Second},
		"nothing":                     {heard: nil, level: audio.SilenceDBov, gapMin: time.Second, gapMax: 7 * time.Second},
		"other speech":                {heard: join(other, other, other), high: 0.3, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"white noise":                 {heard: noise(len(spoken)*2, 10000), high: 0.1, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"a hum":                       {heard: scaled(sine(len(spoken)*2, 100), 1), high: 0.1, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"backwards":                   {heard: backwards, high: 0.3, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"upside down":                 {heard: scaled(spoken, -1), high: 0.5, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"a direct current":            {heard: constant(len(spoken), 12000), high: 0.1, level: math.NaN(), gapMax: 7 * time.Second, delay: -1},
		"shifted by a direct current": {heard: mixed(spoken, constant(len(spoken), 2000)), low: 0.9999, high: 1, level: math.NaN()},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := Compare(spoken, tc.heard, audio.SampleRate)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if tc.delay != -1 && r.Delay != tc.delay {
				t.Errorf("delay %v, want %v", r.Delay, tc.delay)
			}
			if r.Correlation < tc.low-1e-9 || r.Correlation > tc.high {
				t.Errorf("correlation %.4f, want %v to %v", r.Correlation, tc.low, tc.high)
			}
			if !math.IsNaN(tc.level) && math.Abs(r.LevelDB-tc.level) > 0.5 {
				t.Errorf("level %.2f dB, want %v", r.LevelDB, tc.level)
			}
			if r.LongestGap < tc.gapMin || r.LongestGap > tc.gapMax {
				t.Errorf("longest gap %v, want %v to %v", r.LongestGap, tc.gapMin, tc.gapMax)
			}
		})
	}
}

func sine(n int, hz float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(10000 * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate))
	}
	return out
}

func constant(n int, v int16) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// Wherever a hole of 100 ms falls on speech, it shows.
func TestNoHoleGoesUnseen(t *testing.T) {
	spoken := speech(t, "standup.wav")[1000*ms : 3000*ms]
	b := newBlocks(spoken, audio.SampleRate)
	tested := 0
	for at := 0; at+100*ms < len(spoken); at += 50 * ms {
		active := 0
		for i := at / b.size; i < (at+100*ms)/b.size; i++ {
			if b.active[i] {
				active++
			}
		}
		if active < 18 { // of 20 blocks
			continue
		}
		tested++
		r, err := Compare(spoken, holes(spoken, at, len(spoken), 100*ms), audio.SampleRate)
		if err != nil {
			t.Fatal(err)
		}
		if r.LongestGap < 85*time.Millisecond {
			t.Errorf("a hole at %d ms shows as %v", at/ms, r.LongestGap)
		}
	}
	if tested < 10 {
		t.Errorf("only %d places to look at", tested)
	}
}

func TestNothingToCompareWith(t *testing.T) {
	heard := speech(t, "prompt.wav")
	for name, spoken := range map[string][]int16{
		"no samples": nil,
		"one sample": {5},
		"silence":    silence(16000),
		"hiss":       noise(16000, 20),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compare(spoken, heard, audio.SampleRate); !errors.Is(err, ErrSilent) {
				t.Errorf("error %v, want ErrSilent", err)
			}
		})
	}
	if _, err := Compare(heard, heard, 0); err == nil {
		t.Error("a sample rate of zero is taken")
	}
}

func TestCrossCorrelationIsItsDefinition(t *testing.T) {
	for _, sizes := range [][2]int{{1, 1}, {5, 3}, {3, 17}, {16, 16}, {33, 100}} {
		x, y := noise(sizes[0], 1000), noise(sizes[1]+7, 1000)[7:]
		const mean = 12.5
		got := crossCorrelate(x, mean, y)
		if len(got) != len(x)+len(y)-1 {
			t.Fatalf("%v: %d lags", sizes, len(got))
		}
		for i := range got {
			lag := i - (len(x) - 1)
			var want float64
			for k := range x {
				if k+lag >= 0 && k+lag < len(y) {
					want += (float64(x[k]) - mean) * float64(y[k+lag])
				}
			}
			if math.Abs(got[i]-want) > 1e-3 {
				t.Fatalf("%v: lag %d is %v, want %v", sizes, lag, got[i], want)
			}
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	spoken := speech(b, "standup.wav")
	heard := join(silence(20000*ms), spoken, silence(4000*ms))
	for b.Loop() {
		if _, err := Compare(spoken, heard, audio.SampleRate); err != nil {
			b.Fatal(err)
		}
	}
}
