// SPDX-License-Identifier: Apache-2.0

package servicemedia

import (
	"math"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// RecordOptions are those of recordResponse.
type RecordOptions struct {
	InitialSilence, MaxSilence, MaxDuration time.Duration
	StopTones                               []string // as the tone enum names them: pound, tone1
}

// speechDBov is the level above which a frame is speech and not silence. The service's own is not documented.
const speechDBov = -50

// recording is what has been recorded so far.
type recording struct {
	samples []int16
	spoke   bool
	silent  time.Duration // at the end so far
}

// add takes a frame; it returns why the recording ends with it, if it does.
func (r *recording) add(frame *Frame, o *RecordOptions) Reason {
	r.samples = append(r.samples, frame[:]...)
	if audio.DBov(audio.Energy(frame[:]), len(frame)) > speechDBov {
		r.spoke, r.silent = true, 0
	} else {
		r.silent += audio.FrameDuration
	}
	switch length := time.Duration(len(r.samples)/audio.FrameSamples) * audio.FrameDuration; {
	case length >= o.MaxDuration:
		return MaxDuration
	case !r.spoke && r.silent >= o.InitialSilence:
		return InitialSilence
	case r.spoke && r.silent >= o.MaxSilence:
		return MaxSilence
	}
	return ""
}

// Beep is the sound before a recording: a third of a second of 1 kHz.
func Beep() []int16 {
	clip := make([]int16, audio.SampleRate/3/audio.FrameSamples*audio.FrameSamples)
	for i := range clip {
		clip[i] = int16(8000 * math.Sin(2*math.Pi*1000*float64(i)/audio.SampleRate))
	}
	return clip
}
