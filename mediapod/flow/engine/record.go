// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"sync"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/tone"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

// beep says that it is time to speak.
var beep = sync.OnceValue(func() *media.Clip {
	g, err := tone.New(tone.Tone{Hz: [2]float64{1000}, LevelDBov: -18, Length: 300 * time.Millisecond})
	if err != nil {
		panic(err) // the tone is a constant
	}
	samples := make([]int16, audio.SampleRate*3/10)
	g.Fill(samples)
	clip, err := media.NewClip(wav.Clip{SampleRate: audio.SampleRate, Samples: samples})
	if err != nil {
		panic(err)
	}
	return clip
})

// lookEvery is how often a recording looks at the time by itself.
const lookEvery = 500 * time.Millisecond

// record begins a recording. There is one at a time: a flow waits for it.
func (s *Stage) record(c flow.Record) {
	t := newTake(c, s.cfg.Recorder.May)
	s.mu.Lock()
	s.take = t
	s.mu.Unlock()
	go func() {
		told := s.make(t)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take = nil
		s.sayLocked(told)
	}()
}

// make makes a recording, from what is told of it before to what is told after.
func (s *Stage) make(t *take) flow.Recorded {
	failed := flow.Recorded{ID: t.order.ID, End: flow.RecordFailed, Failure: flow.FailedRecording}
	defer s.signals.Withdraw() // also if it was not taken in: it may have been on its way
	if err := s.signals.Announce(s.life); err != nil {
		return failed
	}
	if t.order.Beep {
		s.beep()
	}
	file, err := s.cfg.Recorder.Begin(t.order.Name, func(error) { t.end(flow.RecordFailed) })
	if err != nil {
		return failed
	}
	t.file = file
	s.cfg.Sound.AddTap(t)
	why := s.hear(t)
	s.cfg.Sound.RemoveTap(t)
	keep := t.worth(why)
	if err := file.End(keep); err != nil || why == flow.RecordFailed {
		return failed
	}
	told := flow.Recorded{ID: t.order.ID, End: why}
	if keep {
		told.Name = t.order.Name
	}
	return told
}

// beep waits until it was played.
func (s *Stage) beep() {
	playback := s.cfg.Sound.Play(beep(), media.PlayOptions{})
	select {
	case <-playback.Done():
	case <-s.life.Done():
		playback.Stop()
	}
}

// hear waits for the end of what is recorded.
func (s *Stage) hear(t *take) flow.RecordEnd {
	look := s.cfg.Clock.NewTicker(lookEvery)
	defer look.Stop()
	closed := s.life.Done()
	for {
		select {
		case why := <-t.ended:
			return why
		case <-look.C():
			t.look(s.cfg.Clock.Now())
		case <-closed: // the call is over, and so is what was said in it
			closed = nil
			t.end(flow.RecordSilence)
		}
	}
}
