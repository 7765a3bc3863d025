// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// service plays signalling and the far side of the media: calls are answered at once unless told otherwise.
type service struct {
	mu       sync.Mutex
	joins    []signaling.JoinRequest
	calls    map[string]*fakeCall // by session UID, the newest
	hungUp   []string             // ids hung up for processes that are gone
	holdJoin bool                 // calls stay in Joining
	holdEnd  bool                 // calls that are asked to leave end only when the test ends them
}

func newService() *service { return &service{calls: map[string]*fakeCall{}} }

func (s *service) Join(req signaling.JoinRequest) (signalCall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.joins = append(s.joins, req)
	c := &fakeCall{done: make(chan struct{}), onChange: req.OnChange, stays: s.holdEnd}
	c.snap = signaling.Snapshot{Phase: signaling.PhaseJoining, ScenarioID: req.ScenarioID, Created: time.Now()}
	s.calls[req.UID] = c
	if !s.holdJoin {
		go c.establish()
	}
	return c, nil
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

func (s *service) joined() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.joins)
}

type fakeCall struct {
	mu       sync.Mutex
	snap     signaling.Snapshot
	asked    signaling.EndReason
	stays    bool
	done     chan struct{}
	onChange func()
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
	closed int
}

func (e *ears) NewCall(o media.CallOptions) (mediaCall, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.opened = append(e.opened, o)
	return e, nil
}

func (e *ears) Endpoint() (url, token string) { return "https://192.0.2.1:8445/whip/x", "token" }

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

func (e *ears) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed++
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

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited 20 s for %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}
