// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

// maxReplay is how much of a new call's body is kept while it goes out, so that it can go to another pod if the first
// one says after all that it is full. It is kept only once a pod has found the token good and asked for the body.
const maxReplay = 64 << 10

var errTakenBack = errors.New("the request went on to another pod, or ended")

// body is a request's on its way to a pod, perhaps to several in turn.
type body struct {
	source io.Reader
	keep   int // how much may be kept

	mu      sync.Mutex // held while reading from the source
	started bool
	kept    []byte
	lost    bool // more was read than is kept
	drained bool // everything was read
}

// open is for one attempt.
func (b *body) open() *reading { return &reading{body: b} }

// reading is an attempt's view of the body.
type reading struct {
	body  *body
	at    int
	ended atomic.Bool
}

func (r *reading) Read(p []byte) (int, error) {
	b := r.body
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.ended.Load() {
		return 0, errTakenBack
	}
	if r.at < len(b.kept) && !b.lost {
		n := copy(p, b.kept[r.at:])
		r.at += n
		return n, nil
	}
	if b.drained {
		return 0, io.EOF
	}
	b.started = true
	n, err := b.source.Read(p)
	r.at += n
	if len(b.kept)+n > b.keep {
		b.lost, b.kept = true, nil
	} else if !b.lost {
		b.kept = append(b.kept, p[:n]...)
	}
	b.drained = errors.Is(err, io.EOF)
	return n, err
}

// Close is called by the transport, whose business it is not.
func (r *reading) Close() error { return nil }

// end makes sure that the attempt reads no more.
func (r *reading) end() { r.ended.Store(true) }

// untouched ends the attempt and reports whether nothing of the body went out.
func (r *reading) untouched() bool {
	r.end()
	if !r.body.mu.TryLock() { // a read goes on
		return false
	}
	defer r.body.mu.Unlock()
	return !r.body.started
}

// repeatable ends the attempt and reports whether the whole body can be sent once more.
func (r *reading) repeatable() bool {
	r.end()
	if !r.body.mu.TryLock() {
		return false
	}
	defer r.body.mu.Unlock()
	return !r.body.started || r.body.drained && !r.body.lost
}

// complete reports whether all of it was read.
func (b *body) complete() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.drained
}
