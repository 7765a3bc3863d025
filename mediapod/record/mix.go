// SPDX-License-Identifier: Apache-2.0

package record

import (
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/mix"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// reach is how much of what the bot said is kept, in samples: more than playing out ever waits.
const reach = 8192

// mixer lays what the bot says over what is heard at that time. That is behind, by what it waited to be played out; so the bot
// waits as well, and the mix is at the same time as all other tracks.
//
// Positions are samples since the recording was opened.
type mixer struct {
	bus         mix.Bus
	heard, said mix.Source
	limiter     mix.Limiter
	sum, part   [audio.FrameSamples]int16

	ring    [reach]int16 // what the bot said, silence where it did not
	end     int64        // of what is in it
	saidEnd int64        // of the last that it said
	delay   int64        // of what is heard
	next    int64        // frame of the mix
	going   bool
}

// take writes the frame of the mix whose time has come.
func (m *mixer) take(f *media.Frame, opened time.Time, to *recording.Track) {
	at := position(f.At.Sub(opened))
	m.put(at, f.Said)
	if f.Heard != nil {
		m.delay = min(max(at-position(f.HeardAt.Sub(opened)), 0), reach-2*audio.FrameSamples)
	}
	// The mix goes on without a seam while it is as good as in its place. It cannot be ahead: the bot has not said that yet.
	if behind := at - m.delay - m.next; !m.going || behind < 0 || behind >= audio.FrameSamples {
		m.next = at - m.delay
	}
	if m.going = f.Heard != nil || m.next < m.saidEnd; m.going {
		m.write(f.Heard, to)
	}
}

// rest writes what the bot said last, and nobody can be heard with any more.
func (m *mixer) rest(to *recording.Track) {
	for m.put(m.end, nil); m.going && m.next < m.saidEnd; m.put(m.end, nil) {
		m.write(nil, to)
	}
}

func (m *mixer) write(heard []int16, to *recording.Track) {
	m.bus.Begin()
	if heard != nil {
		m.bus.Add(&m.heard, heard)
	}
	if m.next < m.saidEnd {
		for i := range m.part {
			m.part[i] = m.ring[(m.next+int64(i)+reach)%reach]
		}
		m.bus.Add(&m.said, m.part[:])
	}
	m.bus.Mix(m.sum[:], &m.limiter)
	to.WritePCM(time.Duration(m.next)*(time.Second/audio.SampleRate), m.sum[:])
	m.next += audio.FrameSamples
}

// put takes a frame of the bot's, nil of none.
func (m *mixer) put(at int64, frame []int16) {
	m.end = max(m.end, at-reach)
	for ; m.end < at+audio.FrameSamples; m.end++ {
		v := int16(0)
		if i := m.end - at; i >= 0 && frame != nil {
			v, m.saidEnd = frame[i], m.end+1
		}
		m.ring[m.end%reach] = v
	}
}

func position(d time.Duration) int64 { return int64(d / (time.Second / audio.SampleRate)) }
