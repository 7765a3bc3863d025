// SPDX-License-Identifier: Apache-2.0

// Package mix adds frames of audio up, each with its own gain, and keeps the sum within
// the range of a sample.
package mix

import (
	"math"

	"github.com/callfleet/callfleet/audio"
)

// frame is the sum, or a part of one, with room above an int16. At MaxGainDB it
// holds 6000 sources at full scale.
type frame [audio.FrameSamples]int32

// Bus adds up the frames of one 20 ms tick. The zero value is ready after Begin. A
// bus and its sources belong to one goroutine.
type Bus struct{ sum frame }

// Begin starts a tick, with silence.
func (b *Bus) Begin() { clear(b.sum[:]) }

// Add adds what a source has to say in this tick: 320 samples, or fewer with silence
// after them. A source is added once in a tick, and always to the same bus.
func (b *Bus) Add(s *Source, samples []int16) {
	s.apply(samples)
	for i, v := range s.part {
		b.sum[i] += v
	}
}

// Mix writes the sum of all sources, through the limiter of whoever hears it. All of
// dst is written, and dst has 320 samples.
func (b *Bus) Mix(dst []int16, l *Limiter) { l.limit(dst, &b.sum) }

// Source is one stream on its way into a mix. The zero value has a gain of 0 dB.
type Source struct {
	was, is float32 // gain of the last frame and of the next, less one
	part    frame   // what it last added
}

// The range of a gain. At the bottom there is silence.
const (
	MaxGainDB = 20
	MinGainDB = -100
)

// SetGain sets the gain, in dB, limited to the range above. It is reached in the
// course of the next frame, so that no step is heard. To mute is MinGainDB.
func (s *Source) SetGain(dB float64) {
	gain := math.Pow(10, min(dB, MaxGainDB)/20)
	if !(dB > MinGainDB) {
		gain = 0
	}
	s.is = float32(gain - 1)
}

func (s *Source) apply(samples []int16) {
	n := min(len(samples), len(s.part))
	if s.was == 0 && s.is == 0 {
		for i, v := range samples[:n] {
			s.part[i] = int32(v)
		}
	} else {
		gain, step := 1+s.was, (s.is-s.was)/audio.FrameSamples
		for i, v := range samples[:n] {
			gain += step
			s.part[i] = round(float32(v) * gain)
		}
		s.was = s.is
	}
	clear(s.part[n:])
}

func round(v float32) int32 {
	if v < 0 {
		return int32(v - 0.5)
	}
	return int32(v + 0.5)
}
