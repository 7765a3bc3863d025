// SPDX-License-Identifier: Apache-2.0

// Package tone makes and recognises the sounds of telephony: keys (DTMF, ITU-T
// Q.23 and Q.24) and call progress tones such as ringing.
package tone

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Tone is a sound of one or two frequencies that comes and goes.
type Tone struct {
	// Hz holds the frequencies, above 0 and below 8000; the second may be 0 for
	// none.
	Hz [2]float64
	// LevelDBov is the level of each frequency, up to -3 (a full-scale sine, RFC
	// 6464 section 3), or up to -9 when there are two.
	LevelDBov float64
	// Cadence holds the times of sound and of silence in turn, repeated; none is a
	// steady tone. Ringing in most of Europe is one second and four.
	Cadence []time.Duration
	// Length is when it ends; 0 is never.
	Length time.Duration
}

// ramp is how long a sound takes to come and go, so that neither clicks. It is part
// of the sound's time.
const ramp = audio.SampleRate / 1000 * 5

// Generator makes the samples of a tone or of keys, frame by frame.
type Generator struct {
	bursts []burst
	repeat bool
	left   int // samples until the end; negative is never
	burst  int // the current one …
	at     int // … and where in it
	phase  [2]complex128
}

// burst is a sound and the silence after it.
type burst struct {
	turn          [2]complex128 // from one sample to the next
	amplitude     [2]float64
	sound, length int // samples
	steady        bool
}

// New returns a generator of a tone.
func New(t Tone) (*Generator, error) {
	most := -3.0
	if t.Hz[1] != 0 {
		most = -9
	}
	if err := checkLevel(t.LevelDBov, most); err != nil {
		return nil, err
	}
	if !audible(t.Hz[0]) || t.Hz[1] != 0 && !audible(t.Hz[1]) {
		return nil, fmt.Errorf("a tone of %v Hz cannot be made; give frequencies above 0 and below %d Hz", t.Hz, audio.SampleRate/2)
	}
	if t.Length < 0 {
		return nil, fmt.Errorf("a tone cannot be %v long; give 0 for one without end", t.Length)
	}
	g := &Generator{left: -1, repeat: true}
	if t.Length > 0 {
		g.left = samples(t.Length)
	}
	levels := [2]float64{t.LevelDBov, t.LevelDBov}
	if len(t.Cadence) == 0 {
		b := newBurst(t.Hz, levels, 1, 0)
		b.steady = true
		g.bursts = append(g.bursts, b)
	}
	for i := 0; i < len(t.Cadence); i += 2 {
		sound, pause := t.Cadence[i], time.Duration(0)
		if i+1 < len(t.Cadence) {
			pause = t.Cadence[i+1]
		}
		if samples(sound) <= 0 || pause < 0 {
			return nil, fmt.Errorf("a cadence of %v has no end; give times above 0", t.Cadence)
		}
		g.bursts = append(g.bursts, newBurst(t.Hz, levels, samples(sound), samples(pause)))
	}
	g.begin()
	return g, nil
}

func audible(hz float64) bool { return hz > 0 && hz < audio.SampleRate/2 }

func checkLevel(dBov, most float64) error {
	if !(dBov >= audio.SilenceDBov && dBov <= most) {
		return fmt.Errorf("a level of %v dBov cannot be made; give one from %d to %v", dBov, audio.SilenceDBov, most)
	}
	return nil
}

func samples(d time.Duration) int {
	return int(d.Microseconds() * audio.SampleRate / int64(time.Second/time.Microsecond))
}

func newBurst(hz, levels [2]float64, sound, pause int) burst {
	b := burst{sound: sound, length: sound + pause}
	for i := range hz {
		if hz[i] == 0 {
			continue
		}
		b.turn[i] = cmplx.Rect(1, 2*math.Pi*hz[i]/audio.SampleRate)
		// A sine of full amplitude is 3 dB below the overload point.
		b.amplitude[i] = 32768 * math.Sqrt2 * math.Pow(10, levels[i]/20)
	}
	return b
}

func (g *Generator) begin() {
	g.at = 0
	g.phase = [2]complex128{1, 1} // sines, from zero
}

