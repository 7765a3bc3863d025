// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
)

// babble is a sound that costs codecs what a voice does: harmonics of a pitch that wanders, syllables, some breath. It is
// the same every time.
func babble(length time.Duration) []int16 {
	random := rand.New(rand.NewPCG(20, 320))
	samples := make([]int16, int(length.Seconds()*audio.SampleRate))
	phase := 0.0
	for i := range samples {
		t := float64(i) / audio.SampleRate
		phase += 2 * math.Pi * (120 + 30*math.Sin(2*math.Pi*0.7*t)) / audio.SampleRate
		voice := 0.0
		for h := 1; h <= 20; h++ {
			voice += math.Sin(float64(h)*phase) / float64(h)
		}
		syllable := 0.2 + 0.8*math.Abs(math.Sin(2*math.Pi*2*t)) // four a second; never silent, so that nothing is left out
		samples[i] = int16(4000 * (syllable*voice + 0.1*random.NormFloat64()))
	}
	return samples
}

// payloads are what a far side sends, over and over: two seconds of it.
func payloads(c codec.Codec) [][]byte {
	enc, samples := c.NewEncoder(), babble(2*time.Second)
	var all [][]byte
	for ; len(samples) >= audio.FrameSamples; samples = samples[audio.FrameSamples:] {
		if p := enc.Encode(nil, samples[:audio.FrameSamples]); len(p) > 0 {
			all = append(all, p)
		}
	}
	return all
}
