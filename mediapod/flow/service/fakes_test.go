// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// fakeCall is a call as signalling tells of it. What the service does is in handle; what is not there succeeds at once.
type fakeCall struct {
	mu      sync.Mutex
	snap    signaling.Snapshot
	acts    []signaling.Action
	handle  func(ctx context.Context, a signaling.Action) (signaling.Result, error)
	tones   []graph.Tone
	pressed chan struct{}
	done    chan struct{}
	hungUp  signaling.EndReason
	changed func()
}

func newFakeCall() *fakeCall {
	return &fakeCall{
		snap:    signaling.Snapshot{Phase: signaling.PhaseEstablished, Hosting: graph.ServiceHosted, CallID: "call-1"},
		pressed: make(chan struct{}), done: make(chan struct{}), changed: func() {},
	}
}

func (c *fakeCall) Snapshot() signaling.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snap
}

func (c *fakeCall) Done() <-chan struct{} { return c.done }

func (c *fakeCall) HangUp(why signaling.EndReason) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hungUp == "" {
		c.hungUp = why
	}
}

func (c *fakeCall) Act(ctx context.Context, _ string, a signaling.Action) (signaling.Result, error) {
	c.mu.Lock()
	c.acts = append(c.acts, a)
	handle := c.handle
	c.mu.Unlock()
	if handle == nil {
		return signaling.Result{}, nil
	}
	return handle(ctx, a)
}

// asked are the names of what was asked for.
func (c *fakeCall) asked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, a := range c.acts {
		names = append(names, a.Name())
	}
	return strings.Join(names, ", ")
}

func (c *fakeCall) NextTone(ctx context.Context, position int) (graph.ToneInfo, int, error) {
	for {
		c.mu.Lock()
		more := c.pressed
		if position < len(c.tones) {
			defer c.mu.Unlock()
			return graph.ToneInfo{Tone: c.tones[position]}, position, nil
		}
		c.mu.Unlock()
		select {
		case <-more:
		case <-c.done:
			return graph.ToneInfo{}, 0, signaling.ErrCallOver
		case <-ctx.Done():
			return graph.ToneInfo{}, 0, ctx.Err()
		}
	}
}

func (c *fakeCall) press(keys string) {
	tones, err := graph.ParseTones(keys)
	if err != nil {
		panic(err)
	}
	c.tone(tones...)
}

func (c *fakeCall) tone(tones ...graph.Tone) {
	c.mu.Lock()
	c.tones = append(c.tones, tones...)
	close(c.pressed)
	c.pressed = make(chan struct{})
	c.mu.Unlock()
}

func (c *fakeCall) change(f func(*signaling.Snapshot)) {
	c.mu.Lock()
	f(&c.snap)
	c.mu.Unlock()
	c.changed()
}

func (c *fakeCall) end(why signaling.EndReason) {
	end := signaling.EndFor(why)
	c.change(func(s *signaling.Snapshot) { s.Phase, s.End = signaling.PhaseEnded, &end })
	close(c.done)
}

// plain writes an event with its members' names, as its String does not.
var plain = strings.NewReplacer("flow.", "", `"`, "", ", ", " ")

// scene is a stage with a call, and everything around it.
type scene struct {
	t      *testing.T
	call   *fakeCall
	second *fakeCall // of a consultative transfer
	stage  *Stage

	mu      sync.Mutex
	told    []string
	wishes  Wishes
	refused bool // wishes are not granted
	kept    map[string]string
	broken  error // of the keeper
	missing map[string]bool
	silent  bool
	trouble []string
	hangUps int
	rings   time.Duration
}

// perform runs a play of one call, in simulated time.
func perform(t *testing.T, play func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &scene{t: t, call: newFakeCall(), second: newFakeCall(), kept: map[string]string{}, missing: map[string]bool{}}
		s.second.snap.Phase = signaling.PhaseJoining
		defer func() {
			if s.stage != nil {
				s.stage.Close()
			}
			s.wait(time.Second) // for wishes on their way
		}()
		play(s)
	})
}

// open makes the stage.
func (s *scene) open() *Stage {
	s.stage = New(Config{
		SignalsConfig: SignalsConfig{
			Call: s.call, Wish: s.wish, HangUp: func() { s.mu.Lock(); defer s.mu.Unlock(); s.hangUps++ },
			Consult: func(to graph.IdentitySet, ringing time.Duration, changed func()) (Call, error) {
				s.rings, s.second.changed = ringing, changed
				if to.Phone != nil {
					return nil, errors.New("no source")
				}
				return s.second, nil
			},
			Clock: clock.RealClock{}, Log: logr.Discard(),
		},
		Library: s, Keeper: s, Silent: func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.silent },
		Trouble: func(m string) { s.mu.Lock(); defer s.mu.Unlock(); s.trouble = append(s.trouble, m) },
	}, func(e flow.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.told = append(s.told, plain.Replace(fmt.Sprintf("%#v", e)))
	})
	s.call.changed = s.stage.Changed
	synctest.Wait()
	return s.stage
}