// Fill writes as many samples as there are, and returns how many: fewer than the
// frame has only at the end, then none. It does not allocate.
func (g *Generator) Fill(frame []int16) int {
	n := 0
	for ; n < len(frame) && g.left != 0 && g.burst < len(g.bursts); n++ {
		frame[n] = g.next()
	}
	for i, p := range g.phase { // a million turns later the circle is still one
		g.phase[i] = p / complex(cmplx.Abs(p), 0)
	}
	return n
}

func (g *Generator) next() int16 {
	b := &g.bursts[g.burst]
	var v float64
	if g.at < b.sound || b.steady {
		for i := range g.phase {
			v += imag(g.phase[i]) * b.amplitude[i]
			if b.turn[i] != 0 {
				g.phase[i] *= b.turn[i]
			}
		}
		v *= g.envelope(b)
	}
	g.at++
	if g.left > 0 {
		g.left--
	}
	if !b.steady && g.at == b.length {
		g.begin()
		if g.burst++; g.burst == len(g.bursts) && g.repeat {
			g.burst = 0
		}
	}
	return int16(math.Round(min(max(v, math.MinInt16), math.MaxInt16)))
}

// envelope is a raised cosine at either end of a sound, and at the generator's.
func (g *Generator) envelope(b *burst) float64 {
	edge := g.at + 1
	if !b.steady {
		edge = min(edge, b.sound-g.at)
	}
	if g.left > 0 {
		edge = min(edge, g.left)
	}
	if edge >= ramp {
		return 1
	}
	return 0.5 - 0.5*math.Cos(math.Pi*float64(edge)/ramp)
}

// Keys says how keys are to sound.
type Keys struct {
	// Tone and Pause are the times of a key's sound and of the silence after it.
	// Receivers want at least 40 ms of each (Q.24 table A-1).
	Tone, Pause time.Duration
	// LowDBov and HighDBov are the levels of the low and the high frequency, up
	// to -9.
	LowDBov, HighDBov float64
}

// UsualKeys is what telephones send: -9 dBm0 for the high frequency and 2 dB less
// for the low one, as lines attenuate the high one more (0 dBm0 is -6.2 dBov).
func UsualKeys() Keys {
	return Keys{Tone: 100 * time.Millisecond, Pause: 100 * time.Millisecond, LowDBov: -17.2, HighDBov: -15.2}
}

// The frequencies of Q.23: keys lists the rows of the low ones, each key below its
// high one. They are exact here; Q.23 allows 1.8 %.
var (
	lowHz  = [4]float64{697, 770, 852, 941}
	highHz = [4]float64{1209, 1336, 1477, 1633}
)

const keys = "123A456B789C*0#D"

// place finds a key's row and column.
func place(key rune) (row, column int, ok bool) {
	if key >= 'a' && key <= 'd' {
		key += 'A' - 'a'
	}
	for i, k := range keys {
		if k == key {
			return i / 4, i % 4, true
		}
	}
	return 0, 0, false
}

// Generator returns a generator of keys: 0 to 9, *, # and A to D.
func (k Keys) Generator(pressed string) (*Generator, error) {
	if pressed == "" {
		return nil, errors.New("there are no keys to be heard; give some of 0 to 9, *, # and A to D")
	}
	if k.Tone < 10*time.Millisecond || k.Pause < 0 || k.Tone > time.Minute || k.Pause > time.Minute {
		return nil, fmt.Errorf("a key cannot sound for %v every %v; give 10ms to 1m", k.Tone, k.Tone+k.Pause)
	}
	if err := errors.Join(checkLevel(k.LowDBov, -9), checkLevel(k.HighDBov, -9)); err != nil {
		return nil, err
	}
	g := &Generator{left: -1}
	for _, key := range pressed {
		row, column, ok := place(key)
		if !ok {
			return nil, fmt.Errorf("%q is no key; use 0 to 9, *, # and A to D", key)
		}
		g.bursts = append(g.bursts, newBurst([2]float64{lowHz[row], highHz[column]}, [2]float64{k.LowDBov, k.HighDBov}, samples(k.Tone), samples(k.Pause)))
	}
	g.begin()
	return g, nil
}
