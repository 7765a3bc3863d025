// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/engine"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// waiting are calls whose flow waits for the caller, who speaks: for keys as events, for keys as tones, and while a recording is made.
func waiting() map[string]func() {
	all := map[string]func(){}
	for name, events := range map[string]bool{"events": true, "tones": false, "recording": true} {
		v := media.NewConversation(codec.PCMU, events, impair.Config{})
		s := &signals{}
		kept := &discarding{}
		stage := engine.New(engine.Config{
			Sound: v.Bot, Signals: s.begin, Clips: engine.NewClips(&soundFiles{}, clock.RealClock{}, time.Hour), Recorder: kept, Clock: clock.RealClock{},
		}, func(flow.Event) {})
		if name == "recording" {
			stage.Do(flow.Record{ID: 1, MaxDuration: time.Hour, InitialSilence: time.Hour, MaxSilence: time.Hour})
		}
		all[name] = v.Frame(time.Now())
		for name == "recording" && kept.frames.Load() == 0 { // it begins by itself
			all[name]()
			runtime.Gosched()
		}
	}
	return all
}

// discarding records nowhere.
type discarding struct{ frames atomic.Int64 }

func (d *discarding) May() bool                                           { return true }
func (d *discarding) Begin(string, func(error)) (engine.Recording, error) { return d, nil }
func (d *discarding) Keep(time.Time, []int16)                             { d.frames.Add(1) }
func (d *discarding) End(bool) error                                      { return nil }

func TestAFlowThatWaitsAllocatesNothing(t *testing.T) {
	for name, frame := range waiting() {
		for range 200 {
			frame()
		}
		if n := testing.AllocsPerRun(500, frame); n != 0 {
			t.Errorf("%s: %v allocations for a packet and a frame", name, n)
		}
	}
}

func BenchmarkAFlowThatWaits(b *testing.B) {
	for name, frame := range waiting() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				frame()
			}
		})
	}
}
