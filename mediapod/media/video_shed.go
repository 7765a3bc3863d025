// SPDX-License-Identifier: Apache-2.0

package media

import "errors"

// Shedding is how much of the video a process does without, so that sound comes in time: it is what an overloaded process
// can do without, and takes ten times the packets. Sound is never shed.
type Shedding int32

// The steps of shedding.
const (
	// ShedNothing is how it is as long as the process is not Overloaded.
	ShedNothing Shedding = iota
	// ShedCameras: cameras are neither watched nor passed on nor played.
	ShedCameras
	// ShedVideo: nor are screens, which are what meetings look at and take fewer packets.
	ShedVideo
)

// String is the name that logs use.
func (s Shedding) String() string {
	return [...]string{"nothing", "cameras", "all video"}[min(max(s, 0), 2)]
}

// sheds says whether a kind of video is among what is shed.
func (s Shedding) sheds(screen bool) bool { return s >= ShedVideo || s >= ShedCameras && !screen }

// ErrVideoShed is why there is no picture of a track that comes.
var ErrVideoShed = errors.New("the process is overloaded and does without video until it is not; give it more CPU, or fewer calls")

// looksBeforeVideoReturns is how many looks in a row have to find the process well before a step is taken back: ten seconds.
// Video that came back too soon would be gone again after six, with a key frame asked of everybody each time.
const looksBeforeVideoReturns = 10

// shedder follows the health, look by look.
type shedder struct {
	step      Shedding
	bad, well int // looks in a row
}

// look is called with every look at the health. The first step is taken at once, since health is only called Overloaded
// after some looks, and the second when the first did not help. Screens come back when the process is not Overloaded any
// more, cameras when it is Normal.
func (s *shedder) look(h Health) Shedding {
	switch {
	case h == Overloaded:
		s.well = 0
		if s.bad++; s.step == ShedNothing || s.step == ShedCameras && s.bad >= looksBeforeItIsWorse {
			s.step, s.bad = s.step+1, 0
		}
	case s.step == ShedVideo || s.step == ShedCameras && h == Normal:
		s.bad = 0
		if s.well++; s.well >= looksBeforeVideoReturns {
			s.step, s.well = s.step-1, 0
		}
	default:
		s.bad, s.well = 0, 0
	}
	return s.step
}

// Shedding is what the process does without, as of the last second.
func (e *Engine) Shedding() Shedding { return Shedding(e.doctor.shedding.Load()) }

// shedLocked does without more or less of the video than before. Packets of what is shed are counted as they come, and
// that is all: a far side cannot be told to send none without another offer of its own.
func (v *vision) shedLocked(now Shedding) {
	before := v.shed
	v.shed = now
	for _, l := range v.lanes {
		if l == nil || before.sheds(l.section.screen) == now.sheds(l.section.screen) {
			continue
		}
		l.relay.Switch() // what is passed on goes on with a key frame
		if l.from != nil {
			l.from.wanted = !now.sheds(l.section.screen)
		}
	}
	for _, p := range v.shows {
		if p != nil && before.sheds(p.options.Screen) && !now.sheds(p.options.Screen) {
			p.restart = true
		}
	}
	v.refreshLocked()
	v.askLocked()
}

// sheds says whether a track is shed.
func (v *vision) sheds(track int) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return track >= 0 && track < len(v.eyes) && v.eyes[track] != nil && v.eyes[track].shed()
}
