// SPDX-License-Identifier: Apache-2.0

package engine

import (
	"context"
	"sync/atomic"

	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/media"
)

// playing is a Play that is under way.
type playing struct {
	id     int64
	cancel context.CancelFunc // of the search for its prompts

	// The stage's lock guards these.
	queued  []*media.Playback
	stopped bool

	left    atomic.Int32 // clips, and one while they are being queued
	failure flow.Failure
}

// play has prompts played: at once if all of them are known, else when they are found.
func (s *Stage) play(c flow.Play) {
	ctx, cancel := context.WithCancel(s.life)
	p := &playing{id: c.ID, cancel: cancel}
	s.mu.Lock()
	s.playing[c.ID] = p
	s.mu.Unlock()
	if clips, ok := s.cfg.Clips.known(c.Prompts); ok {
		s.queue(p, clips, c.Loop)
		return
	}
	go func() {
		clips, err := s.cfg.Clips.find(ctx, c.Prompts)
		if err != nil && ctx.Err() == nil {
			p.failure = flow.FailedPrompt // those that were found are played
		}
		s.queue(p, clips, c.Loop)
	}()
}

// queue hands the clips to the call, all at once, so that no pause is between them.
func (s *Stage) queue(p *playing, clips []*media.Clip, loop bool) {
	if loop && len(clips) > 1 {
		clips = []*media.Clip{media.Join(clips...)}
	}
	p.left.Store(int32(len(clips)) + 1)
	ended := func() { s.ended(p) }
	for _, clip := range clips {
		s.mu.Lock()
		stopped := p.stopped
		s.mu.Unlock()
		if stopped {
			ended()
			continue
		}
		playback := s.cfg.Sound.Play(clip, media.PlayOptions{Loop: loop, Ended: ended})
		s.mu.Lock()
		p.queued = append(p.queued, playback)
		stopped = p.stopped
		s.mu.Unlock()
		if stopped { // in between
			playback.Stop()
		}
	}
	ended()
}

// ended is one clip less to be played.
func (s *Stage) ended(p *playing) {
	if p.left.Add(-1) > 0 {
		return
	}
	p.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.playing, p.id)
	s.sayLocked(flow.Played{ID: p.id, Failure: p.failure})
}

// stop ends a Play. Its Played follows from there.
func (s *Stage) stop(p *playing) {
	s.mu.Lock()
	p.stopped = true
	queued := p.queued
	s.mu.Unlock()
	p.cancel()
	for i := len(queued) - 1; i >= 0; i-- { // the last first, or the next would begin
		queued[i].Stop()
	}
}
