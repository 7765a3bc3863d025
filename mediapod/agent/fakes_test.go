// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// service plays signalling and the far side of the media: calls are answered at once unless told otherwise.
type service struct {
	mu       sync.Mutex
	joins    []signaling.JoinRequest
	calls    map[string]*fakeCall // by session UID, the newest
	hungUp   []string             // ids hung up for processes that are gone
	adopts   []signaling.AdoptRequest
	released []string
	holdJoin bool // calls stay in Joining
	holdEnd  bool // calls that are asked to leave end only when the test ends them
}

func newService() *service { return &service{calls: map[string]*fakeCall{}} }

func (s *service) Join(req signaling.JoinRequest) (signalCall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joins = append(s.joins, req)
	c := &fakeCall{done: make(chan struct{}), onChange: req.OnChange, stays: s.holdEnd}
	c.snap = signaling.Snapshot{Phase: signaling.PhaseJoining, ScenarioID: req.ScenarioID, Created: time.Now(), Group: len(req.Targets) != 1}
	s.calls[req.UID] = c
	if !s.holdJoin {
		go c.establish()
	}
	return c, nil
}

// Adopt takes over a call that is established already.
func (s *service) Adopt(req signaling.AdoptRequest) (signalCall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adopts = append(s.adopts, req)
	c := &fakeCall{done: make(chan struct{}), onChange: req.OnChange, stays: s.holdEnd}
	c.snap = signaling.Snapshot{
		Phase: signaling.PhaseEstablished, State: graph.StateEstablished, Hosting: graph.ServiceHosted, Group: req.Group, MediaActive: true,
		CallID: req.CallID, ChainID: req.ChainID, ScenarioID: req.ScenarioID, Established: req.Before.Established,
		Events: []signaling.Event{{Time: time.Now(), Event: "Adopted"}},
	}
	s.calls[req.UID] = c
	return c, nil
}

// Release lets a call go without hanging up.
func (s *service) Release(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.calls[uid]
	if c == nil {
		return
	}
	delete(s.calls, uid)
	s.released = append(s.released, uid)
	close(c.done)
}

// answer does what signalling does with an incoming call that is to be answered.
func (s *service) answer(in signaling.Incoming, d signaling.Decision) *fakeCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &fakeCall{done: make(chan struct{}), onChange: d.Answer.OnChange, stays: s.holdEnd}
	c.snap = signaling.Snapshot{
		Phase: signaling.PhaseJoining, State: graph.StateIncoming, Unanswered: true, Group: in.Group, TenantID: in.TenantID, CallID: in.CallID, ChainID: in.ChainID,
		ScenarioID: d.Answer.ScenarioID, Events: []signaling.Event{{Time: time.Now(), Event: "Incoming"}},
	}
	s.calls[d.Answer.UID] = c
	return c
}

func (s *service) HangUpRemote(_ context.Context, _, callID, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hungUp = append(s.hungUp, callID)
	return errors.New("Graph is away") // the record must be closed all the same
}

func (s *service) call(t *testing.T, uid string) *fakeCall {
	t.Helper()
	var c *fakeCall
	await(t, "the call to be made", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		c = s.calls[uid]
		return c != nil
	})
	return c
}

func (s *service) adopted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.adopts)
}

func (s *service) joined() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.joins)
}

type fakeCall struct {
	mu       sync.Mutex
	snap     signaling.Snapshot
	asked    signaling.EndReason
	wants    []signaling.Wants
	acts     []signaling.Action
	act      func(signaling.Action) (signaling.Result, error) // nil: everything succeeds at once
	stays    bool
	done     chan struct{}
	onChange func()
	keys     []graph.Tone
	pressed  chan struct{} // closed with the next key
}

func (c *fakeCall) Snapshot() signaling.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.snap
}

func (c *fakeCall) leaving() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asked != ""
}

func (c *fakeCall) Want(w signaling.Wants) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wants = append(c.wants, w)
}

func (c *fakeCall) wanted() signaling.Wants {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wants) == 0 {
		return signaling.Wants{}
	}
	return c.wants[len(c.wants)-1]
}

func (c *fakeCall) Tones() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.keys)
}

func (c *fakeCall) NextTone(ctx context.Context, position int) (graph.ToneInfo, int, error) {
	for {
		c.mu.Lock()
		keys := c.keys
		if c.pressed == nil {
			c.pressed = make(chan struct{})
		}
		pressed := c.pressed
		c.mu.Unlock()
		if position < len(keys) {
			return graph.ToneInfo{Tone: keys[position]}, position, nil
		}
		select {
		case <-pressed:
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, tones...)
	if c.pressed != nil {
		close(c.pressed)
		c.pressed = nil
	}
}

func (c *fakeCall) Act(_ context.Context, _ string, a signaling.Action) (signaling.Result, error) {
	c.mu.Lock()
	c.acts = append(c.acts, a)
	act := c.act
	c.mu.Unlock()
	if act == nil {
		return signaling.Result{}, nil
	}
	return act(a)
}

func (c *fakeCall) acted() []signaling.Action {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]signaling.Action(nil), c.acts...)
}

