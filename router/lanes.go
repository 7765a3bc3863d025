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
	waiting  int // more that wait for that; of one address first come first served, the addresses in turn
	// perSource bounds what of both one address may hold, so that one that floods leaves room for others; 0: everything.
	perSource int
	// assured is how many of one address may wait although others have filled the queue.
	assured int
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
	laneUnproven: {inFlight: 64, waiting: 2048, perSource: 1536, assured: 64, everywhere: 4096, patience: 4 * time.Second},
	lanePrompt:   {inFlight: 64, waiting: 512, perSource: 384, assured: 16, everywhere: 1024, patience: 4 * time.Second},
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
	waiting  int
	sources  map[netip.Addr]*source
	turns    list.List // of *source, those with waiting requests, who is next first
}

// source is an address that holds places of a lane. Addresses take turns, so that whoever sends much waits for itself.
type source struct {
	held    int       // under way or waiting
	waiting list.List // of chan struct{}, closed when it is that request's turn
	turn    *list.Element
}

// wait queues a request.
func (ln *lane) wait(src *source) *list.Element {
	ln.waiting++
	if src.turn == nil {
		src.turn = ln.turns.PushBack(src)
	}
	return src.waiting.PushBack(make(chan struct{}))
}

// unqueue takes a request out of the queue.
func (ln *lane) unqueue(src *source, place *list.Element) (turn chan struct{}) {
	ln.waiting--
	turn = src.waiting.Remove(place).(chan struct{})
	if src.waiting.Len() == 0 {
		ln.turns.Remove(src.turn)
		src.turn = nil
	}
	return turn
}

// next tells the next request in the queue that it is its turn.
func (ln *lane) next() bool {
	front := ln.turns.Front()
	if front == nil {
		return false
	}
	ln.turns.MoveToBack(front)
	src := front.Value.(*source)
	close(ln.unqueue(src, src.waiting.Front()))
	return true
}

func newLanes(limits map[laneClass]laneLimit) *lanes {
	return &lanes{limits: limits, lanes: map[laneKey]*lane{}, total: map[laneClass]int{}}
}

// enter waits for the request's turn. It reports false if the lane is full, or the turn did not come in time; otherwise
// the caller leaves when the request is done.
func (l *lanes) enter(ctx context.Context, key laneKey, from netip.Addr) bool {
	limit := l.limits[key.class]
	l.mu.Lock()
	ln := l.lanes[key]
	if ln == nil {
		ln = &lane{sources: map[netip.Addr]*source{}}
		l.lanes[key] = ln
	}
	src := ln.sources[from]
	if src == nil {
		src = &source{}
	}
	free := ln.inFlight < limit.inFlight
	if l.total[key.class] >= limit.everywhere || limit.perSource > 0 && src.held >= limit.perSource ||
		!free && ln.waiting >= limit.waiting && src.waiting.Len() >= limit.assured {
		l.forgetIfEmpty(key, ln)
		l.mu.Unlock()
		return false
	}
	l.total[key.class]++
	src.held++
	ln.sources[from] = src
	if free {
		ln.inFlight++
		l.mu.Unlock()
		return true
	}
	place := ln.wait(src)
	turn := place.Value.(chan struct{})
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
	ln.unqueue(src, place)
	l.giveBack(key, ln, from)
	return false
}

// leave makes room for the next.
func (l *lanes) leave(key laneKey, from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lanes[key]
	if !ln.next() { // who is next takes over the place in flight
		ln.inFlight--
	}
	l.giveBack(key, ln, from)
}

func (l *lanes) giveBack(key laneKey, ln *lane, from netip.Addr) {
	l.total[key.class]--
	src := ln.sources[from]
	if src.held--; src.held == 0 {
		delete(ln.sources, from)
	}
	l.forgetIfEmpty(key, ln)
}

func (l *lanes) forgetIfEmpty(key laneKey, ln *lane) {
	if ln.inFlight == 0 && ln.waiting == 0 {
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
