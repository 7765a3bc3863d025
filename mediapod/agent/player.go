// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

const (
	// playTries bounds the tries to play what is to be heard once.
	playTries = 3
	// playRetry is the first pause before another try.
	playRetry = time.Second
	// maxPlayRetry is the longest.
	maxPlayRetry = time.Minute
)

// The events that tell another process not to play the prompt: it was heard, or somebody did not want it to be.
const (
	eventPromptPlayed  = "PromptPlayed"
	eventPromptStopped = "PromptStopped"
)

// player has the service play the behaviour's prompt, where the service has the call's media. It belongs to the runner's
// goroutine; the requests run beside it.
type player struct {
	prompt *graph.MediaInfo
	loop   bool

	done    bool
	playing chan error // of the request under way, nil if there is none; capacity 1
	hushed  bool       // what was playing is being stopped, for the bot is muted
	goesOn  chan error // why it could not be stopped; capacity 1
	tries   int
	next    time.Time // not before
}

// load sets what is to be played and gives what the service may fetch ahead. What was heard, or stopped, before this process
// took the call over is not played again.
func (p *player) load(does behavior, over bool) []graph.MediaInfo {
	p.prompt, p.loop = does.prompt, does.loop
	p.done = p.prompt == nil || over
	if p.done {
		return nil
	}
	return []graph.MediaInfo{*p.prompt}
}

// tend keeps the prompt playing as long as it should.
func (p *player) tend(ctx context.Context, r *runner, call signalCall) {
	if p.done && p.playing == nil {
		return
	}
	select {
	case err := <-p.playing:
		p.played(r, err)
	case err := <-p.goesOn:
		r.log.Info("the prompt could not be stopped, though the bot is muted", "cause", err.Error())
		p.hushed, p.next = false, r.agent.clock.Now().Add(playRetry)
	default:
	}
	now := r.agent.clock.Now()
	muted := r.story.Muted // the service mutes nobody in a call of two
	switch {
	case muted && p.playing != nil && !p.hushed && !now.Before(p.next):
		p.hush(ctx, r, call)
	case p.done, p.playing != nil, muted, r.story.Signal.Phase != signaling.PhaseEstablished, now.Before(p.next):
	default:
		p.hushed = false
		p.play(ctx, r, call)
	}
}

func (p *player) play(ctx context.Context, r *runner, call signalCall) {
	times := 1
	if p.loop {
		times = signaling.MaxPrompts
	}
	played := make(chan error, 1)
	p.playing = played
	prompts := slices.Repeat([]graph.MediaInfo{*p.prompt}, times)
	go func() {
		result, err := call.Act(ctx, "", signaling.PlayPrompt{Prompts: prompts})
		if stopped(result) {
			err = errStopped
		}
		played <- err
		r.poke()
	}()
}

// hush has the service stop what is playing.
func (p *player) hush(ctx context.Context, r *runner, call signalCall) {
	goesOn := make(chan error, 1)
	p.hushed, p.goesOn = true, goesOn
	go func() {
		if _, err := call.Act(ctx, "", signaling.StopMedia{}); err != nil {
			goesOn <- err
			r.poke()
		}
	}()
}

// errStopped: somebody had the service stop playing.
var errStopped = errors.New("stopped")

func stopped(result signaling.Result) bool {
	op := result.Operation
	return op != nil && op.ResultInfo != nil && graph.ExplainOperation(*op.ResultInfo).Reason == graph.ReasonOperationCanceled
}

// played is the end of a request to play.
func (p *player) played(r *runner, err error) {
	p.playing = nil
	var refusal *signaling.ActionError
	switch {
	case err == nil:
		p.done, p.tries, r.story.Unplayed = !p.loop, 0, ""
		p.tell(r, eventPromptPlayed, "")
	case errors.Is(err, errStopped) && p.hushed:
		p.done = !p.loop
		p.tell(r, eventPromptStopped, "the bot was muted")
	case errors.Is(err, errStopped): // by an action: whoever stops a loop wants it to stop
		p.done = true
		p.tell(r, eventPromptStopped, "by an action")
	case errors.As(err, &refusal) && refusal.Failure == signaling.ActionNotEstablished: // the call is about to end
	default:
		r.log.Info("the prompt could not be played", "cause", err.Error())
		p.tries++
		p.done = !p.loop && p.tries >= playTries
		p.next = r.agent.clock.Now().Add(min(playRetry<<min(p.tries-1, 10), maxPlayRetry))
		r.story.Unplayed = err.Error()
	}
}

// tell has the timeline say that there is nothing left to play, for whatever process goes on with the call.
func (p *player) tell(r *runner, event, detail string) {
	if p.done {
		r.story.PromptOver = true
		r.story.Note(story.Event(r.agent.clock.Now(), event, "%s", detail))
	}
}
