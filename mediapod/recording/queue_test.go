// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"
)

// What comes out is what went in, in order; what did not fit is missing, and the next record says so.
func TestQueueKeepsOrderAndTellsOfLoss(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	q := newQueue(4096)
	pushed, popped, lost := uint32(0), uint32(0), 0
	for range 20_000 {
		if rng.IntN(2) == 0 {
			n := 4 + rng.IntN(700)
			if b := q.reserve(kindOpus, time.Duration(pushed), n); b != nil {
				binary.LittleEndian.PutUint32(b, pushed)
				b[n-1] = byte(pushed)
				if n == 4 {
					binary.LittleEndian.PutUint32(b, pushed)
				}
				q.commit(n)
			} else {
				lost++
			}
			pushed++
			continue
		}
		r, ok := q.peek(q.tail.Load())
		if !ok {
			continue
		}
		n := binary.LittleEndian.Uint32(r.data)
		if n < popped || r.at != time.Duration(n) || r.kind != kindOpus {
			t.Fatalf("record %d at %d after %d", n, r.at, popped)
		}
		if r.torn != (n > popped) {
			t.Fatalf("record %d after %d: torn %v", n, popped, r.torn)
		}
		popped = n + 1
		q.pop(r)
	}
	if lost == 0 || popped < 1000 {
		t.Errorf("%d of %d did not fit, %d came out", lost, pushed, popped)
	}
}

func TestQueueRefusesWhatNeverFits(t *testing.T) {
	q := newQueue(1024)
	if q.reserve(kindKey, 0, 1024) != nil {
		t.Error("a record larger than the queue is taken")
	}
	b := q.reserve(kindKey, 0, 1008)
	if len(b) != 1008 {
		t.Fatalf("a record as large as the queue has %d bytes", len(b))
	}
	q.commit(1008)
	if q.reserve(kindKey, 0, 0) != nil {
		t.Error("a full queue takes one more")
	}
	r, ok := q.peek(q.tail.Load())
	if !ok || len(r.data) != 1008 || !r.torn {
		t.Errorf("%d bytes, %v", len(r.data), ok)
	}
	q.pop(r)
	if _, ok := q.peek(q.tail.Load()); ok {
		t.Error("an empty queue has a record")
	}
}

// One offers while the other writes: for the race detector.
func TestQueueHasTwoEnds(t *testing.T) {
	q := newQueue(4096)
	const records = 20_000
	done := make(chan uint32)
	go func() {
		next := uint32(0)
		for next < records {
			r, ok := q.peek(q.tail.Load())
			if !ok {
				runtime.Gosched()
				continue
			}
			if binary.LittleEndian.Uint32(r.data) != next {
				break
			}
			next++
			q.pop(r)
		}
		done <- next
	}()
	for n := uint32(0); n < records; {
		size := 4 + int(n%300)
		b := q.reserve(kindPCM, 0, size)
		if b == nil {
			select {
			case got := <-done:
				t.Fatalf("%d records came out in order", got)
			default:
				runtime.Gosched()
			}
			continue
		}
		binary.LittleEndian.PutUint32(b, n)
		q.commit(size)
		n++
	}
	if got := <-done; got != records {
		t.Errorf("%d records came out in order", got)
	}
}
