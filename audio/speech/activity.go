// SPDX-License-Identifier: Apache-2.0

// Package speech tells when somebody speaks, and who does most, and fills pauses with
// the noise they had. Everything is driven by frames of 20 ms and knows no other clock.
package speech

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

const (
	// UsualHangover is how long speech is taken to go on after it was last heard,
	// which bridges the pauses before a "t" or between words.
	UsualHangover = 300 * time.Millisecond

	// leastSpeech is too quiet for speech, whatever the noise: with the noise of a
	// codec it would else be found in silence.
	leastSpeech = -52
	// above is how far above the noise speech is, in dB.
	above = 8
	// voiced is the share of samples that cross zero below which a frame may be a
	// vowel: 2.4 kHz. In hiss, half of the samples do; in an "s", four in ten.
	voiced = 0.3
	// begin is how many frames of the last onset are needed for speech to begin,
	// one of them voiced. A knock or a click is shorter.
	begin, onset = 2, 3

	// The noise is the least level of the last two seconds, in which speech has a
	// pause, kept in quarters. It is averaged over some frames first, since the
	// least of many is below what they are on average.
	quarter  = 25 // frames
	quarters = 4
	average  = 0.2
	// leastNoise is assumed at the start and in digital silence.
	leastNoise = -70
)

// Activity is a voice activity detector: loud enough above a noise that it follows,
// and with a vowel to begin with. It takes a steady noise for speech for two seconds
// at most. One serves one stream.
type Activity struct {
	hangover int // frames

	power  float64 // averaged
	least  [quarters]float64
	frames int

	recent [onset]byte // 0 nothing, 1 loud, 2 voiced
	left   int         // frames until speech is over
}

// NewActivity returns a detector with a hangover, usually UsualHangover.
func NewActivity(hangover time.Duration) *Activity {
	a := &Activity{hangover: max(int(hangover/audio.FrameDuration), 0)}
	for i := range a.least {
		a.least[i] = leastNoise
	}
	return a
}

// Hear takes a frame of 20 ms and says whether it belongs to speech.
func (a *Activity) Hear(frame []int16) bool {
	energy := audio.Energy(frame)
	level := audio.DBov(energy, len(frame))
	a.follow(energy, len(frame))

	copy(a.recent[1:], a.recent[:])
	a.recent[0] = 0
	if level > leastSpeech && level > a.NoiseDBov()+above {
		a.recent[0] = 1
		if crossings(frame) < voiced*float64(len(frame)) {
			a.recent[0] = 2
		}
	}
	loud, vowel := 0, false
	for _, r := range a.recent {
		if r > 0 {
			loud++
		}
		vowel = vowel || r == 2
	}
	switch {
	case a.left == 0 && loud >= begin && vowel:
		a.left = a.hangover + 1
	case a.left > 0 && a.recent[0] > 0:
		a.left = a.hangover + 1
	case a.left > 0:
		a.left--
	}
	return a.left > 0
}

// NoiseDBov is the level of what is heard when nobody speaks.
func (a *Activity) NoiseDBov() float64 {
	least := a.least[0]
	for _, l := range a.least {
		least = min(least, l)
	}
	return max(least, leastNoise)
}

func (a *Activity) follow(energy float64, n int) {
	if n == 0 {
		return
	}
	a.power += average * (energy/float64(n) - a.power)
	now := a.frames / quarter % quarters
	level := audio.DBov(a.power, 1)
	if a.frames%quarter == 0 || level < a.least[now] {
		a.least[now] = level
	}
	a.frames++
}

// crossings counts the changes of sign.
func crossings(frame []int16) float64 {
	n := 0
	for i := 1; i < len(frame); i++ {
		n += int(uint16(frame[i]^frame[i-1]) >> 15) // no branch, which none could predict
	}
	return float64(n)
}
