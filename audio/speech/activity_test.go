// SPDX-License-Identifier: Apache-2.0

package speech

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
)

const n = audio.FrameSamples

var spoken = audiotest.Speech

// noisy adds white noise of a level.
func noisy(s []int16, dBov float64) []int16 {
	r := rand.New(rand.NewPCG(11, 12))
	out := make([]int16, len(s))
	for i, v := range s {
		x := float64(v) + r.NormFloat64()*32768*math.Pow(10, dBov/20)
		out[i] = int16(math.Round(min(max(x, math.MinInt16), math.MaxInt16)))
	}
	return out
}

func scaled(s []int16, dB float64) []int16 {
	out := make([]int16, len(s))
	for i, v := range s {
		out[i] = int16(math.Round(float64(v) * math.Pow(10, dB/20)))
	}
	return out
}

func sine(hz, dBov float64, length int) []int16 {
	s := make([]int16, length)
	for i := range s {
		s[i] = int16(math.Round(32768 * math.Sqrt2 * math.Pow(10, dBov/20) * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate)))
	}
	return s
}

func join(parts ...[]int16) (out []int16) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// hear returns what the detector says of each frame.
func hear(a *Activity, s []int16) (out []bool) {
	for at := 0; at+n <= len(s); at += n {
		out = append(out, a.Hear(s[at:at+n]))
	}
	return out
}

func count(b []bool) (c int) {
	for _, v := range b {
		if v {
			c++
		}
	}
	return c
}

// Whatever speech is more than 20 dB below its loudest is left to the detector; of the
// rest it has to find all but a little, and after the speech it has to stop in time.
func TestSpeechIsFound(t *testing.T) {
	standup, prompt := spoken(t, "standup.wav"), spoken(t, "prompt.wav")
	tests := map[string]struct {
		speech []int16
		noise  float64
		least  float64 // of the frames
	}{
		"in silence":             {standup, -100, 0.97},
		"of another":             {prompt, -100, 0.97},
		"quiet, in silence":      {scaled(standup, -15), -100, 0.9},
		"in a quiet room":        {standup, -60, 0.97},
		"in an office":           {standup, -45, 0.95},
		"in a noisy one":         {standup, -38, 0.85},
		"of another, in an open": {prompt, -45, 0.95},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			pause := make([]int16, 100*n)
			got := hear(NewActivity(UsualHangover), noisy(join(pause, tc.speech, pause), tc.noise))
			if c := count(got[:95]); c > 2 {
				t.Errorf("%d frames before the speech are taken for it", c)
			}
			loudest := -100.0
			level := func(i int) float64 { return audio.DBov(audio.Energy(tc.speech[i*n:(i+1)*n]), n) }
			for i := range len(tc.speech) / n {
				loudest = max(loudest, level(i))
			}
			loud, found := 0, 0
			for i := range len(tc.speech) / n {
				if level(i) > loudest-20 {
					loud++
					if got[100+i] {
						found++
					}
				}
			}
			if share := float64(found) / float64(loud); share < tc.least {
				t.Errorf("found %.1f %% of %d frames, want %.0f %%", 100*share, loud, 100*tc.least)
			}
			if c := count(got[100+len(tc.speech)/n+16:]); c > 4 {
				t.Errorf("%d frames after the speech are taken for it", c)
			}
		})
	}
}

func TestOtherSoundsAreNoSpeech(t *testing.T) {
	knocks := make([]int16, 200*n)
	for at := 10 * n; at < len(knocks); at += 37 * n {
		copy(knocks[at:], sine(300, -10, n*3/4))
	}
	for name, s := range map[string][]int16{
		"silence":        make([]int16, 200*n),
		"faint noise":    noisy(make([]int16, 400*n), -65),
		"noise":          noisy(make([]int16, 400*n), -40),
		"loud noise":     noisy(make([]int16, 400*n), -20),
		"noise in steps": join(noisy(make([]int16, 200*n), -60), noisy(make([]int16, 200*n), -30), noisy(make([]int16, 200*n), -60), noisy(make([]int16, 200*n), -35)),
		"knocks":         knocks,
		"a faint voice":  scaled(spoken(t, "standup.wav"), -45),
	} {
		if c := count(hear(NewActivity(UsualHangover), s)); c > len(s)/n/50 {
			t.Errorf("%s: %d of %d frames are taken for speech", name, c, len(s)/n)
		}
	}
}

// A hum has no hiss to be told from a vowel by, and the noise of a room little.
func TestAHumIsTakenForSpeechForTwoSecondsAtMost(t *testing.T) {
	room := make([]int16, 800*n)
	g := NewNoise(4)
	g.SetLevel(-40)
	g.Fill(room)
	for name, s := range map[string][]int16{"a hum": sine(100, -30, 400*n), "a room": room} {
		got := hear(NewActivity(UsualHangover), join(make([]int16, 50*n), s))
		if c := count(got[50+100+16:]); c > 0 {
			t.Errorf("%s: %d frames later than that", name, c)
		}
	}
}

func TestSpeechIsFoundWithin40Ms(t *testing.T) {
	got := hear(NewActivity(UsualHangover), join(noisy(make([]int16, 100*n), -60), sine(200, -20, 50*n)))
	if count(got[:100]) != 0 || !got[101] {
		t.Errorf("%v", got[98:105])
	}
}

func TestSpeechGoesOnForTheHangover(t *testing.T) {
	for _, hangover := range []time.Duration{0, 200 * time.Millisecond, UsualHangover, 400 * time.Millisecond} {
		got := hear(NewActivity(hangover), join(make([]int16, 20*n), sine(200, -20, 30*n), make([]int16, 60*n)))
		if c, want := count(got[50:]), int(hangover/audio.FrameDuration); c != want {
			t.Errorf("%v: %d frames, want %d", hangover, c, want)
		}
	}
}

func TestTheNoiseIsMeasured(t *testing.T) {
	for _, want := range []float64{-60, -45, -35} {
		a := NewActivity(UsualHangover)
		hear(a, noisy(make([]int16, 150*n), want))
		hear(a, noisy(join(spoken(t, "standup.wav"), make([]int16, 60*n)), want))
		if got := a.NoiseDBov(); math.Abs(got-want) > 1.5 {
			t.Errorf("noise of %v dBov is measured as %.1f", want, got)
		}
	}
	a := NewActivity(UsualHangover)
	hear(a, make([]int16, 200*n))
	if got := a.NoiseDBov(); got != leastNoise {
		t.Errorf("silence is measured as %.1f dBov", got)
	}
	if a.Hear(nil) {
		t.Error("a frame of nothing is speech")
	}
}

func TestAFrameAllocatesNothing(t *testing.T) {
	a, noise, r := NewActivity(UsualHangover), NewNoise(1), NewRanking(UsualRanking())
	frame := sine(300, -20, n)
	at := 0
	if allocs := testing.AllocsPerRun(2000, func() {
		at++
		noise.SetLevel(float64(-60 - at%5))
		noise.Fill(frame)
		a.Hear(frame)
		for id := range uint32(20) {
			r.Hear(id, audio.DBov(audio.Energy(frame), n)+float64(int(id)+at/100)*30)
		}
		r.Tick()
		r.Active()
	}); allocs != 0 {
		t.Errorf("%v allocations for a frame", allocs)
	}
}

func BenchmarkActivity(b *testing.B) {
	a, s, at := NewActivity(UsualHangover), spoken(b, "standup.wav"), 0
	b.ReportAllocs()
	for b.Loop() {
		a.Hear(s[at : at+n])
		at = (at + n) % len(s)
	}
}
