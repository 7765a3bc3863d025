// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// These tests run in a synctest bubble: time passes when everybody waits, and a
// goroutine that outlives the test fails it.

// join begins a call and waits until Graph's answer has been dealt with.
func join(t *testing.T, s *Server, changes ...func(*JoinRequest)) *Call {
	t.Helper()
	req := JoinRequest{UID: testUID, Meeting: testMeeting(), ScenarioID: "scenario", Blob: testBlob}
	for _, change := range changes {
		change(&req)
	}
	c, err := s.Join(req)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c
}

// tell delivers notifications about the session's call as one request.
func tell(t *testing.T, s *Server, batch ...graph.Notification) {
	t.Helper()
	if held, ok := s.deliver(testUID, batch); held && !ok {
		t.Fatal("the queue is full")
	}
	synctest.Wait()
}

// establish brings a call to where the bot is in the meeting with one person.
func establish(t *testing.T, s *Server) {
	t.Helper()
	tell(t, s, updated(testCallID, graph.StateEstablished), rosterOf(testCallID, bot(), person(1)))
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func stop(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func wantEnd(t *testing.T, c *Call, reason EndReason) Snapshot {
	t.Helper()
	select {
	case <-c.Done():
	default:
		t.Fatalf("the call is not over but %s", c.Snapshot().Phase)
	}
	s := c.Snapshot()
	if s.Phase != PhaseEnded || s.End == nil || s.End.Reason != reason {
		t.Fatalf("phase %s with end %+v, want it ended with %s", s.Phase, s.End, reason)
	}
	if s.End.Message == "" || s.Ended.IsZero() {
		t.Errorf("end %+v at %s, want a message and a time", s.End, s.Ended)
	}
	return s
}

func wantPhase(t *testing.T, c *Call, phase Phase) {
	t.Helper()
	if got := c.Snapshot().Phase; got != phase {
		t.Fatalf("phase %s, want %s", got, phase)
	}
}
