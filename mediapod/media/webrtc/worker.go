// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"sync"
	"time"
)

// worker decrypts and delivers what takes the shortcut. There is one for each processor, and a session has the same one
// always. It is woken once for all that has gathered meanwhile, not for every packet.
type worker struct {
	free *freelist

	mu         sync.Mutex // guards
	filled     sync.Cond
	head, tail *packet
	count      int
	reading    bool // it waits for filled
	closed     bool
}

// maxBehind is how many packets may wait for a worker: those of 500 calls in a third of a second. Above, the oldest are
// dropped: nobody would want to hear them.
const maxBehind = 8192

// shortened is who takes packets past pion: a peer.
type shortened interface {
	takes(raw []byte) (track int, ok bool)
	take(track int, raw []byte, at time.Time, buf []byte) (passOn bool)
}

func newWorker(free *freelist) *worker {
	w := &worker{free: free}
	w.filled.L = &w.mu
	return w
}

// push takes a packet, and gives another for it.
func (w *worker) push(p *packet) *packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return p
	}
	if w.head == nil {
		w.head = p
	} else {
		w.tail.next = p
	}
	w.tail = p
	if w.reading {
		w.reading = false
		w.filled.Signal()
	}
	if w.count == maxBehind {
		oldest := w.head
		w.head, oldest.next = oldest.next, nil
		return oldest
	}
	w.count++
	return w.free.take()
}

// wait gives all that there is; nil at the end.
func (w *worker) wait() *packet {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.head == nil && !w.closed {
		w.reading = true
		w.filled.Wait()
	}
	all := w.head
	w.head, w.tail, w.count = nil, nil, 0
	return all
}

func (w *worker) run() {
	var buf [maxDatagram]byte
	for all := w.wait(); all != nil; all = w.wait() {
		now := time.Now()
		for all != nil {
			p := all
			all, p.next = p.next, nil
			if p.conn.short.take(p.track, p.buf[:p.n], now, buf[:0]) {
				p = p.conn.push(p)
			}
			w.free.give(p)
		}
	}
}

// close has it end when it has delivered what there is.
func (w *worker) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.filled.Broadcast()
}
