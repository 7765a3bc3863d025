// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// Call is one call as signalling runs it.
type Call interface {
	Snapshot() signaling.Snapshot
	Act(ctx context.Context, by string, a signaling.Action) (signaling.Result, error)
	HangUp(reason signaling.EndReason)
	Done() <-chan struct{}
	NextTone(ctx context.Context, position int) (tone graph.ToneInfo, at int, err error)
}

// Wishes are what a flow wants of its call, beside what the call's spec does.
type Wishes struct {
	Muted bool
	// Recording: everybody is to be told that the call is recorded.
	Recording bool
	Invite    []graph.InvitationParticipantInfo
}

// SignalsConfig is what Signals act in.
type SignalsConfig struct {
	Call Call
	// Wish is told whenever the wishes change. It returns at once.
	Wish func(Wishes)
	// HangUp ends the call. It returns at once, and knows why.
	HangUp func()
	// Consult calls somebody for a consultative transfer, in another call of the bot; changed is to be called when its Snapshot has
	// changed.
	Consult func(to graph.IdentitySet, ringing time.Duration, changed func()) (Call, error)
	Clock   clock.WithTicker
	Log     logr.Logger
}

// Signals carries out the commands that are signalling's wherever the media of the call is: Transfer, Invite, Mute and HangUp; and it
// tells when the call is over.
type Signals struct {
	cfg   SignalsConfig
	tell  func(flow.Event)
	life  context.Context
	close context.CancelFunc

	mu      sync.Mutex
	wishes  Wishes
	changed chan struct{} // closed when the call's snapshot has changed
	// transfer is the ID of the one under way; 0: none is.
	transfer int64
}

// NewSignals makes the Signals of one call. What happens is told by tell.
func NewSignals(cfg SignalsConfig, tell func(flow.Event)) *Signals {
	s := &Signals{cfg: cfg, tell: tell, changed: make(chan struct{})}
	s.life, s.close = context.WithCancel(context.Background())
	go s.awaitEnd()
	return s
}

// Do carries a command out, if it is one of signalling's, and says whether it is.
func (s *Signals) Do(c flow.Command) bool {
	switch c := c.(type) {
	case flow.Transfer:
		s.mu.Lock()
		s.transfer = c.ID
		s.mu.Unlock()
		go s.transferCall(c)
	case flow.Invite:
		go s.invite(c)
	case flow.Mute:
		s.wish(func(w *Wishes) { w.Muted = c.Muted })
	case flow.HangUp:
		s.cfg.HangUp()
	default:
		return false
	}
	return true
}

// Close lets go of what is under way, without events.
func (s *Signals) Close() { s.close() }

// Changed is to be called when the snapshot of the call has changed. It returns at once.
func (s *Signals) Changed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// Announce has everybody told that the call is recorded, and returns once the service has taken that in: nothing may be kept
// before (Graph, "call: updateRecordingStatus").
func (s *Signals) Announce(ctx context.Context) error {
	s.wish(func(w *Wishes) { w.Recording = true })
	var refused error
	told := func() bool {
		snap := s.cfg.Call.Snapshot()
		for _, r := range snap.Refusals {
			if r.What == signaling.WantRecording {
				refused = errors.New(r.Message)
				return true
			}
		}
		return snap.Recording == graph.Recording
	}
	if err := s.await(ctx, announceWithin, told); err != nil {
		return err
	}
	return refused
}

// Withdraw has everybody told that the call is not recorded any more.
func (s *Signals) Withdraw() { s.wish(func(w *Wishes) { w.Recording = false }) }

// announceWithin is how long the caller waits in silence for the service to take in that the call is recorded. Mostly it takes a
// fraction of a second; a service that is busy is asked again meanwhile.
const announceWithin = 10 * time.Second

// errTooLong: it did not come in time.
var errTooLong = errors.New("it took too long")

// await returns once the call is as it should be; errTooLong if that takes longer than it may.
func (s *Signals) await(ctx context.Context, most time.Duration, ok func() bool) error {
	late := s.cfg.Clock.NewTimer(most)
	defer late.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return nil
		}
		select {
		case <-changed:
		case <-late.C():
			return errTooLong
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// within bounds a context by the call's clock; its cause is errTooLong then.
func (s *Signals) within(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc) {
	bounded, cancel := context.WithCancelCause(ctx)
	late := s.cfg.Clock.NewTimer(most)
	go func() {
		defer late.Stop()
		select {
		case <-late.C():
			cancel(errTooLong)
		case <-bounded.Done():
		}
	}()
	return bounded, func() { cancel(nil) }
}

// pause waits, unless there is nothing left to wait for.
func (s *Signals) pause(ctx context.Context, d time.Duration) bool {
	timer := s.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-s.cfg.Call.Done():
	case <-ctx.Done():
	}
	return false
}

// rest waits, whether the call is over or not.
func (s *Signals) rest(ctx context.Context, d time.Duration) bool {
	timer := s.cfg.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Signals) wish(change func(*Wishes)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.wishes
	w.Invite = slices.Clone(w.Invite)
	change(&w)
	s.wishes = w
	s.cfg.Wish(w)
}

// awaitEnd tells when the call is over. One that goes on in another process is not.
func (s *Signals) awaitEnd() {
	select {
	case <-s.cfg.Call.Done():
	case <-s.life.Done():
		return
	}
	end := s.cfg.Call.Snapshot().End
	if end == nil {
		return
	}
	if id := s.takeTransfer(); id != 0 && end.Reason == signaling.EndTransferred {
		s.tell(flow.Transferred{ID: id})
	}
	s.tell(flow.Ended{})
}

// takeTransfer gives the ID of the transfer under way to the first who asks; what becomes of it is told once.
func (s *Signals) takeTransfer() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.transfer
	s.transfer = 0
	return id
}

// over: nothing more is to be told of what is under way, for the call has ended, or is about to, or is another's by now.
func (s *Signals) over(err error) bool {
	if s.life.Err() != nil {
		return true
	}
	select {
	case <-s.cfg.Call.Done():
		return true
	default:
	}
	refusal, ok := errors.AsType[*signaling.ActionError](err)
	return ok && refusal.Failure == signaling.ActionNotEstablished
}

const (
	// tries bounds the requests for one command, and retryAfter is the pause before the second, which doubles. The client of Graph
	// has waited and asked again by itself before.
	tries      = 3
	retryAfter = time.Second
)

// act has the service do something, and asks again while that may help.
func (s *Signals) act(ctx context.Context, a signaling.Action) (result signaling.Result, err error) {
	pause := s.pause
	if _, fetching := a.(signaling.FetchRecording); fetching { // what was recorded outlasts the call by a little
		pause = s.rest
	}
	for try := range tries {
		if result, err = s.cfg.Call.Act(ctx, "", a); err == nil {
			return result, nil
		}
		refusal, ok := errors.AsType[*signaling.ActionError](err)
		if !ok || !again(a, refusal) || result.Operation != nil || try == tries-1 || !pause(ctx, retryAfter<<try) {
			break
		}
	}
	return result, err
}

// again: asking again may help, and does no harm. A transfer that failed, or may have been done, has made somebody's telephone ring:
// whether it rings again is for the flow to say.
func again(a signaling.Action, refusal *signaling.ActionError) bool {
	if _, transfer := a.(signaling.Transfer); transfer {
		return refusal.Reason == graph.ReasonThrottled
	}
	return refusal.Temporary
}
