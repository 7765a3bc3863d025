// SPDX-License-Identifier: Apache-2.0

package record

import (
	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/splice"
)

// reach is how much of a side is remembered, in samples: more than twice what playing out ever waits.
const reach = 8192

// line is what one side is heard to say, each frame at the time at which it could have been heard at the soonest. Playing out
// changes how long it waits, and so frames come as much too early or too late as it has drawn sound out or together.
type line struct {
	strip
	spliced [2*audio.FrameSamples + splice.MaxPeriod]int16
}

// fit says where a frame belongs, and how it reads there. It follows the one before without a seam while that is as good as in its
// place, and while it goes on. Where playing out has drawn sound out by a frame, or drawn it together, a period is left out or
// comes twice here, too. It is not ok for a frame whose time something else has.
func (l *line) fit(at int64, frame []int16, goesOn bool) (place int64, fitted []int16, ok bool) {
	switch off := at - l.end; {
	case off <= -lag || off <= -audio.FrameSamples && !goesOn:
		return 0, nil, false
	case off <= -audio.FrameSamples:
		return l.end, l.shorter(frame), true
	case off < audio.FrameSamples:
		return l.end, frame, true
	case off < 2*audio.FrameSamples && goesOn:
		return l.end, l.longer(frame), true
	}
	return at, frame, true
}

// shorter is a frame without a period, of those that leave enough of it.
func (l *line) shorter(frame []int16) []int16 {
	x := l.spliced[:copy(l.spliced[:], frame)]
	at, _ := splice.BestMatch(x[:splice.Overlap], x[splice.MinPeriod:])
	return splice.LeaveOut(x, splice.MinPeriod+at)
}

// longer is a frame before which the last period of what there is comes once more.
func (l *line) longer(frame []int16) []int16 {
	const before = splice.MaxPeriod
	x := l.spliced[:before+copy(l.spliced[before:], frame)]
	for i := range before {
		x[i] = l.ring[index(l.end-before+int64(i))]
	}
	at, _ := splice.BestMatch(x[before:][:splice.Overlap], x[:before-splice.MinPeriod+splice.Overlap])
	return splice.Repeat(x, before, before-at)[before:]
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
