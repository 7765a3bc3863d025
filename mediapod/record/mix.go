// SPDX-License-Identifier: Apache-2.0

package record

import (
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/mix"
	"github.com/callfleet/callfleet/audio/splice"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

const (
	// reach is how much of either side is remembered, in samples: more than twice what playing out ever waits.
	reach = 8192
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

	heard, said strip
	next        int64 // the mix's next frame
	begun       bool
	// goesOn: there was sound in the frame before, so what comes now continues it.
	goesOn  bool
	spliced [2*audio.FrameSamples + splice.MaxPeriod]int16
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

// hear puts a frame where it belongs. It follows the one before without a seam while it is as good as in its place. Where
// playing out has drawn sound out by a frame, or drawn it together, a period is left out or comes twice here, too.
func (m *mixer) hear(at int64, frame []int16) {
	switch off := at - m.heard.end; {
	case off <= -lag || off <= -audio.FrameSamples && !m.goesOn:
		return
	case off <= -audio.FrameSamples:
		at, frame = m.heard.end, m.shorter(frame)
	case off < audio.FrameSamples:
		at = m.heard.end
	case off < 2*audio.FrameSamples && m.goesOn:
		at, frame = m.heard.end, m.longer(frame)
	}
	m.heard.put(max(at, m.next), frame)
}

// shorter is a frame without a period, of those that leave enough of it.
func (m *mixer) shorter(frame []int16) []int16 {
	x := m.spliced[:copy(m.spliced[:], frame)]
	at, _ := splice.BestMatch(x[:splice.Overlap], x[splice.MinPeriod:])
	return splice.LeaveOut(x, splice.MinPeriod+at)
}

// longer is a frame before which the last period of what there is comes once more.
func (m *mixer) longer(frame []int16) []int16 {
	const before = splice.MaxPeriod
	x := m.spliced[:before+copy(m.spliced[before:], frame)]
	for i := range before {
		x[i] = m.heard.ring[index(m.heard.end-before+int64(i))]
	}
	at, _ := splice.BestMatch(x[before:][:splice.Overlap], x[:before-splice.MinPeriod+splice.Overlap])
	return splice.Repeat(x, before, before-at)[before:]
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

// strip is the last half second of one side.
type strip struct {
	ring [reach]int16
	end  int64 // of what is in it
}

// put puts a frame at or behind the end, with silence in between.
func (s *strip) put(at int64, frame []int16) {
	for s.end = max(s.end, at-reach); s.end < at; s.end++ {
		s.ring[index(s.end)] = 0
	}
	for _, v := range frame {
		s.ring[index(s.end)] = v
		s.end++
	}
}

// read copies a frame, with silence behind the end.
func (s *strip) read(dst *[audio.FrameSamples]int16, at int64) []int16 {
	for i := range dst {
		dst[i] = 0
		if p := at + int64(i); p < s.end {
			dst[i] = s.ring[index(p)]
		}
	}
	return dst[:]
}

// index of a position, which may be a little below zero.
func index(p int64) int64 { return p & (reach - 1) }

func position(d time.Duration) int64 { return int64(d / (time.Second / audio.SampleRate)) }
