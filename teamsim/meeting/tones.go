// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"fmt"
	"slices"
)

// Tones are the keys of a telephone, as the calls API names them (reference section 1.6).
var Tones = []string{"tone0", "tone1", "tone2", "tone3", "tone4", "tone5", "tone6", "tone7", "tone8", "tone9",
	"star", "pound", "a", "b", "c", "d", "flash"}

// toneListener is a member that hears keys being pressed.
type toneListener interface{ Tone(tone string) }

// Press makes a person press a key, which all others are told of.
func (p *Person) Press(tone string) error {
	if !slices.Contains(Tones, tone) {
		return fmt.Errorf("%q is not a key; the keys are %v", tone, Tones)
	}
	if !p.Here() {
		return fmt.Errorf("%s is not in the call", p.DisplayName)
	}
	p.meeting.Load().Tone(p.ID, tone)
	return nil
}

// Pressed lists the keys that others pressed, oldest first.
func (p *Person) Pressed() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.tones)
}

// Tone lets everybody but the sender know of a key.
func (m *Meeting) Tone(from, tone string) {
	m.mu.Lock()
	var listeners []toneListener
	for id, p := range m.participants {
		if l, ok := p.member.(toneListener); ok && id != from && !p.InLobby {
			listeners = append(listeners, l)
		}
	}
	m.mu.Unlock()
	for _, l := range listeners {
		l.Tone(tone)
	}
}

// Tone implements toneListener.
func (m personMember) Tone(tone string) {
	m.p.mu.Lock()
	defer m.p.mu.Unlock()
	m.p.tones = append(m.p.tones, tone)
}
