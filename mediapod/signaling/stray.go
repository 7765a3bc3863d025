// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

const (
	// maxOverCalls bounds the memory of calls that are over. A pod holds some tens
	// of calls, and what comes late comes within seconds.
	maxOverCalls = 4096

	// maxErrands bounds the requests under way for calls that are not held here.
	maxErrands = 64

	// errandTimeout bounds one of them with its retries.
	errandTimeout = time.Minute

	// hangUpTries bounds the tries to hang up such a call, on top of those the
	// Graph client makes for each.
	hangUpTries = 4
)

// overCalls remembers the calls that have ended or that are being ended, so that
// what they still say is not answered by hanging them up again.
type overCalls struct {
	mu     sync.Mutex
	ids    map[string]struct{}
	oldest []string // a ring
	next   int
}

func newOverCalls(most int) *overCalls {
	return &overCalls{ids: make(map[string]struct{}, most), oldest: make([]string, most)}
}

// add reports whether the id is new.
func (o *overCalls) add(callID string) bool {
	id := graph.NormalID(callID)
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, ok := o.ids[id]; ok {
		return false
	}
	delete(o.ids, o.oldest[o.next])
	o.ids[id] = struct{}{}
	o.oldest[o.next] = id
	o.next = (o.next + 1) % len(o.oldest)
	return true
}

func (o *overCalls) remove(callID string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.ids, graph.NormalID(callID))
}

func (o *overCalls) has(callID string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, ok := o.ids[graph.NormalID(callID)]
	return ok
}

// stray deals with a notification about a call that no session claims: the call is
// hung up, or else the bot would sit in a meeting without anybody knowing why.
//
// Those that come while the server stops are taken on only from calls, which
// Shutdown waits for; fromCall tells.
func (s *Server) stray(n graph.Notification, tenant string, fromCall bool) outcome {
	id := n.Resource.CallID
	switch {
	case id == "":
		return outcomeIgnored
	case terminal(n):
		s.over.add(id)
		return outcomeLate
	case s.over.has(id):
		return outcomeLate
	case s.find(id) != nil:
		// It came to the address of another session: the call itself is in order.
		return outcomeIgnored
	}
	s.forOther(id, scenarioOf(n), tenant, "hang up a call that no session claims", fromCall, s.hangUp)
	return outcomeStray
}

// scenarioOf is the id the service knows the conversation by.
func scenarioOf(n graph.Notification) string {
	if n.Call != nil && n.Call.CallChainID != "" {
		return n.Call.CallChainID
	}
	return uuid.NewString()
}

// errandFunc makes a request about a call that is not held here.
type errandFunc func(ctx context.Context, api GraphAPI, callID, scenarioID string) error

// forOther makes a request about a call that is not held here, once for each call
// however many notifications ask for it, and reports whether it is made or was. If it fails, the next one asks again.
func (s *Server) forOther(callID, scenarioID, tenant, what string, fromCall bool, do errandFunc) bool {
	if !s.over.add(callID) {
		return true
	}
	if scenarioID == "" {
		scenarioID = uuid.NewString()
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	// The lock keeps the group from growing out of nothing while Shutdown waits for it.
	if s.stopping && !fromCall {
		s.over.remove(callID)
		return false
	}
	select {
	case s.errand <- struct{}{}:
	default:
		s.over.remove(callID)
		s.log.Info("too much to do for calls that are not held here; if this lasts, Graph answers too slowly or refuses: see the errors logged before",
			"task", what, "call", callID, "underWay", maxErrands)
		return false
	}
	s.group.Go(func() {
		defer func() { <-s.errand }()
		ctx, cancel := context.WithTimeout(s.ctx, errandTimeout)
		defer cancel()
		if err := do(ctx, s.cfg.Graph(s.tenantOr(tenant)), callID, scenarioID); err != nil {
			s.over.remove(callID)
			s.log.Info("could not "+what, "call", callID, "scenario", scenarioID, "error", err.Error(), "cause", graph.ExplainError(err).Message())
			return
		}
		s.log.Info("did "+what, "call", callID, "scenario", scenarioID)
	})
	return true
}

// hangUp ends a call that is not held here. That it is gone is a success.
func (s *Server) hangUp(ctx context.Context, api GraphAPI, callID, scenarioID string) error {
	for try := 1; ; try++ {
		err := api.DeleteCall(ctx, scenarioID, callID)
		switch {
		case err == nil || graph.IsNotFound(err):
			return nil
		case try == hangUpTries || ctx.Err() != nil:
			return err
		}
		select {
		case <-s.clock.After(backOff(try)):
		case <-ctx.Done():
			return err
		}
	}
}
