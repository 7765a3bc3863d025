// SPDX-License-Identifier: Apache-2.0

package record

import (
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// voice is the track of somebody. Samples are handed on in whole frames, one behind the other for as long as somebody speaks; a
// frame that playing out has made come too early or too late is fitted in, where the file would lose 20 ms, or have a hole of
// them.
type voice struct {
	*recording.Track
	refusals uint64 // when its last packet came

	line line
	next int64  // the next frame's position
	last uint64 // the tap in which it was heard last; see Recorder.taps
}

// hear puts a frame where it belongs. It does not allocate.
func (v *voice) hear(at int64, frame []int16, tap uint64) {
	goesOn := v.last != 0 && v.last+1 == tap
	v.last = tap
	place, fitted, ok := v.line.fit(at, frame, goesOn)
	if !ok {
		return
	}
	if place != v.line.end {
		v.rest() // there is silence in between, which the file has by itself
		v.next, v.line.end = place, place
	}
	v.line.put(place, fitted)
	for v.next+audio.FrameSamples <= v.line.end {
		v.write()
	}
}

// rest writes what is left of a frame when nothing more comes for now.
func (v *voice) rest() {
	if v.next < v.line.end {
		v.write()
		v.next = v.line.end
	}
}

func (v *voice) write() {
	var frame [audio.FrameSamples]int16
	v.WritePCM(time.Duration(v.next)*(time.Second/audio.SampleRate), v.line.read(&frame, v.next))
	v.next += audio.FrameSamples
}
