// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// Library finds prompts, as the service is to be told of them.
type Library interface {
	MediaInfo(ctx context.Context, p flow.Prompt) (graph.MediaInfo, error)
}

// Keeper keeps recordings: a WAV file under a name that is unique in the call.
type Keeper interface {
	Keep(ctx context.Context, name string, wav io.Reader) error
}

// Config of a Stage.
type Config struct {
	SignalsConfig
	Library Library
	Keeper  Keeper
	// Silent reports whether the bot is to be silent in a call of two, in which the service mutes nobody.
	Silent func() bool
	// Trouble is told what people should know of, in a sentence that quotes nobody.
	Trouble func(message string)
}

// Stage carries a flow out in a call whose media the service hosts.
type Stage struct {
	*Signals
	cfg Config

	subscribed chan struct{} // closed once keys are notified

	telling  sync.Mutex
	out      func(flow.Event)
	position int // of the next key, in those of the call since it is held here
	// stopTones are the keys that end the recording under way, and stopTone says that one was pressed.
	stopTones []callfleetv1.PhoneKey
	stopTone  bool

	playing playing

	recording sync.WaitGroup
}

var _ flow.Stage = (*Stage)(nil)

// New makes the Stage of one call that is established, and begins to listen for keys. Those that were pressed since this process has the
// call are told first: of a call that was taken over keys are notified already. What happens is told by tell, which must not call back.
func New(cfg Config, tell func(flow.Event)) *Stage {
	s := &Stage{cfg: cfg, subscribed: make(chan struct{}), out: tell}
	s.Signals = NewSignals(cfg.SignalsConfig, s.told)
	go s.subscribe()
	go s.hear()
	return s
}

// Do carries a command out.
func (s *Stage) Do(c flow.Command) {
	switch c := c.(type) {
	case flow.Play:
		s.play(c)
	case flow.StopPlaying:
		s.playing.stop(c.ID)
	case flow.Record:
		s.recording.Go(func() { s.record(c) })
	default:
		s.Signals.Do(c)
	}
}

// Wait returns when everything that was recorded is kept: most who leave a message hang up when they are done, and what was recorded
// until then is fetched when the stage is closed already.
func (s *Stage) Wait() { s.recording.Wait() }

// told tells of an event, and before it of the keys that were pressed before it: they come by another way.
func (s *Stage) told(e flow.Event) {
	s.telling.Lock()
	defer s.telling.Unlock()
	if s.life.Err() != nil {
		return
	}
	s.tellTones()
	s.out(e)
}

// none is a context for what is to be had without waiting.
var none = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// tellTones tells of the keys that are there. The caller holds s.telling.
func (s *Stage) tellTones() {
	for {
		tone, at, err := s.cfg.Call.NextTone(none, s.position)
		if err != nil {
			return
		}
		s.position = at + 1
		if key := callfleetv1.PhoneKey(tone.Tone.Key()); phoneKey(key) {
			s.stopTone = s.stopTone || slices.Contains(s.stopTones, key)
			s.out(flow.Tone{Key: key})
		}
	}
}

// phoneKey: it is a key of a telephone. The service has another, flash, that is none of the menu's.
func phoneKey(k callfleetv1.PhoneKey) bool {
	return len(k) == 1 && ('0' <= k[0] && k[0] <= '9' || 'A' <= k[0] && k[0] <= 'D' || k == "*" || k == "#")
}

// hear tells of keys as they come.
func (s *Stage) hear() {
	for {
		s.telling.Lock()
		position := s.position
		s.telling.Unlock()
		if _, _, err := s.cfg.Call.NextTone(s.life, position); err != nil {
			return
		}
		s.telling.Lock()
		if s.life.Err() == nil {
			s.tellTones()
		}
		s.telling.Unlock()
	}
}

const (
	// subscribeAgain is the pause after the first attempt to have keys notified that failed; it doubles up to maxSubscribeAgain, for
	// as long as the call lasts: a menu is of no use without keys.
	subscribeAgain, maxSubscribeAgain = 250 * time.Millisecond, 10 * time.Second
	// subscribeTold is how many attempts fail before that is told.
	subscribeTold = 4
	// subscribeFirst is how long the first prompt waits for the subscription. Keys pressed before are lost; a caller who hears nothing
	// hangs up.
	subscribeFirst = 2 * time.Second
)

// subscribe has the service notify keys. A call that was taken over is subscribed anew: whether it was, nobody knows.
func (s *Stage) subscribe() {
	retry := subscribeAgain
	for attempt := 1; ; attempt++ {
		_, err := s.cfg.Call.Act(s.life, "", subscription)
		switch {
		case err == nil:
			close(s.subscribed)
			return
		case s.over(err):
			return
		case attempt == subscribeTold:
			s.cfg.Trouble("the service does not notify the keys that are pressed, and is asked again: " + err.Error())
		}
		if !s.pause(s.life, retry) {
			return
		}
		retry = min(2*retry, maxSubscribeAgain)
	}
}

// awaitSubscription returns when keys are heard, or ought to be.
func (s *Stage) awaitSubscription(ctx context.Context) {
	select {
	case <-s.subscribed:
		return
	default:
	}
	late := s.cfg.Clock.NewTimer(subscribeFirst)
	defer late.Stop()
	select {
	case <-s.subscribed:
	case <-late.C():
	case <-ctx.Done():
	}
}
