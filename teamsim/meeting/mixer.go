// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Frame is 20 ms of audio.
type Frame = [audio.FrameSamples]int16

// Audio is what the mixer hears from a participant and what that participant hears. Both are called from the
// meeting's mixer, once every 20 ms, and must not block.
type Audio interface {
	ReadFrame(*Frame) bool // false: silence
	WriteFrame(*Frame)
}

// mixState belongs to the mixer's goroutine.
type mixState struct {
	frame  Frame
	speaks bool
}

const (
	// catchUpPause lies between the frames of a mixer that is late, so that packets which came in the
	// meantime are read before the frames they belong to are mixed.
	catchUpPause = 2 * time.Millisecond
	// maxLag is how late a mixer may be before it lets the lost time go, as after a suspended laptop.
	maxLag = 2 * time.Second
)

// remix changes who is mixed, and starts the mixer for the first; the caller holds the lock.
func (m *Meeting) remix() {
	var now []*participant
	for _, p := range m.participants {
		if p.audio != nil && !p.InLobby {
			now = append(now, p)
		}
	}
	m.heard.Store(&now)
	if len(now) > 0 && !m.mixing {
		m.mixing = true
		go m.mix()
	}
}

// mix runs while anybody is here. It keeps wall time: a frame that could not be mixed in time is mixed late,
// so what people hear is as long as the time they listened.
func (m *Meeting) mix() {
	next := time.Now()
	for {
		sources := *m.heard.Load()
		if len(sources) == 0 && m.stopMixing() {
			return
		}
		mixOnce(sources)
		next = next.Add(audio.FrameDuration)
		switch wait := time.Until(next); {
		case wait > 0:
			time.Sleep(wait)
		case wait < -maxLag:
			next = time.Now()
		default:
			time.Sleep(catchUpPause)
		}
	}
}

func (m *Meeting) stopMixing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(*m.heard.Load()) > 0 {
		return false
	}
	m.mixing = false
	return true
}

// mixOnce gives everybody the sum of all others.
func mixOnce(sources []*participant) {
	var total [audio.FrameSamples]int32
	for _, p := range sources {
		p.mixed.speaks = p.audio.ReadFrame(&p.mixed.frame) && !p.muted.Load() && p.held.Load() == nil
		if !p.mixed.speaks {
			continue
		}
		for i, s := range p.mixed.frame {
			total[i] += int32(s)
		}
	}
	var out Frame
	for _, p := range sources {
		if held := p.held.Load(); held != nil {
			held.read(&out)
			p.audio.WriteFrame(&out)
			continue
		}
		for i, s := range total {
			if p.mixed.speaks {
				s -= int32(p.mixed.frame[i])
			}
			out[i] = int16(min(max(s, -32768), 32767))
		}
		p.audio.WriteFrame(&out)
	}
}
