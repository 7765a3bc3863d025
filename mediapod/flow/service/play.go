// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

const (
	// stopAgain is how long the service gets to end what it was told to stop, before it is told again: the request may have overtaken
	// that for the prompt. It is above what a round trip and a notification take, and below what a caller takes for a machine that
	// does not listen.
	stopAgain = 500 * time.Millisecond
	// stopsTaken is after how many stops that the service has taken a prompt counts as ended, though nothing says so: the
	// notification was lost.
	stopsTaken = 2
)

var subscription = signaling.SubscribeToTones{}

// playing is the Play under way.
type playing struct {
	mu   sync.Mutex
	id   int64
	over chan struct{} // closed when it is to stop
}

func (p *playing) begin(id int64) (stopped <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.id, p.over = id, make(chan struct{})
	return p.over
}

// stop ends the Play with this ID; one that is over is none of it any more.
func (p *playing) stop(id int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.id == id && p.over != nil {
		close(p.over)
		p.over = nil
	}
}

func (s *Stage) play(p flow.Play) {
	stopped := s.playing.begin(p.ID)
	go func() {
		if failure, settled := s.playAll(p, stopped); settled {
			s.told(flow.Played{ID: p.ID, Failure: failure})
		}
	}()
}

// playAll plays the prompts that can be had. settled is false if the call is over, or let go of.
func (s *Stage) playAll(p flow.Play, stopped <-chan struct{}) (failure flow.Failure, settled bool) {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	infos, failure := s.find(ctx, p.Prompts, stopped)
	s.awaitSubscription(ctx)
	if len(infos) == 0 {
		return failure, s.life.Err() == nil
	}
	if p.Loop {
		infos = slices.Repeat(infos, max(1, signaling.MaxPrompts/len(infos)))
	}
	for !done(stopped) {
		if s.cfg.Silent() {
			if !p.Loop {
				return failure, s.life.Err() == nil // nobody hears it, and how long it is nobody here knows
			}
			if !s.waitAudible(stopped) {
				return failure, s.life.Err() == nil
			}
		}
		switch err := s.playOnce(ctx, infos, stopped); {
		case err != nil && s.over(err):
			return "", false
		case err != nil:
			s.cfg.Log.Info("prompts could not be played", "cause", err.Error())
			return flow.FailedPrompt, true
		case !p.Loop:
			return failure, true
		}
	}
	return failure, s.life.Err() == nil
}

func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// find looks the prompts up. What cannot be had is left out, and is the failure.
func (s *Stage) find(ctx context.Context, prompts []flow.Prompt, stopped <-chan struct{}) (infos []graph.MediaInfo, failure flow.Failure) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stopped:
			cancel()
		case <-ctx.Done():
		}
	}()
	for _, p := range prompts {
		info, err := s.cfg.Library.MediaInfo(ctx, p)
		switch {
		case err == nil:
			infos = append(infos, info)
		case ctx.Err() != nil:
			return nil, ""
		default:
			failure = flow.FailedPrompt
			s.cfg.Trouble("a prompt cannot be had: " + err.Error())
		}
	}
	return infos, failure
}

// waitAudible waits until the bot may be heard; it returns false if that is stopped first.
func (s *Stage) waitAudible(stopped <-chan struct{}) bool {
	for s.cfg.Silent() {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-stopped:
			return false
		case <-s.life.Done():
			return false
		}
	}
	return true
}

// playOnce plays one request of prompts to their end, or until it is stopped.
func (s *Stage) playOnce(ctx context.Context, infos []graph.MediaInfo, stopped <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		result, err := s.act(ctx, signaling.PlayPrompt{Prompts: infos})
		if reasonOf(result) == graph.ReasonOperationCanceled { // by StopPlaying, or by somebody's action
			err = nil
		}
		ended <- err
	}()
	select {
	case err := <-ended:
		return err
	case <-stopped:
		return s.stopMedia(ended)
	}
}

// stopMedia has the service stop, until it has.
func (s *Stage) stopMedia(ended <-chan error) error {
	for taken := 0; ; {
		stop := make(chan error, 1)
		go func() {
			_, err := s.cfg.Call.Act(s.life, "", signaling.StopMedia{})
			stop <- err
		}()
		again := s.cfg.Clock.NewTimer(stopAgain)
		for waits := true; waits; {
			select {
			case err := <-ended:
				// A request to stop that is still on its way would end what comes next.
				if stop != nil {
					select {
					case <-stop:
					case <-again.C():
					case <-s.life.Done():
					}
				}
				again.Stop()
				return err
			case err := <-stop:
				if stop = nil; err == nil {
					taken++
				}
			case <-again.C():
				waits = false
			}
		}
		if taken >= stopsTaken {
			return nil
		}
		if s.life.Err() != nil {
			return s.life.Err()
		}
	}
}

// reasonOf is how the service says an operation ended; "" if it says nothing.
func reasonOf(r signaling.Result) string {
	if r.Operation == nil {
		return ""
	}
	return graph.ExplainOperationEnd(r.Operation).Reason
}