func (c *fakeCall) Done() <-chan struct{} { return c.done }

func (c *fakeCall) change(f func(*signaling.Snapshot)) {
	c.mu.Lock()
	f(&c.snap)
	c.mu.Unlock()
	c.onChange()
}

func (c *fakeCall) establish() {
	c.change(func(s *signaling.Snapshot) {
		s.Phase, s.State, s.CallID, s.ChainID = signaling.PhaseEstablished, graph.StateEstablished, "call-1", "chain-1"
		s.Established = time.Now()
		s.Participants = []graph.Participant{{ID: "p1"}, {ID: "p2", IsMuted: true}}
		s.ParticipantCount = 2
		s.Events = append(s.Events, signaling.Event{Time: time.Now(), Event: "Established"})
	})
}

// end is the far side's doing.
func (c *fakeCall) end(e signaling.End) {
	c.change(func(s *signaling.Snapshot) {
		s.Phase, s.End, s.Ended = signaling.PhaseEnded, &e, time.Now()
		s.Result = &graph.ResultInfo{Code: 200, Subcode: 4097, Message: "over"}
	})
	close(c.done)
}

func (c *fakeCall) HangUp(why signaling.EndReason) {
	c.mu.Lock()
	again := c.asked != ""
	if !again {
		c.asked = why
	}
	c.mu.Unlock()
	if !again && !c.stays {
		go c.end(signaling.EndFor(why))
	}
}

// ears plays the media engine.
type ears struct {
	mu     sync.Mutex
	stats  media.Stats
	state  media.State
	opened []media.CallOptions
	muted  bool
	closed int
	listen int
	closes func()
	health media.Health
	taps   []media.Tap
	sinks  map[media.VideoSink]media.VideoFilter
	onKey  func(media.Key)
}

func (e *ears) NewCall(o media.CallOptions) (mediaCall, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = append(e.opened, o)
	return e, nil
}

func (e *ears) Endpoint() (url, token string) { return "https://192.0.2.1:8445/whip/x", "token" }

func (e *ears) Health() media.Health {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.health
}

func (e *ears) feels(h media.Health) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.health = h
}

func (e *ears) AddTap(t media.Tap) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taps = append(e.taps, t)
}

func (e *ears) RemoveTap(t media.Tap) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.taps = slices.DeleteFunc(e.taps, func(other media.Tap) bool { return other == t })
}

func (e *ears) WatchVideo(s media.VideoSink, f media.VideoFilter) (stop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.sinks == nil {
		e.sinks = map[media.VideoSink]media.VideoFilter{}
	}
	e.sinks[s] = f
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.sinks, s)
	}
}

// show gives a frame to those who watch, and says how many do.
func (e *ears) show(f *media.VideoFrame) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	for s := range e.sinks {
		s.VideoFrame(f)
	}
	return len(e.sinks)
}

// hear gives a frame to those who tap, and says how many do.
func (e *ears) hear(f *media.Frame) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, t := range e.taps {
		t.Tap(f)
	}
	return len(e.taps)
}

// Play ends what is played at once.
func (e *ears) Play(_ *media.Clip, o media.PlayOptions) *media.Playback {
	if o.Ended != nil {
		go o.Ended()
	}
	return nil
}

func (e *ears) OnKey(told func(media.Key)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.onKey = told
}

func (e *ears) ListenURL() string { return "https://192.0.2.1:8445/whep/x" }

func (e *ears) Listeners() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.listen
}

func (e *ears) State() media.State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

func (e *ears) Stats() media.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stats
}

func (e *ears) SetMuted(muted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.muted = muted
}

func (e *ears) isMuted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.muted
}

func (e *ears) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed++
	if e.closes != nil {
		e.closes()
	}
}

// onClose has something done when a call is closed.
func (e *ears) onClose(do func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closes = do
}

// listens has so many people listen in.
func (e *ears) listens(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.listen = n
}

func (e *ears) set(state media.State, a media.AudioStats) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.state, e.stats.Audio = state, a
}

func (e *ears) left() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.opened) - e.closed
}

// files plays the prompt library.
type files struct {
	mu     sync.Mutex
	err    error
	asked  int
	prompt graph.MediaInfo
}

func (f *files) Fetch(context.Context, *callfleetv1.Play) (prompts.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return prompts.File{Raw: tone(), From: "the file"}, f.err
}

func (f *files) MediaInfo(context.Context, *callfleetv1.Play) (graph.MediaInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return f.prompt, f.err
}

func (f *files) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// tone is a second of 16 kHz 16-bit mono.
func tone() []byte {
	var b bytes.Buffer
	samples := make([]int16, 16000)
	for i := range samples {
		samples[i] = int16(i%2000 - 1000)
	}
	if err := wav.Encode(&b, wav.Clip{SampleRate: 16000, Samples: samples}); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
