// SPDX-License-Identifier: Apache-2.0

package tone

import (
	"math"
	"math/cmplx"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

const ms = audio.SampleRate / 1000

// all takes what a generator makes, up to a limit, in frames.
func all(g *Generator, limit int) (out []int16) {
	frame := make([]int16, audio.FrameSamples)
	for len(out) < limit {
		n := g.Fill(frame)
		out = append(out, frame[:n]...)
		if n < len(frame) {
			break
		}
	}
	return out[:min(len(out), limit)]
}

func generate(t testing.TB, tn Tone) *Generator {
	t.Helper()
	g, err := New(tn)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func press(t testing.TB, k Keys, pressed string) []int16 {
	t.Helper()
	g, err := k.Generator(pressed)
	if err != nil {
		t.Fatal(err)
	}
	return all(g, 1<<30)
}

// levelAt is the level of one frequency, in dBov, by Fourier's integral.
func levelAt(s []int16, hz float64) float64 {
	var sum complex128
	for i, v := range s {
		sum += complex(float64(v), 0) * cmplx.Rect(1, -2*math.Pi*hz*float64(i)/audio.SampleRate)
	}
	amplitude := 2 * cmplx.Abs(sum) / float64(len(s))
	return 20 * math.Log10(amplitude/32768/math.Sqrt2)
}

// frequency is that of a pure tone, by the turn of its phase over 100 ms.
func frequency(s []int16, near float64) float64 {
	part := func(from int) (sum complex128) {
		for i, v := range s[from : from+200*ms] {
			sum += complex(float64(v), 0) * cmplx.Rect(1, -2*math.Pi*near*float64(from+i)/audio.SampleRate)
		}
		return sum
	}
	return near + cmplx.Phase(part(100*ms)*cmplx.Conj(part(0)))/(2*math.Pi*0.1)
}

func TestEveryKeyHasItsTwoFrequencies(t *testing.T) {
	k := UsualKeys()
	k.Tone = 400 * time.Millisecond
	for i, key := range keys {
		s := press(t, k, string(key))
		if len(s) != 500*ms {
			t.Fatalf("%c: %d samples", key, len(s))
		}
		for _, f := range []struct{ hz, level float64 }{{lowHz[i/4], k.LowDBov}, {highHz[i%4], k.HighDBov}} {
			if got := frequency(s[20*ms:], f.hz); math.Abs(got-f.hz) > 0.02 {
				t.Errorf("%c: %.3f Hz, want %v", key, got, f.hz)
			}
			if got := levelAt(s[100*ms:300*ms], f.hz); math.Abs(got-f.level) > 0.1 {
				t.Errorf("%c: %v Hz at %.2f dBov, want %v", key, f.hz, got, f.level)
			}
		}
		if e := audio.Energy(s[400*ms:]); e != 0 {
			t.Errorf("%c: an energy of %v in the pause", key, e)
		}
	}
}

// What a sound's edges spread over other frequencies is far below it; without ramps
// it is -55 dBov and more.
func TestKeysComeAndGoWithoutAClick(t *testing.T) {
	spread := func(s []int16) (most float64) {
		faded := make([]int16, len(s)) // so that the piece's own edges spread nothing
		for i, v := range s {
			faded[i] = int16(float64(v) * (1 - math.Cos(2*math.Pi*float64(i)/float64(len(s)))))
		}
		most = audio.SilenceDBov
		for hz := 2500.0; hz < 8000; hz += 250 {
			most = max(most, levelAt(faded, hz))
		}
		return most
	}
	s := press(t, UsualKeys(), "55")
	for name, part := range map[string][]int16{"comes": s[190*ms : 210*ms], "goes": s[90*ms : 110*ms]} {
		if got := spread(part); got > -75 {
			t.Errorf("a key that %s sends %.1f dBov beside its frequencies", name, got)
		}
	}
	cut := dual(770, 1336, -17.2, -15.2, 10*ms, 10*ms)
	if got := spread(cut); got < -58 {
		t.Errorf("without a ramp it would be %.1f dBov: this test shows nothing", got)
	}
}

func TestAToneHasItsFrequencyLevelAndCadence(t *testing.T) {
	ringing := Tone{Hz: [2]float64{425}, LevelDBov: -20, Cadence: []time.Duration{time.Second, 4 * time.Second}}
	s := all(generate(t, ringing), 12*audio.SampleRate)
	if len(s) != 12*audio.SampleRate {
		t.Fatalf("%d samples", len(s))
	}
	for second := range 12 {
		part := s[second*audio.SampleRate:][:audio.SampleRate]
		got := audio.DBov(audio.Energy(part), len(part))
		if want := []float64{-20, audio.SilenceDBov}[min(second%5, 1)]; math.Abs(got-want) > 0.1 {
			t.Errorf("second %d has %.2f dBov, want %v", second, got, want)
		}
	}
	if got := frequency(s[5*audio.SampleRate:], 425); math.Abs(got-425) > 0.01 {
		t.Errorf("%.3f Hz", got)
	}
}

func TestASteadyToneGoesOnAndEnds(t *testing.T) {
	tn := Tone{Hz: [2]float64{350, 440}, LevelDBov: -15, Length: 20010 * time.Millisecond}
	s := all(generate(t, tn), 1<<30)
	if len(s) != 20010*ms {
		t.Fatalf("%d samples", len(s))
	}
	for _, at := range []int{100 * ms, 19800 * ms} {
		for _, hz := range tn.Hz {
			if got := levelAt(s[at:at+200*ms], hz); math.Abs(got+15) > 0.05 {
				t.Errorf("%v Hz has %.2f dBov at %d ms", hz, got, at/ms)
			}
		}
	}
	for name, edge := range map[string][]int16{"start": s[:ms], "end": s[len(s)-ms:]} {
		if got := audio.DBov(audio.Energy(edge), ms); got > -25 {
			t.Errorf("the %s is abrupt: %.1f dBov", name, got)
		}
	}
	if n := generate(t, Tone{Hz: [2]float64{1000}, LevelDBov: -10}).Fill(make([]int16, 100000)); n != 100000 {
		t.Errorf("a tone without end has %d samples", n)
	}
}

func TestTheFrameSizeDoesNotMatter(t *testing.T) {
	tn := Tone{Hz: [2]float64{480, 620}, LevelDBov: -12, Cadence: []time.Duration{250 * time.Millisecond, 250 * time.Millisecond}, Length: 3 * time.Second}
	want := all(generate(t, tn), 1<<30)
	g := generate(t, tn)
	var got []int16
	for part := make([]int16, 77); ; {
		n := g.Fill(part)
		if got = append(got, part[:n]...); n < len(part) {
			break
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d samples, want %d", len(got), len(want))
	}
	for i := range want {
		if d := int(got[i]) - int(want[i]); d < -1 || d > 1 {
			t.Fatalf("sample %d is %d, want %d", i, got[i], want[i])
		}
	}
}

func TestWhatCannotBeHeardIsRefused(t *testing.T) {
	steady := Tone{Hz: [2]float64{425}, LevelDBov: -20}
	for name, change := range map[string]func(*Tone){
		"no frequency":         func(t *Tone) { t.Hz = [2]float64{} },
		"too high a frequency": func(t *Tone) { t.Hz[1] = 8000 },
		"a negative one":       func(t *Tone) { t.Hz[0] = -5 },
		"not a number":         func(t *Tone) { t.Hz[0] = math.NaN() },
		"too loud":             func(t *Tone) { t.LevelDBov = -2 },
		"too loud for two":     func(t *Tone) { t.LevelDBov, t.Hz[1] = -8, 600 },
		"no level":             func(t *Tone) { t.LevelDBov = math.NaN() },
		"below silence":        func(t *Tone) { t.LevelDBov = -128 },
		"an endless cadence":   func(t *Tone) { t.Cadence = []time.Duration{0, 0} },
		"a negative pause":     func(t *Tone) { t.Cadence = []time.Duration{time.Second, -1} },
		"a negative length":    func(t *Tone) { t.Length = -1 },
	} {
		tn := steady
		change(&tn)
		if _, err := New(tn); err == nil {
			t.Errorf("%s: a tone", name)
		}
	}
	for name, pressed := range map[string]string{"none": "", "letters": "12x", "digits of another script": "٣", "a comma": "1,2"} {
		if _, err := UsualKeys().Generator(pressed); err == nil {
			t.Errorf("keys, %s: accepted", name)
		}
	}
	for name, change := range map[string]func(*Keys){
		"no time":          func(k *Keys) { k.Tone = 0 },
		"a negative pause": func(k *Keys) { k.Pause = -1 },
		"hours":            func(k *Keys) { k.Tone = time.Hour },
		"too loud":         func(k *Keys) { k.HighDBov = 0 },
		"low too loud":     func(k *Keys) { k.LowDBov = 0 },
	} {
		k := UsualKeys()
		change(&k)
		if _, err := k.Generator("1"); err == nil {
			t.Errorf("keys, %s: accepted", name)
		}
	}
}

func TestNothingIsAllocatedForAFrame(t *testing.T) {
	g := generate(t, Tone{Hz: [2]float64{350, 440}, LevelDBov: -15, Cadence: []time.Duration{50 * time.Millisecond, 30 * time.Millisecond}})
	var d Detector
	frame := make([]int16, audio.FrameSamples)
	digits := press(t, UsualKeys(), "1")
	if n := testing.AllocsPerRun(200, func() {
		g.Fill(frame)
		d.Hear(frame)
		d.Hear(digits)
	}); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

func BenchmarkGenerator(b *testing.B) {
	g := generate(b, Tone{Hz: [2]float64{350, 440}, LevelDBov: -15})
	frame := make([]int16, audio.FrameSamples)
	b.ReportAllocs()
	for b.Loop() {
		g.Fill(frame)
	}
}
