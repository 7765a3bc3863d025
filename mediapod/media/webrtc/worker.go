// SPDX-License-Identifier: Apache-2.0

package webrtc

import "time"

// worker decrypts and delivers what takes the shortcut. There is one for each processor, and a session has the same one
// always. It is woken once for all that has gathered meanwhile, not for every packet.
type worker struct{ queue }

// maxBehind is how many packets may wait for a worker: those of 500 calls in a third of a second.
const maxBehind = 8192

// shortened is who takes packets past pion: a peer.
type shortened interface {
	takes(raw []byte) (track int, ok bool)
	take(track int, raw []byte, at time.Time, buf []byte) (passOn bool)
}

func newWorker(free *freelist) *worker {
	w := &worker{}
	w.init(free, maxBehind)
	return w
}

// run until the queue is closed and all of it is delivered.
func (w *worker) run() {
	var buf [maxDatagram]byte
	for all := w.all(); all != nil; all = w.all() {
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
