// SPDX-License-Identifier: Apache-2.0

package tone

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
	"github.com/callfleet/callfleet/audio/codec"
)

// hear gives samples to a detector in frames, with silence after them, and returns
// the keys and how long each was heard.
func hear(t testing.TB, s []int16) (pressed string, durations []time.Duration) {
	t.Helper()
	var d Detector
	down := byte(0)
	s = append(s[:len(s):len(s)], make([]int16, 10*audio.FrameSamples)...)
	for len(s) > 0 {
		n := min(len(s), audio.FrameSamples)
		for _, e := range d.Hear(s[:n]) {
			if e.Pressed != (down == 0) || !e.Pressed && e.Key != down {
				t.Fatalf("%+v while %q is pressed", e, down)
			}
			if e.Pressed {
				pressed, down = pressed+string(e.Key), e.Key
			} else {
				durations, down = append(durations, e.Duration), 0
			}
		}
		s = s[n:]
	}
	if down != 0 {
		t.Errorf("%c is never let go", down)
	}
	return pressed, durations
}

// dual is two sines, without ramps, after an offset of silence.
func dual(low, high, lowDBov, highDBov float64, offset, length int) []int16 {
	amplitude := func(dBov float64) float64 { return 32768 * math.Sqrt2 * math.Pow(10, dBov/20) }
	s := make([]int16, offset+length)
	for i := range length {
		x := 2 * math.Pi * float64(i) / audio.SampleRate
		v := amplitude(lowDBov)*math.Sin(x*low+1) + amplitude(highDBov)*math.Sin(x*high)
		s[offset+i] = int16(math.Round(min(max(v, math.MinInt16), math.MaxInt16)))
	}
	return s
}

func join(parts ...[]int16) (out []int16) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// What has to be accepted and rejected is in Q.24 table A-1; where administrations
// differ, in what all accept. Levels of dBm0 are 6.2 dB higher than those in dBov.
func TestKeysAreRecognised(t *testing.T) {
	const dBm0 = -6.2
	type signal struct {
		tune      float64 // of both frequencies
		low, high float64 // dBm0
		length    int     // ms
	}
	usual := signal{1, -11, -9, 60}
	tests := map[string]struct {
		change func(*signal)
		want   bool
	}{
		"as usual":                   {func(*signal) {}, true},
		"as loud as can be":          {func(s *signal) { s.low, s.high = -3, -3 }, true},
		"as quiet as is accepted":    {func(s *signal) { s.low, s.high = -25, -25 }, true},
		"quieter than is a signal":   {func(s *signal) { s.low, s.high = -40, -40 }, false},
		"the high one 4 dB stronger": {func(s *signal) { s.low, s.high = -14, -10 }, true},
		"the low one 8 dB stronger":  {func(s *signal) { s.low, s.high = -6, -14 }, true},
		"the high one far stronger":  {func(s *signal) { s.low, s.high = -16, -6 }, false},
		"the low one far stronger":   {func(s *signal) { s.low, s.high = -4, -20 }, false},
		"1.5 % too high":             {func(s *signal) { s.tune = 1.015 }, true},
		"1.5 % too low":              {func(s *signal) { s.tune = 0.985 }, true},
		"3.5 % too high":             {func(s *signal) { s.tune = 1.035 }, false},
		"3.5 % too low":              {func(s *signal) { s.tune = 0.965 }, false},
		"5 % too high":               {func(s *signal) { s.tune = 1.05 }, false},
		"5 % too low":                {func(s *signal) { s.tune = 0.95 }, false},
		"40 ms":                      {func(s *signal) { s.length = 40 }, true},
		"22 ms":                      {func(s *signal) { s.length = 22 }, false},
		"only the low one":           {func(s *signal) { s.high = -100 }, false},
		"only the high one":          {func(s *signal) { s.low = -100 }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for i, key := range keys {
				for offset := i; offset < block; offset += 16 {
					s := usual
					tc.change(&s)
					got, _ := hear(t, dual(lowHz[i/4]*s.tune, highHz[i%4]*s.tune, s.low+dBm0, s.high+dBm0, offset, s.length*ms))
					if want := map[bool]string{true: string(key)}[tc.want]; got != want {
						t.Fatalf("%c after %d samples: heard %q", key, offset, got)
					}
				}
			}
		})
	}
}