func (s *scene) wished() Wishes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wishes
}

// wish grants at once what signalling would, in a moment.
func (s *scene) wish(w Wishes) {
	s.mu.Lock()
	s.wishes = w
	refused := s.refused
	s.mu.Unlock()
	if refused {
		return
	}
	go func() {
		<-time.After(10 * time.Millisecond)
		s.call.change(func(snap *signaling.Snapshot) {
			snap.Recording = graph.NotRecording
			if w.Recording {
				snap.Recording = graph.Recording
			}
			snap.Invites = slices.DeleteFunc(slices.Clone(snap.Invites), func(i signaling.Invite) bool {
				return !slices.ContainsFunc(w.Invite, func(who graph.InvitationParticipantInfo) bool { return sameParty(who.Identity, i.Who.Identity) })
			})
			for _, who := range w.Invite {
				if !slices.ContainsFunc(snap.Invites, func(i signaling.Invite) bool { return sameParty(who.Identity, i.Who.Identity) }) {
					snap.Invites = append(snap.Invites, signaling.Invite{Who: who, State: signaling.InviteRinging})
				}
			}
		})
	}()
}

func (s *scene) MediaInfo(ctx context.Context, p flow.Prompt) (graph.MediaInfo, error) {
	s.mu.Lock()
	missing := s.missing[p.Text]
	s.mu.Unlock()
	if missing {
		return graph.MediaInfo{}, errors.New("there is no such file")
	}
	if p.Text == "slow" {
		<-ctx.Done()
		return graph.MediaInfo{}, ctx.Err()
	}
	return graph.MediaInfo{URI: p.Text}, nil
}

func (s *scene) Keep(_ context.Context, name string, wav io.Reader) error {
	raw, err := io.ReadAll(wav)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.kept[name] = string(raw)
	return err
}

// events are those told since they were asked for last.
func (s *scene) events() string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	told := strings.Join(s.told, ", ")
	s.told = nil
	return told
}

func (s *scene) expect(when, want string) {
	s.t.Helper()
	if got := s.events(); got != want {
		s.t.Errorf("%s: told %q, want %q", when, got, want)
	}
}

func (s *scene) wait(d time.Duration) { time.Sleep(d); synctest.Wait() }

// ended is an operation as the service says that it ended.
func ended(status graph.OperationStatus, code, subcode int, completion string) signaling.Result {
	return signaling.Result{Operation: &graph.Operation{ID: "op", Status: status, CompletionReason: completion, ResultInfo: &graph.ResultInfo{Code: code, Subcode: subcode}}}
}

// Failures as signalling words them.
var (
	throttled = &signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonThrottled, Temporary: true, Message: "Graph is throttling the app."}
	serverErr = &signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonRequestFailed, Temporary: true, Message: "Graph answered 503."}
	forbidden = &signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonPermissionMissing, Message: "Calls.AccessMedia.All is missing."}
	noCall    = &signaling.ActionError{Failure: signaling.ActionNotEstablished, Message: "The call is over, or about to be."}
	failedOp  = &signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonPromptInvalid, Message: "The service cannot play the prompt."}
	canceled  = &signaling.ActionError{Failure: signaling.ActionRefused, Reason: graph.ReasonOperationCanceled, Message: "The operation was cancelled."}
)

// playing has every prompt take so long, until it is stopped.
func (c *fakeCall) plays(long time.Duration) (stop func()) {
	stopped := make(chan struct{}, 8)
	c.handle = func(ctx context.Context, a signaling.Action) (signaling.Result, error) {
		switch a.(type) {
		case signaling.PlayPrompt:
			select {
			case <-time.After(long):
				return ended(graph.OperationCompleted, 200, 0, ""), nil
			case <-stopped:
				return ended(graph.OperationFailed, 400, 8508, "operationCanceled"), canceled
			case <-c.done:
				return signaling.Result{}, noCall
			case <-ctx.Done():
				return signaling.Result{}, &signaling.ActionError{Failure: signaling.ActionUncertain}
			}
		case signaling.StopMedia:
			stopped <- struct{}{}
		}
		return signaling.Result{}, nil
	}
	return func() { stopped <- struct{}{} }
}
