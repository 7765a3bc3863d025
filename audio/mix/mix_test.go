// SPDX-License-Identifier: Apache-2.0

package mix

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
)

const n = audio.FrameSamples

var speech = audiotest.Speech

func sine(hz, amplitude float64, length int) []int16 {
	s := make([]int16, length)
	for i := range s {
		s[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate)))
	}
	return s
}

// limited runs sums of streams through a bus and a limiter, and cuts the delay off.
func limited(streams ...[]int16) []int16 {
	var b Bus
	var l Limiter
	sources := make([]Source, len(streams))
	var out []int16
	dst := make([]int16, n)
	for at := 0; at+n <= len(streams[0]); at += n {
		b.Begin()
		for i := range streams {
			b.Add(&sources[i], streams[i][at:at+n])
		}
		b.Mix(dst, &l)
		out = append(out, dst...)
	}
	return out[piece:]
}

func peak(s []int16) (p int) {
	for _, v := range s {
		p = max(p, int(v), -int(v))
	}
	return p
}

func TestASumBelowTheCeilingIsExact(t *testing.T) {
	a, b := sine(440, 14000, 20*n), sine(1000, 15000, 20*n)
	got := limited(a, b)
	for i := range got {
		if int(got[i]) != int(a[i])+int(b[i]) {
			t.Fatalf("sample %d is %d, want %d", i, got[i], int(a[i])+int(b[i]))
		}
	}
	spoken := speech(t, "standup.wav")
	if got := limited(spoken); !slices.Equal(got, spoken[:len(got)]) {
		t.Error("a single speaker is changed")
	}
}

// Twelve loud voices at once, and worse: nothing wraps around, nothing is cut off.
func TestASumAboveTheCeilingIsTurnedDown(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	noise := make([]int16, 50*n)
	for i := range noise {
		noise[i] = int16(r.Uint32())
	}
	square := make([]int16, 50*n)
	for i := range square {
		square[i] = [2]int16{math.MaxInt16, math.MinInt16}[i/50%2]
	}
	voice := speech(t, "standup.wav")
	for name, streams := range map[string][][]int16{
		"sines":   {sine(440, 32767, 50*n), sine(445, 32767, 50*n)},
		"noise":   {noise, noise, noise},
		"squares": {square, square, square, square},
		"voices":  {voice, voice[3001:], voice[7003:], voice[9001:]},
	} {
		shortest := len(streams[len(streams)-1])
		for i := range streams {
			streams[i] = streams[i][:shortest]
		}
		got := limited(streams...)
		if p := peak(got); p > ceiling+1 {
			t.Errorf("%s: a peak of %d", name, p)
		}
		for i := range got {
			sum := 0
			for _, s := range streams {
				sum += int(s[i])
			}
			if sum > 10 && got[i] < 0 || sum < -10 && got[i] > 0 {
				t.Fatalf("%s: sample %d is %d, the sum %d", name, i, got[i], sum)
			}
		}
	}
}

// A tone 6 dB above the ceiling stays a tone: what else there is lies 40 dB below.
// Cut off at the ceiling, it would be 13 dB below.
func TestALimitedToneIsNotDistorted(t *testing.T) {
	const hz = 400
	s := sine(hz, 30000, 60*n)
	got := limited(s, s)
	got = got[len(got)-20*n:] // a whole number of periods
	var re, im float64
	for i, v := range got {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / audio.SampleRate)
		re, im = re+float64(v)*cos, im+float64(v)*sin
	}
	amplitude := 2 * math.Hypot(re, im) / float64(len(got))
	tone := amplitude * amplitude / 2 * float64(len(got))
	rest := audio.Energy(got) - tone
	if db := 10 * math.Log10(tone/max(rest, 1)); db < 40 {
		t.Errorf("what is not the tone is %.1f dB below it", db)
	}
	if amplitude < 0.93*ceiling {
		t.Errorf("an amplitude of %.0f", amplitude)
	}
}

// A burst turns down at once what is around it, which comes back slowly and evenly.
func TestTheGainFallsFastAndComesBackSlowly(t *testing.T) {
	quiet := sine(1000, 1000, 100*n)
	burst := make([]int16, 100*n)
	copy(burst[20*n:], sine(500, 32000, 2*n))
	got := limited(quiet, burst, burst)
	level := func(at int) float64 { // against what it was, over 10 ms
		part := got[at : at+160]
		return 10 * math.Log10(audio.Energy(part)/audio.Energy(quiet[at:at+160]))
	}
	if l := level(20*n - 160 - piece); math.Abs(l) > 0.01 {
		t.Errorf("before the burst the gain is %.2f dB already", l)
	}
	if l := level(22 * n); l > -5 || l < -9 {
		t.Errorf("right after the burst it is %.2f dB, want about -7", l)
	}
	last := -20.0
	for at := 22 * n; at < 99*n; at += n / 2 {
		l := level(at)
		if l < last-0.05 || l > last+1 && last > -20 {
			t.Errorf("at %d ms after it the gain goes from %.2f to %.2f dB", (at-22*n)/16, last, l)
		}
		last = l
	}
	if l := level(22*n + 160*16); l > -2 || l < -5 {
		t.Errorf("after 160 ms it is %.2f dB", l)
	}
	if last < -0.3 {
		t.Errorf("one and a half seconds after it the gain is still %.2f dB", last)
	}
}

