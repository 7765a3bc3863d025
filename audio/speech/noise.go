// SPDX-License-Identifier: Apache-2.0

package speech

import (
	"math"

	"github.com/callfleet/callfleet/audio"
)

// Noise is comfort noise: what fills a pause so that the line does not sound dead. As
// in RFC 3389 section 3 it has a level in dBov and a spectrum, which is that of a room,
// falling above a kilohertz. One serves one stream; the same seed makes the same noise.
type Noise struct {
	random uint64
	last   float64 // sample
	was    float64 // amplitude
	is     float64
}

// tilt is the pole of the filter that shapes the noise.
const tilt = 0.7

// MostNoiseDBov is the loudest noise: more is no comfort.
const MostNoiseDBov = -30

// NewNoise returns a silent generator.
func NewNoise(seed uint64) *Noise { return &Noise{random: seed} }

// SetLevel sets the level in dBov, up to MostNoiseDBov; audio.SilenceDBov is silence
// (RFC 3389 section 3: 127 steps below the overload point). It is reached in the
// course of the next frame.
func (n *Noise) SetLevel(dBov float64) {
	n.is = 0
	if dBov > audio.SilenceDBov {
		n.is = 32768 * math.Pow(10, min(dBov, MostNoiseDBov)/20)
	}
}

// Fill writes noise. It does not allocate.
func (n *Noise) Fill(frame []int16) {
	// Uniform noise has a third of its peak's power, and the filter lets through
	// one part in 1-tilt² of it.
	scale := math.Sqrt(3 * (1 - tilt*tilt))
	step := (n.is - n.was) / float64(max(len(frame), 1))
	for i := range frame {
		n.was += step
		n.last = n.last*tilt + n.uniform()*scale
		frame[i] = int16(math.Floor(n.last*n.was + 0.5))
	}
	n.was = n.is
}

// uniform is in [-1, 1): a linear congruential generator (Knuth, MMIX), of which the
// upper bits are good.
func (n *Noise) uniform() float64 {
	n.random = n.random*6364136223846793005 + 1442695040888963407
	return float64(int64(n.random)>>11) / (1 << 52)
}
