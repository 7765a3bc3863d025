// SPDX-License-Identifier: Apache-2.0

package webrtc

import "sync"

// queue has packets wait for the one goroutine that takes them, up to a number. Above, the oldest are dropped: nobody would want
// to hear them.
type queue struct {
	free *freelist
	most int

	mu         sync.Mutex // guards
	filled     sync.Cond
	head, tail *packet
	count      int
	reading    bool // somebody waits for filled
	closed     bool
}

func (q *queue) init(free *freelist, most int) {
	q.free, q.most = free, most
	q.filled.L = &q.mu
}

// push takes a packet, and gives another for it.
func (q *queue) push(p *packet) *packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return p
	}
	if q.head == nil {
		q.head = p
	} else {
		q.tail.next = p
	}
	q.tail = p
	if q.reading {
		q.reading = false
		q.filled.Signal()
	}
	if q.count == q.most {
		return q.popLocked()
	}
	q.count++
	return q.free.take()
}

func (q *queue) popLocked() *packet {
	p := q.head
	q.head, p.next = p.next, nil
	return p
}

func (q *queue) awaitLocked() {
	for q.head == nil && !q.closed {
		q.reading = true
		q.filled.Wait()
	}
}

// one waits for a packet; nil once it is closed.
func (q *queue) one() *packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.awaitLocked(); q.closed {
		return nil
	}
	q.count--
	return q.popLocked()
}

// all waits for packets, and gives what there is, each with the next; nil once it is closed and there are none left.
func (q *queue) all() *packet {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.awaitLocked()
	first := q.head
	q.head, q.tail, q.count = nil, nil, 0
	return first
}

// close takes no more.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}
