// SPDX-License-Identifier: Apache-2.0

package record

import (
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/mix"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

const (
	// lag is by how much the mix is made later than the bot speaks: what the far side says at that time has been played out by
	// then, of which mediapod/media/playout gives up what is later than 200 ms and two frames.
	lag = 240 * audio.SampleRate / 1000
)

// mixer lays what the bot says over what the far side said at that time, so that the mix is at the same time as all other
// tracks. What is heard comes behind, by what it waited to be played out; so the mix is made a little later.
//
// Positions are samples since the recording was opened.
type mixer struct {
	bus                   mix.Bus
	heardSource, ofTheBot mix.Source
	limiter               mix.Limiter
	sum, part             [audio.FrameSamples]int16

	heard line
	said  strip
	next  int64 // the mix's next frame
	begun bool
	// goesOn: there was sound in the frame before, so what comes now continues it.
	goesOn bool
}

// take takes a frame, and writes that of the mix whose time has come.
func (m *mixer) take(f *media.Frame, opened time.Time, to *recording.Track) {
	now := position(f.At.Sub(opened))
	if !m.begun {
		m.begun, m.next = true, now-lag
	}
	m.next = max(m.next, now-reach+audio.FrameSamples)
	if f.Said != nil {
		m.said.put(max(now, m.said.end), f.Said)
	}
	if f.Heard != nil {
		m.hear(position(f.HeardAt.Sub(opened)), f.Heard)
	}
	m.goesOn = f.Heard != nil
	for ; m.next <= now-lag; m.next += audio.FrameSamples {
		m.write(to)
	}
}

// hear puts a frame where it belongs.
func (m *mixer) hear(at int64, frame []int16) {
	if at, frame, ok := m.heard.fit(at, frame, m.goesOn); ok {
		m.heard.put(max(at, m.next), frame)
	}
}

// rest writes what the mix lacks when there is nothing more to come for now.
func (m *mixer) rest(to *recording.Track) {
	for ; m.next < max(m.heard.end, m.said.end); m.next += audio.FrameSamples {
		m.write(to)
	}
}

// write hands over a frame of the mix, if there is anything in it.
func (m *mixer) write(to *recording.Track) {
	heard, said := m.next < m.heard.end, m.next < m.said.end
	if !heard && !said {
		return
	}
	m.bus.Begin()
	if heard {
		m.bus.Add(&m.heardSource, m.heard.read(&m.part, m.next))
	}
	if said {
		m.bus.Add(&m.ofTheBot, m.said.read(&m.part, m.next))
	}
	m.bus.Mix(m.sum[:], &m.limiter)
	to.WritePCM(time.Duration(m.next)*(time.Second/audio.SampleRate), m.sum[:])
}

func position(d time.Duration) int64 { return int64(d / (time.Second / audio.SampleRate)) }
