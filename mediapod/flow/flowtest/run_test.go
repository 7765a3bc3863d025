// SPDX-License-Identifier: Apache-2.0

package flowtest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
)

// slow is a stage of its own making: it takes its time for everything, and tells from many goroutines.
type slow struct {
	c    *Case
	tell func(flow.Event)

	mu      sync.Mutex
	closed  bool
	playing map[int64]*time.Timer
	record  *flow.Record
	end     *time.Timer
	last    flow.Command
	draw    *rand.Rand
}

// late is what the stage's own doing takes: up to a tenth of a second.
func (s *slow) late() time.Duration { return time.Duration(s.draw.IntN(100)) * time.Millisecond }

func (s *slow) after(d time.Duration, e flow.Event) *time.Timer {
	return time.AfterFunc(d, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closed {
			s.tell(e)
		}
	})
}

func (s *slow) Do(c flow.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = c
	switch c := c.(type) {
	case flow.Play:
		s.playing[c.ID] = nil
		if !c.Loop {
			s.playing[c.ID] = s.after(time.Duration(len(c.Prompts))*PromptLength+s.late(), flow.Played{ID: c.ID})
		}
	case flow.StopPlaying:
		if t := s.playing[c.ID]; t == nil || t.Stop() {
			s.after(s.late(), flow.Played{ID: c.ID})
		}
	case flow.Record:
		s.record = &c
		s.ends(c.InitialSilence, flow.RecordNothing)
	case flow.Transfer:
		s.after(s.c.Outcome(c).After+s.late(), flow.Transferred{ID: c.ID, Failure: s.c.Outcome(c).Failure})
	case flow.Invite:
		s.after(s.c.Outcome(c).After+s.late(), flow.Invited{ID: c.ID, Failure: s.c.Outcome(c).Failure})
	}
}

// ends the recording then, and for that, if nothing else does before.
func (s *slow) ends(after time.Duration, why flow.RecordEnd) {
	if s.end != nil {
		s.end.Stop()
	}
	name := s.record.Name
	if why == flow.RecordNothing {
		name = ""
	}
	s.end = s.after(after+s.late(), flow.Recorded{ID: s.record.ID, End: why, Name: name})
}

func (s *slow) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *slow) act(a rehearse.Act) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
	case a.HangUp:
		s.tell(flow.Ended{})
	case a.Press != "":
		if r, ok := s.last.(flow.Record); ok && slices.Contains(r.StopTones, a.Press) {
			s.ends(0, flow.RecordStopTone)
			s.after(s.late()*2, flow.Tone{Key: a.Press}) // before the end of the recording is told, or after
			return
		}
		s.tell(flow.Tone{Key: a.Press})
	default:
		if a.Speak >= s.record.MaxDuration {
			s.ends(s.record.MaxDuration, flow.RecordMaxDuration)
			return
		}
		s.ends(a.Speak+s.record.MaxSilence, flow.RecordSilence)
	}
}

func TestAnotherStageWithOtherLatenciesLeavesTheSameTraces(t *testing.T) {
	for seed := range uint64(calls) {
		c := random(t, seed)
		synctest.Test(t, func(t *testing.T) {
			s := &slow{c: c, playing: map[int64]*time.Timer{}, draw: rand.New(rand.NewPCG(seed, 7))}
			got := c.Run(t.Context(), clock.RealClock{}, func(tell func(flow.Event)) flow.Stage {
				s.tell = tell
				return s
			}, s.act)
			if diff := c.Differences(got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDifferencesAreFound(t *testing.T) {
	c := random(t, 1)
	got := c.Want
	got.Trace = append(slices.Clone(got.Trace), flow.Entry{Kind: flow.EntryCommand, Text: "mute"})
	if c.Differences(got) == "" {
		t.Error("a command too many is no difference")
	}
	if diff := c.Differences(c.Want); diff != "" {
		t.Errorf("a call differs from itself:\n%s", diff)
	}
}
