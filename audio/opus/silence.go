// SPDX-License-Identifier: Apache-2.0

package opus

// libopus looks for pauses only from complexity 7 on, or in the SILK layer by
// itself. In the low-delay mode the pause that matters is found here: a bot that
// says nothing sends zeros. After pauseFrames of them packets stop, and one in
// refreshFrames goes out nevertheless: 200 and 400 ms with frames of 20 ms, as
// libopus has it.
const (
	pauseFrames   = 10
	refreshFrames = 20
)

// silence counts frames of digital silence.
type silence struct {
	frames int
	length int // of the last frame, in samples
}

// skip says whether the last packet's table of contents alone stands for this
// frame too. The encoder misses nothing: it has heard zeros for long.
func (s *silence) skip(frame []int16) bool {
	silent := len(frame) == s.length
	s.length = len(frame)
	for _, v := range frame {
		if v != 0 {
			silent = false
			break
		}
	}
	if !silent {
		s.frames = 0
		return false
	}
	s.frames++
	return s.frames > pauseFrames && (s.frames-pauseFrames)%refreshFrames != 0
}