func TestAGainIsExact(t *testing.T) {
	tests := map[string]struct{ set, want float64 }{
		"as it is":         {0, 0},
		"6 dB less":        {-6, -6},
		"12 dB more":       {12, 12},
		"more than it can": {90, MaxGainDB},
	}
	s := sine(1000, 1000, 3*n)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var b Bus
			var l Limiter
			var src Source
			src.SetGain(tc.set)
			dst := make([]int16, n)
			for at := 0; at < 3*n; at += n {
				b.Begin()
				b.Add(&src, s[at:at+n])
				b.Mix(dst, &l)
			}
			if got := 10 * math.Log10(audio.Energy(dst)/audio.Energy(s[:n])); math.Abs(got-tc.want) > 0.05 {
				t.Errorf("%.2f dB, want %v", got, tc.want)
			}
		})
	}
	for name, dB := range map[string]float64{"muted": MinGainDB, "infinitely": math.Inf(-1), "not a number": math.NaN()} {
		var b Bus
		var src Source
		src.SetGain(dB)
		for range 2 {
			b.Begin()
			b.Add(&src, s[:n])
		}
		if b.sum != (frame{}) {
			t.Errorf("%s: something is heard", name)
		}
	}
}

// While a gain changes, no sample jumps further than in the louder of the two.
func TestAGainChangesWithoutAStep(t *testing.T) {
	s := sine(300, 12000, 6*n)
	for name, change := range map[string][2]float64{"muting": {0, MinGainDB}, "unmuting": {MinGainDB, 0}, "turning down": {6, -20}, "turning up": {-20, 6}} {
		t.Run(name, func(t *testing.T) {
			var b Bus
			var l Limiter
			var src Source
			var out []int16
			dst := make([]int16, n)
			src.SetGain(change[0])
			for at := 0; at < 6*n; at += n {
				if at == 3*n {
					src.SetGain(change[1])
				}
				b.Begin()
				b.Add(&src, s[at:at+n])
				b.Mix(dst, &l)
				out = append(out, dst...)
			}
			out = out[n:]
			own := 2 * math.Pi * 300 / audio.SampleRate * 12000 * math.Pow(10, max(change[0], change[1])/20)
			for i := 1; i < len(out); i++ {
				if jump := math.Abs(float64(out[i]) - float64(out[i-1])); jump > 1.05*own+2 {
					t.Fatalf("sample %d jumps by %.0f; the tone by %.0f", i, jump, own)
				}
			}
			// Nor is it one step within the frame: the middle is in the middle.
			middle := out[2*n+n/2+piece-27:][:54] // one period
			linear := (math.Pow(10, change[0]/20) + math.Pow(10, change[1]/20)) / 2
			if got := float64(peak(middle)) / 12000; math.Abs(got-linear) > 0.15*linear {
				t.Errorf("half way the gain is %.2f, want %.2f", got, linear)
			}
		})
	}
}

func TestAShortFrameIsFollowedBySilence(t *testing.T) {
	var b Bus
	var s Source
	s.SetGain(6)
	b.Begin()
	b.Add(&s, sine(300, 9000, n))
	b.Begin()
	b.Add(&s, []int16{1000, 1000})
	if b.sum[1] != 1995 || b.sum[2] != 0 || b.sum[n-1] != 0 {
		t.Errorf("%v", b.sum[:4])
	}
	b.Begin()
	b.Add(&s, make([]int16, 2*n))
	b.Begin()
	if b.sum != (frame{}) {
		t.Error("a tick begins with something")
	}
}

func TestMixingAllocatesNothing(t *testing.T) {
	var b Bus
	sources, limiters := make([]Source, 5), make([]Limiter, 5)
	samples, dst := sine(300, 20000, n), make([]int16, n)
	gain := 0.0
	if allocs := testing.AllocsPerRun(100, func() {
		b.Begin()
		gain = 3 - gain
		for i := range sources {
			sources[i].SetGain(gain)
			b.Add(&sources[i], samples)
		}
		for i := range limiters {
			b.Mix(dst, &limiters[i])
		}
	}); allocs != 0 {
		t.Errorf("%v allocations for a tick", allocs)
	}
}

func BenchmarkMixOfTen(b *testing.B) {
	var bus Bus
	sources, limiters := make([]Source, 10), make([]Limiter, 10)
	samples, dst := sine(300, 2000, n), make([]int16, n)
	b.ReportAllocs()
	for b.Loop() {
		bus.Begin()
		for i := range sources {
			bus.Add(&sources[i], samples)
		}
		for i := range limiters {
			bus.Mix(dst, &limiters[i])
		}
	}
}
