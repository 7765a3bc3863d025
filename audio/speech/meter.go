// SPDX-License-Identifier: Apache-2.0

// Package speech tells when somebody speaks, how loud, and who does most, and fills
// pauses with the noise they had. Everything is driven by frames of 20 ms and knows
// no other clock.
package speech

import (
	"math"

	"github.com/callfleet/callfleet/audio"
)

// Meter smooths a level as a meter that people look at: it follows a voice within
// 20 ms and lets go slowly. The zero value is ready and silent.
type Meter struct{ power float64 }

// fall is what is left of the power after a frame: 12 dB in 200 ms, so that it does
// not flicker between syllables.
var fall = math.Pow(10, -1.2/10)

// Hear takes a frame and returns the level in dBov, audio.SilenceDBov at least.
func (m *Meter) Hear(frame []int16) float64 {
	if len(frame) > 0 {
		m.power = max(audio.Energy(frame)/float64(len(frame)), m.power*fall)
	}
	return m.DBov()
}

// DBov is the level after the last frame.
func (m *Meter) DBov() float64 { return audio.DBov(m.power, 1) }
