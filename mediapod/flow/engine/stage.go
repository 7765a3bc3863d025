// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

// Sound is the media of the call; *media.Call is one.
type Sound interface {
	Play(*media.Clip, media.PlayOptions) *media.Playback
	OnKey(func(media.Key))
	AddTap(media.Tap)
	RemoveTap(media.Tap)
}

// Signals does what takes the service; *service.Signals does.
type Signals interface {
	// Do carries a command out that is signalling's: Transfer, Invite, Mute and HangUp. It returns at once; what comes of it is told.
	Do(flow.Command) bool
	// Announce has everybody told that the call is recorded, and returns nil once the service has taken that in. Withdraw takes it
	// back, and does not wait.
	Announce(context.Context) error
	Withdraw()
	// Close lets go of what is under way, without events.
	Close()
}

// Recorder makes recordings of the call.
type Recorder interface {
	// May: the service has it that the call is recorded, now. It is asked for every frame, and does not wait.
	May() bool
	// Begin begins a recording, whose name is unique in the call. wrong is told, once at most, what keeps it from going on.
	Begin(name string, wrong func(error)) (Recording, error)
}

// Recording is one that is being made.
type Recording interface {
	// Keep takes 320 samples at 16 kHz, which were said at a time. It does not wait, and keeps nothing of before Begin.
	Keep(at time.Time, frame []int16)
	// End ends it; without keep, nothing of it stays. It waits for the disk, but not for long, and says why there is no file.
	End(keep bool) error
}

// Config is what a Stage needs.
type Config struct {
	Sound Sound
	// Signals makes the call's, which tell what happens by the function.
	Signals  func(tell func(flow.Event)) Signals
	Clips    *Clips // of all calls of the process
	Recorder Recorder
	Clock    clock.WithTicker
}

// Stage is one call.
type Stage struct {
	cfg     Config
	signals Signals
	tell    func(flow.Event)
	life    context.Context
	end     context.CancelFunc

	mu      sync.Mutex
	closed  bool
	playing map[int64]*playing
	take    *take // the recording that is being made
}

var _ flow.Stage = (*Stage)(nil)

// New makes a Stage, which has keys told from now on. tell must not wait, and must not call the stage.
func New(c Config, tell func(flow.Event)) *Stage {
	s := &Stage{cfg: c, tell: tell, playing: map[int64]*playing{}}
	s.life, s.end = context.WithCancel(context.Background())
	s.signals = c.Signals(s.say)
	c.Sound.OnKey(s.key)
	return s
}

// Do implements flow.Stage.
func (s *Stage) Do(command flow.Command) {
	switch c := command.(type) {
	case flow.Play:
		s.play(c)
	case flow.StopPlaying:
		s.mu.Lock()
		p := s.playing[c.ID]
		s.mu.Unlock()
		if p != nil {
			s.stop(p)
		}
	case flow.Record:
		s.record(c)
	default:
		s.signals.Do(c)
	}
}

// Close implements flow.Stage. What is being recorded is kept: most who leave a message hang up when they are done.
func (s *Stage) Close() {
	s.mu.Lock()
	s.closed = true
	under := slices.Collect(maps.Values(s.playing))
	s.mu.Unlock()
	s.cfg.Sound.OnKey(nil)
	s.signals.Close()
	s.end()
	for _, p := range under {
		s.stop(p)
	}
}

// say tells an event.
func (s *Stage) say(e flow.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayLocked(e)
}

// sayLocked tells nothing once the stage is closed. The lock has events told in their order.
func (s *Stage) sayLocked(e flow.Event) {
	if !s.closed {
		s.tell(e)
	}
}

// key is told by the goroutine that receives, or, of tones, by the one that ticks. A stop tone is told before the end that it brings.
func (s *Stage) key(k media.Key) {
	if !k.Pressed || k.Label == 'F' { // a flash of the hook is none of a flow's keys
		return
	}
	key := callfleetv1.PhoneKey(rune(k.Label))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sayLocked(flow.Tone{Key: key})
	if s.take != nil {
		s.take.key(key)
	}
}
