// SPDX-License-Identifier: Apache-2.0

package router

import (
	"container/list"
	"context"
	"net/netip"
	"sync"
	"time"
)

// laneClass says how far a request is trusted; also a label of metrics.
type laneClass string

const (
	// laneProven: a pod found the token good lately.
	laneProven laneClass = "proven"
	// laneUnproven: nobody has judged the token yet. The first request with a new token goes here too, once an hour.
	laneUnproven laneClass = "unproven"
	// lanePrompt: recordings, which are fetched without a token.
	lanePrompt laneClass = "prompt"
)

// laneLimit bounds one lane of one bot.
type laneLimit struct {
	inFlight int // requests on their way at a time
	waiting  int // more that wait for that, first come first served
	// perSource bounds what of both one address may hold, so that one that floods leaves room for others; 0: everything.
	perSource int
	// everywhere bounds both for all bots together, for the sake of memory.
	everywhere int
	// patience is how long a request waits.
	patience time.Duration
}

// An answer to a call is due 15 s after its notification, 5 s if a policy records it. A pod says what it thinks of a token
// within a millisecond, so more than 64 at a time would only wait in the pod. Waiting costs little beside the connection, so many
// may: a flood then holds up the first request with a new token for as long as pods take to judge those before it.
var laneLimits = map[laneClass]laneLimit{
	laneProven:   {inFlight: 512, waiting: 2048, everywhere: 8192, patience: 4 * time.Second},
	laneUnproven: {inFlight: 64, waiting: 2048, perSource: 1536, everywhere: 4096, patience: 4 * time.Second},
	lanePrompt:   {inFlight: 64, waiting: 512, perSource: 384, everywhere: 1024, patience: 4 * time.Second},
}

type laneKey struct {
	bot   Bot
	class laneClass
}

// lanes admits requests: for each bot and class so many at a time, and the others wait their turn.
type lanes struct {
	limits map[laneClass]laneLimit

	mu    sync.Mutex
	lanes map[laneKey]*lane
	total map[laneClass]int
}

// lane of one bot and class; it exists only while there is a request in it.
type lane struct {
	inFlight int
	waiting  list.List // of chan struct{}, closed when it is that request's turn
	sources  map[netip.Addr]int
}

func newLanes(limits map[laneClass]laneLimit) *lanes {
	return &lanes{limits: limits, lanes: map[laneKey]*lane{}, total: map[laneClass]int{}}
}

// enter waits for the request's turn. It reports false if the lane is full, or the turn did not come in time; otherwise
// the caller leaves when the request is done.
func (l *lanes) enter(ctx context.Context, key laneKey, source netip.Addr) bool {
	limit := l.limits[key.class]
	l.mu.Lock()
	ln := l.lanes[key]
	if ln == nil {
		ln = &lane{sources: map[netip.Addr]int{}}
		l.lanes[key] = ln
	}
	free := ln.inFlight < limit.inFlight
	if l.total[key.class] >= limit.everywhere || limit.perSource > 0 && ln.sources[source] >= limit.perSource ||
		!free && ln.waiting.Len() >= limit.waiting {
		l.forgetIfEmpty(key, ln)
		l.mu.Unlock()
		return false
	}
	l.total[key.class]++
	ln.sources[source]++
	if free {
		ln.inFlight++
		l.mu.Unlock()
		return true
	}
	turn := make(chan struct{})
	place := ln.waiting.PushBack(turn)
	l.mu.Unlock()

	patience := time.NewTimer(limit.patience)
	defer patience.Stop()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	case <-patience.C:
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-turn: // it came after all
		return true
	default:
	}
	ln.waiting.Remove(place)
	l.giveBack(key, ln, source)
	return false
}

// leave makes room for the next.
func (l *lanes) leave(key laneKey, source netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lanes[key]
	if next := ln.waiting.Front(); next != nil {
		close(ln.waiting.Remove(next).(chan struct{})) // it takes over the place in flight
	} else {
		ln.inFlight--
	}
	l.giveBack(key, ln, source)
}

func (l *lanes) giveBack(key laneKey, ln *lane, source netip.Addr) {
	l.total[key.class]--
	if ln.sources[source]--; ln.sources[source] == 0 {
		delete(ln.sources, source)
	}
	l.forgetIfEmpty(key, ln)
}

func (l *lanes) forgetIfEmpty(key laneKey, ln *lane) {
	if ln.inFlight == 0 && ln.waiting.Len() == 0 {
		delete(l.lanes, key)
	}
}

// count is how many requests of a class are under way or wait.
func (l *lanes) count(class laneClass) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total[class]
}

// sourceOf is who sent a request, as far as addresses tell: whoever has one IPv6 address has the other 2^64 of its net.
func sourceOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	addr := at.Addr().Unmap()
	if addr.Is6() {
		if net, err := addr.WithZone("").Prefix(64); err == nil {
			return net.Addr()
		}
	}
	return addr
}
