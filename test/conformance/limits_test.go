// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/teamsim/admin"
)

func TestQuotasAreUnderstood(t *testing.T) {
	for name, c := range map[string]struct {
		quota  admin.Quota
		reason string
		says   string
	}{
		"calls of a month":  {admin.Quota{Monthly: 1}, graph.ReasonQuotaExceeded, "next month"},
		"calls at one time": {admin.Quota{Concurrent: 1, RetryAfterSeconds: 61}, graph.ReasonThrottled, "1m1s"}, // longer than the client waits by itself
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.must(s.admin.SetQuota(t.Context(), appID, c.quota))
			_, joined := s.meeting()
			_, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
			s.must(err)
			_, err = s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
			if e := graph.ExplainError(err); e.Reason != c.reason || !strings.Contains(e.Message(), c.says) {
				t.Errorf("%v, explained as %+v", err, e)
			}
		})
	}
}

func TestThrottlingIsWaitedFor(t *testing.T) {
	s := start(t)
	s.must(s.admin.AddFault(t.Context(), admin.Fault{Method: http.MethodPost, PathContains: "/calls", Status: http.StatusTooManyRequests, RetryAfterSeconds: 1}))
	_, joined := s.meeting()
	began := time.Now()
	call, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
	s.must(err)
	if waited := time.Since(began); waited < time.Second {
		t.Errorf("asked again after %s, though told to wait a second", waited)
	}
	s.bot.waitState(call.ID, graph.StateEstablished)
}

// A request that fails on its way must not become two bots in the meeting.
func TestAFailedJoinIsNotRepeated(t *testing.T) {
	s := start(t)
	s.must(s.admin.AddFault(t.Context(), admin.Fault{Method: http.MethodPost, PathContains: "/calls", Status: http.StatusServiceUnavailable}))
	_, joined := s.meeting()
	_, err := s.graph.CreateCall(t.Context(), scenario, s.request(joined.Apply))
	var e *graph.Error
	if !errors.As(err, &e) || e.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("got %v", err)
	}
	calls, err := s.admin.Calls(t.Context())
	s.must(err)
	if len(calls) != 0 {
		t.Errorf("%d calls were made", len(calls))
	}
}
