// SPDX-License-Identifier: Apache-2.0

package media

import (
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/mix"
	"github.com/callfleet/callfleet/audio/speech"
)

// monitor adds up both sides for those who listen in.
type monitor struct {
	mixed      [audio.FrameSamples]int16
	recent     [warmUp][audio.FrameSamples]int16 // mixed before, the next to be replaced first
	frames     int
	bus        mix.Bus
	heard, bot mix.Source
	out        mix.Limiter

	// noise is what is heard of a far side that sends nothing while nobody speaks there.
	noise     speech.Noise
	room      mix.Source
	roomSound [audio.FrameSamples]int16
}

// mostRoomDBov is the loudest noise that is made up. What is measured is too much when somebody speaks without a pause.
const mostRoomDBov = -50

// mixBoth is both sides in one. Where the far side pauses by sending nothing, there is the noise that it had before: silence
// sounds like a line that is dead.
func (v *voice) mixBoth() []int16 {
	if v.monitor == nil {
		v.monitor = &monitor{}
	}
	v.monitor.recent[v.monitor.frames%warmUp] = v.monitor.mixed
	v.monitor.frames++
	m := v.monitor
	m.bus.Begin()
	level := v.roomDBov
	if v.frame.Heard != nil {
		m.bus.Add(&m.heard, v.frame.Heard)
		level = audio.SilenceDBov
	}
	m.noise.SetLevel(level)
	m.noise.Fill(m.roomSound[:])
	m.bus.Add(&m.room, m.roomSound[:])
	if v.frame.Said != nil {
		m.bus.Add(&m.bot, v.frame.Said)
	}
	m.bus.Mix(m.mixed[:], &m.out)
	return m.mixed[:]
}