func TestAnInterruptionIsNoPause(t *testing.T) {
	for offset := 0; offset < block; offset += 7 {
		sound := func(n int) []int16 { return dual(770, 1336, -17, -15, 0, n*ms) }
		silent := func(n int) []int16 { return make([]int16, n*ms) }
		got, durations := hear(t, join(make([]int16, offset), sound(60), silent(10), sound(60)))
		if got != "5" || durations[0] < 110*time.Millisecond || durations[0] > 150*time.Millisecond {
			t.Errorf("after %d samples: an interruption of 10 ms is heard as %q, %v", offset, got, durations)
		}
		if got, _ = hear(t, join(make([]int16, offset), sound(60), silent(40), sound(60))); got != "55" {
			t.Errorf("after %d samples: a pause of 40 ms is heard as %q", offset, got)
		}
	}
	// Another key needs no pause.
	if got, _ := hear(t, join(dual(770, 1336, -17, -15, 0, 80*ms), dual(941, 1633, -17, -15, 0, 80*ms))); got != "5D" {
		t.Errorf("two keys at once are heard as %q", got)
	}
}

// Frames that the network lost are no pause, and what is left of a key is enough if it is two frames, wherever they are.
func TestWhatIsLackingIsNoPause(t *testing.T) {
	const frame = audio.FrameSamples
	key, pause := dual(770, 1336, -12, -12, 0, 6*frame), make([]int16, 4*frame)
	for name, tc := range map[string]struct {
		heard  [][]int16 // with a frame lacking behind each but the last
		lacks  int       // frames, instead of one
		want   string
		lasted time.Duration
	}{
		"a frame in the middle":     {heard: [][]int16{key[:2*frame], key[3*frame:]}, lacks: 1, want: "5", lasted: 120 * time.Millisecond},
		"three":                     {heard: [][]int16{key[:2*frame], key[5*frame:]}, lacks: 3, want: "5", lasted: 120 * time.Millisecond},
		"half a frame each side":    {heard: [][]int16{key[:frame], key[2*frame : 3*frame]}, lacks: 1, want: "5", lasted: 40 * time.Millisecond},
		"the beginning":             {heard: [][]int16{pause, key[frame:]}, lacks: 1, want: "5", lasted: 100 * time.Millisecond},
		"a part of the pause":       {heard: [][]int16{key, pause, key}, lacks: 1, want: "55", lasted: 120 * time.Millisecond},
		"the same key, half a tone": {heard: [][]int16{pause, key[:frame], pause, key[:frame], pause}, lacks: 1, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			var d Detector
			var got string
			var lasted []time.Duration
			hear := func(s []int16) {
				for len(s) > 0 {
					for _, e := range d.Hear(s[:frame]) {
						if e.Pressed {
							got += string(e.Key)
						} else {
							lasted = append(lasted, e.Duration)
						}
					}
					s = s[frame:]
				}
			}
			for i, s := range tc.heard {
				if i > 0 {
					d.Lack(tc.lacks * frame)
				}
				hear(s)
			}
			hear(pause)
			if got != tc.want || len(lasted) != len(tc.want) {
				t.Fatalf("pressed %q, let go %v, want %q", got, lasted, tc.want)
			}
			for _, l := range lasted {
				if (l - tc.lasted).Abs() > 20*time.Millisecond {
					t.Errorf("it lasted %v, want %v", l, tc.lasted)
				}
			}
		})
	}
}

func TestKeysAreRecognisedInNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	s := press(t, UsualKeys(), strings.Repeat(keys, 4))
	// 15 dB below the two frequencies together, over all of the band.
	deviation := 32768 * math.Pow(10, (-13.1-15)/20)
	for i := range s {
		s[i] += int16(r.NormFloat64() * deviation)
	}
	if got, _ := hear(t, s); got != strings.Repeat(keys, 4) {
		t.Errorf("heard %q", got)
	}
}

// 100 digits of 50 to 500 ms at any offset, through every codec: none lost, none
// doubled, none longer or shorter than by a frame.
func TestNoKeyIsLostInACodec(t *testing.T) {
	r := rand.New(rand.NewPCG(50, 500))
	var s []int16
	var want string
	var lengths []time.Duration
	for range 100 {
		k := UsualKeys()
		k.Tone = time.Duration(50+r.IntN(450)) * time.Millisecond
		k.Pause = time.Duration(45+r.IntN(100)) * time.Millisecond
		key := keys[r.IntN(16)]
		want += string(key)
		lengths = append(lengths, k.Tone)
		s = join(s, press(t, k, string(key)), make([]int16, r.IntN(160)))
	}
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			enc, dec := c.NewEncoder(), c.NewDecoder()
			var payload []byte
			var heard []int16
			for rest := s; len(rest) >= audio.FrameSamples; rest = rest[audio.FrameSamples:] {
				payload = enc.Encode(payload[:0], rest[:audio.FrameSamples])
				heard = dec.Decode(heard, payload)
			}
			got, durations := hear(t, heard)
			if got != want {
				t.Fatalf("heard %q,\nwant %q", got, want)
			}
			for i := range lengths {
				if off := durations[i] - lengths[i]; off < -25*time.Millisecond || off > 20*time.Millisecond {
					t.Errorf("key %d of %v is heard for %v", i, lengths[i], durations[i])
				}
			}
		})
	}
}

