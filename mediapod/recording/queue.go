// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"sync/atomic"
	"time"
)

// kind is what a record in a queue is.
type kind uint8

const (
	kindPCM kind = iota + 1
	kindOpus
	kindDelta // a frame of video that needs those before
	kindKey
	kindSkip // nothing: the queue goes on at its beginning
)

// record is one frame in a queue. Its data are valid until it is popped.
type record struct {
	kind kind
	// torn says that something before it did not fit.
	torn bool
	at   time.Duration
	data []byte
}

// A record in the buffer: length, kind and torn, time; then the data, up to the next multiple of 16.
const (
	recordHead  = 16
	recordAlign = 16
)

// queue is a ring of bytes from those who offer to the one who writes. Who offers
// holds the track's lock; the writer needs none.
type queue struct {
	buf        []byte
	head, tail atomic.Uint64 // bytes ever popped, and pushed
	torn       bool
}

// newQueue makes one of so many bytes, a multiple of recordAlign.
func newQueue(bytes int) *queue { return &queue{buf: make([]byte, bytes)} }

// reserve returns room for n bytes, or nil when they do not fit. They are in the queue with commit.
func (q *queue) reserve(k kind, at time.Duration, n int) []byte {
	capacity := uint64(len(q.buf))
	size := uint64(recordHead+n+recordAlign-1) / recordAlign * recordAlign
	tail := q.tail.Load()
	free := capacity - (tail - q.head.Load())
	pos := tail % capacity
	if rest := capacity - pos; size > rest { // a record is in one piece
		if size+rest > free {
			q.torn = true
			return nil
		}
		q.buf[pos+4] = byte(kindSkip)
		tail += rest
		q.tail.Store(tail)
		pos = 0
	} else if size > free {
		q.torn = true
		return nil
	}
	b := q.buf[pos : pos+size]
	binary.LittleEndian.PutUint32(b, uint32(n))
	b[4], b[5] = byte(k), 0
	if q.torn {
		b[5], q.torn = 1, false
	}
	binary.LittleEndian.PutUint64(b[8:], uint64(at))
	return b[recordHead : recordHead+n]
}

// commit hands over what was reserved with n bytes.
func (q *queue) commit(n int) {
	size := uint64(recordHead+n+recordAlign-1) / recordAlign * recordAlign
	q.tail.Store(q.tail.Load() + size)
}

// peek returns the oldest record that was committed before the tail was at end.
func (q *queue) peek(end uint64) (r record, ok bool) {
	capacity := uint64(len(q.buf))
	for {
		head := q.head.Load()
		if head >= end {
			return record{}, false
		}
		pos := head % capacity
		b := q.buf[pos:]
		if kind(b[4]) == kindSkip {
			q.head.Store(head + capacity - pos)
			continue
		}
		n := binary.LittleEndian.Uint32(b)
		return record{
			kind: kind(b[4]), torn: b[5] != 0, at: time.Duration(binary.LittleEndian.Uint64(b[8:])),
			data: b[recordHead : recordHead+n],
		}, true
	}
}

// pop gives the room of the record that was peeked back.
func (q *queue) pop(r record) {
	size := uint64(recordHead+len(r.data)+recordAlign-1) / recordAlign * recordAlign
	q.head.Store(q.head.Load() + size)
}
