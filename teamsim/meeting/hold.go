// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"fmt"
	"math"
	"sync"

	"github.com/callfleet/callfleet/audio"
)

// music is what somebody on hold hears, over and over. It belongs to the mixer once it plays.
type music struct {
	clip []int16
	at   int
}

func (m *music) read(frame *Frame) {
	for i := range frame {
		frame[i] = m.clip[m.at]
		m.at = (m.at + 1) % len(m.clip)
	}
}

// defaultMusic is four seconds of a broken chord.
var defaultMusic = sync.OnceValue(func() []int16 {
	notes := []float64{261.63, 329.63, 392.00, 523.25, 392.00, 329.63, 261.63, 196.00} // C major
	const each = audio.SampleRate / 2
	clip := make([]int16, 0, each*len(notes))
	for _, hz := range notes {
		for i := range each {
			fade := 1 - float64(i)/each
			clip = append(clip, int16(6000*fade*math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate)))
		}
	}
	return clip
})

// Hold puts somebody on hold: nobody hears them, and they hear the clip, at 16 kHz, or music when it is empty.
func (m *Meeting) Hold(id string, clip []int16) error {
	if len(clip) == 0 {
		clip = defaultMusic()
	}
	return m.setHold(id, &music{clip: clip})
}

// Unhold brings somebody back into the conversation.
func (m *Meeting) Unhold(id string) error { return m.setHold(id, nil) }

func (m *Meeting) setHold(id string, with *music) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.participants[id]
	if !ok {
		return fmt.Errorf("nobody with id %s is in the meeting", id)
	}
	p.held.Store(with)
	p.OnHold = with != nil
	return nil
}