var speech = audiotest.Speech

// at is speech said faster and higher, or slower and lower, and louder.
func at(s []int16, speed, gain float64) []int16 {
	out := make([]int16, int(float64(len(s)-1)/speed))
	for i := range out {
		x := float64(i) * speed
		j := int(x)
		v := float64(s[j]) + (x-float64(j))*float64(s[j+1]-s[j])
		out[i] = int16(min(max(gain*v, math.MinInt16), math.MaxInt16))
	}
	return out
}

// Voices of many heights, together four minutes of speech.
func TestSpeechPressesNoKeys(t *testing.T) {
	for _, name := range []string{"standup.wav", "prompt.wav"} {
		spoken := speech(t, name)
		gain := 1.0
		for speed := 0.6; speed < 2; speed += 0.045 {
			if got, _ := hear(t, at(spoken, speed, gain)); got != "" {
				t.Errorf("%s at %.2f times the speed and %v times the amplitude presses %q", name, speed, gain, got)
			}
			gain = 5 - gain
		}
	}
}

func TestOtherSoundsPressNoKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]int16, 20*audio.SampleRate)
	for i := range noise {
		noise[i] = int16(r.NormFloat64() * 5000)
	}
	sounds := map[string][]int16{"noise": noise, "silence": make([]int16, audio.SampleRate)}
	for _, hz := range [][2]float64{{350, 440}, {440, 480}, {480, 620}, {697, 941}, {1209, 1477}, {697, 1050}, {1000, 1633}} {
		sounds[fmt.Sprintf("%v Hz", hz)] = dual(hz[0], hz[1], -15, -15, 0, 2*audio.SampleRate)
	}
	for name, s := range sounds {
		if got, _ := hear(t, s); got != "" {
			t.Errorf("%s: heard %q", name, got)
		}
	}
	mixed := dual(697, 1209, -15, -15, 0, 200*ms) // with another low one, 7 dB below
	for i := range mixed {
		mixed[i] += int16(3680 * math.Sin(2*math.Pi*852*float64(i)/audio.SampleRate))
	}
	if got, _ := hear(t, mixed); got != "" {
		t.Errorf("two low frequencies are heard as %q", got)
	}
	chord := dual(697, 1209, -15, -15, 0, 200*ms) // with a third tone it is music
	for i := range chord {
		chord[i] += int16(6000 * math.Sin(2*math.Pi*523*float64(i)/audio.SampleRate))
	}
	if got, _ := hear(t, chord); got != "" {
		t.Errorf("a chord is heard as %q", got)
	}
}

func TestAKeyIsHeardWithinTwoFrames(t *testing.T) {
	var d Detector
	s := press(t, UsualKeys(), "7")
	for i := 0; i < 2; i++ {
		for _, e := range d.Hear(s[i*audio.FrameSamples:][:audio.FrameSamples]) {
			if e == (Event{Key: '7', Pressed: true}) {
				return
			}
		}
	}
	t.Error("not after 40 ms")
}

// However many keys there are in one piece, the caller gets four events at most,
// and the next frame is heard as ever.
func TestALongPieceIsHeard(t *testing.T) {
	var d Detector
	if got := d.Hear(press(t, UsualKeys(), "1234567890")); len(got) != 4 || got[3] != (Event{Key: '2', Duration: got[3].Duration}) {
		t.Errorf("%+v", got)
	}
	got := d.Hear(press(t, UsualKeys(), "5"))
	if len(got) != 2 || got[0].Key != '5' {
		t.Errorf("%+v", got)
	}
}

func BenchmarkDetector(b *testing.B) {
	for name, s := range map[string][]int16{"speech": speech(b, "standup.wav"), "keys": press(b, UsualKeys(), keys), "silence": make([]int16, audio.SampleRate)} {
		b.Run(name, func(b *testing.B) {
			var d Detector
			at := 0
			b.ReportAllocs()
			for b.Loop() {
				d.Hear(s[at : at+audio.FrameSamples])
				if at += audio.FrameSamples; at+audio.FrameSamples > len(s) {
					at = 0
				}
			}
		})
	}
}
