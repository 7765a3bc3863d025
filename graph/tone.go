// SPDX-License-Identifier: Apache-2.0

package graph

import (
	"fmt"
	"strings"
)

// Tone is a key of a telephone.
type Tone string

const (
	ToneStar  Tone = "star"
	TonePound Tone = "pound"
	ToneFlash Tone = "flash"
)

var tones = []Tone{
	"tone0", "tone1", "tone2", "tone3", "tone4", "tone5", "tone6", "tone7", "tone8", "tone9",
	ToneStar, TonePound, "a", "b", "c", "d", ToneFlash,
}

func (t *Tone) UnmarshalText(text []byte) error {
	*t = canonical(text, tones)
	return nil
}

// Key is what the key reads: "1", "*", "#", "A". A tone this package does not know is given back as it is.
func (t Tone) Key() string {
	switch {
	case t == ToneStar:
		return "*"
	case t == TonePound:
		return "#"
	case len(t) == len("tone0") && t[:4] == "tone" && '0' <= t[4] && t[4] <= '9':
		return string(t[4:])
	}
	if len(t) == 1 {
		return strings.ToUpper(string(t))
	}
	return string(t)
}

// ParseTones reads keys as people write them, "12*#", with spaces, commas and dashes between them.
func ParseTones(keys string) ([]Tone, error) {
	var parsed []Tone
	for _, key := range keys {
		switch {
		case '0' <= key && key <= '9':
			parsed = append(parsed, "tone"+Tone(key))
		case key == '*':
			parsed = append(parsed, ToneStar)
		case key == '#':
			parsed = append(parsed, TonePound)
		case 'a' <= key && key <= 'd':
			parsed = append(parsed, Tone(key))
		case 'A' <= key && key <= 'D':
			parsed = append(parsed, Tone(key-'A'+'a'))
		case key == ' ' || key == ',' || key == '-':
		default:
			return nil, fmt.Errorf("tones: %q is not a key; the keys are 0 to 9, *, # and A to D", key)
		}
	}
	return parsed, nil
}
