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

// Signals does what takes the service.
type Signals interface {
	// Transfer gives the call to somebody. It returns once it is known how that ended.
	Transfer(context.Context, flow.Transfer) flow.Failure
	// Invite returns once who was invited is in the call, or is known not to come.
	Invite(context.Context, flow.Invite) flow.Failure
	// Mute and HangUp do not wait.
	Mute(muted bool)
	HangUp()

	// TellRecording tells the service that the call is recorded, and returns nil once it has taken that in.
	TellRecording(context.Context) error
	// TellNotRecording takes that back, as far as it is this stage's to say. It does not wait.
	TellNotRecording()
	// MayRecord: the service has it that the call is recorded, now. It is asked for every frame, and does not wait.
	MayRecord() bool
}

// Recorder makes recordings of the call.
type Recorder interface {
	// Begin begins one, whose name is unique in the call. wrong is told, once at most, what keeps it from going on.
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
	Sound    Sound
	Signals  Signals
	Clips    *Clips // of all calls of the process
	Recorder Recorder
	Clock    clock.WithTicker
}

// Stage is one call.
type Stage struct {
	Config
	tell   func(flow.Event)
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	playing map[int64]*playing
	take    *take // the recording that is being made
}

var _ flow.Stage = (*Stage)(nil)

// New makes a Stage, which has keys told from now on. tell must not wait, and must not call the stage.
func New(c Config, tell func(flow.Event)) *Stage {
	s := &Stage{Config: c, tell: tell, playing: map[int64]*playing{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
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
	case flow.Transfer:
		go func() { s.say(flow.Transferred{ID: c.ID, Failure: s.Signals.Transfer(s.ctx, c)}) }()
	case flow.Invite:
		go func() { s.say(flow.Invited{ID: c.ID, Failure: s.Signals.Invite(s.ctx, c)}) }()
	case flow.Mute:
		s.Signals.Mute(c.Muted)
	case flow.HangUp:
		s.Signals.HangUp()
	}
}

// Close implements flow.Stage. What is being recorded is kept: most who leave a message hang up when they are done.
func (s *Stage) Close() {
	s.mu.Lock()
	s.closed = true
	under := slices.Collect(maps.Values(s.playing))
	s.mu.Unlock()
	s.Sound.OnKey(nil)
	s.cancel()
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
