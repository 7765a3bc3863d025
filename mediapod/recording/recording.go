// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The gate. Only in stateOpen is anything taken.
const (
	stateNew int32 = iota
	stateOpen
	statePaused
	stateShut
)

// forever is the end of what has none yet.
const forever = time.Duration(1<<63 - 1)

// span is a part of the recording's time.
type span struct{ from, to time.Duration }

// Recording is the recording of one call.
type Recording struct {
	cfg Config

	state atomic.Int32
	// from is when the gate was last opened: what is of before is not taken.
	from atomic.Int64

	mu           sync.Mutex // state changes, and what follows
	started      time.Time
	shutAt       time.Duration
	stopped      string
	tracks       []*Track
	pauses       []span
	participants []Participant
	gaps         []Gap
	noted        bool // something that the journal lacks

	closing   chan struct{}
	closeOnce sync.Once
	done      chan struct{} // the manifest and the error are there
	manifest  Manifest
	err       error

	w writer // the recording's goroutine's
}

// New makes a recording whose gate is closed. It touches no disk.
func New(cfg Config) (*Recording, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Recording{cfg: cfg, shutAt: forever, closing: make(chan struct{}), done: make(chan struct{})}, nil
}

// Open opens the gate: time begins. It is for the owner alone to call, after the
// service took in the recording status. It does not wait for the disk.
func (r *Recording) Open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load() != stateNew {
		return errors.New("the recording was opened or shut before; make a new one")
	}
	r.started = r.cfg.Clock.Now()
	r.state.Store(stateOpen)
	go r.run()
	return nil
}

// Elapsed is the recording's time now: zero before Open.
func (r *Recording) Elapsed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.elapsed()
}

func (r *Recording) elapsed() time.Duration {
	if r.started.IsZero() {
		return 0
	}
	return min(r.cfg.Clock.Now().Sub(r.started), r.shutAt)
}

// takes is the gate. The track's lock is held, so that it cannot close between the question and the answer's use.
func (r *Recording) takes(at time.Duration) bool {
	return r.state.Load() == stateOpen && int64(at) >= r.from.Load()
}

// Pause closes the gate. Nothing said from now on until Resume is in the files:
// the time is there, silent.
func (r *Recording) Pause() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load() != stateOpen {
		return errors.New("the recording is not running; only one that runs can pause")
	}
	r.state.Store(statePaused)
	r.settle()
	r.pauses = append(r.pauses, span{r.elapsed(), forever})
	r.noted = true
	return nil
}

// Resume opens the gate after Pause.
func (r *Recording) Resume() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load() != statePaused {
		return errors.New("the recording is not paused")
	}
	now := r.elapsed()
	r.pauses[len(r.pauses)-1].to = now
	r.noted = true
	r.from.Store(int64(now))
	r.state.Store(stateOpen)
	return nil
}

// Shut closes the gate for good, at once. Close is still to be called.
func (r *Recording) Shut() { r.shut("") }

func (r *Recording) shut(why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load() == stateShut {
		return
	}
	r.state.Store(stateShut)
	r.settle()
	now := r.elapsed()
	if n := len(r.pauses); n > 0 && r.pauses[n-1].to == forever {
		r.pauses[n-1].to = now
	}
	r.shutAt, r.stopped = now, why
}

// settle waits for those who were let in before the gate closed: they copy a frame.
func (r *Recording) settle() {
	for _, t := range r.tracks {
		t.settle()
	}
}

// Joined notes for the manifest that somebody is in the call.
func (r *Recording) Joined(id, name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.participants = append(r.participants, Participant{ID: id, Name: name, JoinedMs: r.elapsed().Milliseconds()})
	r.noted = true
}

// Left notes that somebody who had joined is not in the call any more.
func (r *Recording) Left(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.participants) - 1; i >= 0; i-- {
		if p := &r.participants[i]; p.ID == id && p.LeftMs == nil {
			now := r.elapsed().Milliseconds()
			p.LeftMs, r.noted = &now, true
			return
		}
	}
}

// Lacks notes for the manifest that nothing of a track is kept from now on, and why, though it is sent. There need not be
// such a track yet. A manifest has a thousand of these notes at most.
func (r *Recording) Lacks(track, reason string) {
	const most = 1000
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.gaps) < most {
		r.gaps = append(r.gaps, Gap{Track: track, FromMs: r.elapsed().Milliseconds(), Reason: reason})
		r.noted = true
	}
}

// Has notes that a track that was lacking is kept again.
func (r *Recording) Has(track string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range slices.Backward(r.gaps) {
		if g := &r.gaps[i]; g.Track == track && g.ToMs == nil {
			now := r.elapsed().Milliseconds()
			g.ToMs, r.noted = &now, true
			return
		}
	}
}

// Close shuts the gate, ends the files and writes the manifest. When the context
// ends first, because the disk stalls, the work goes on and Close can be called
// again. A recording that was never opened leaves nothing behind.
func (r *Recording) Close(ctx context.Context) (Manifest, error) {
	r.shut("")
	r.closeOnce.Do(func() {
		r.mu.Lock()
		opened := !r.started.IsZero()
		r.mu.Unlock()
		if !opened {
			r.manifest = Manifest{Schema: Schema, Name: r.cfg.Name, RecordingID: r.cfg.RecordingID, CallID: r.cfg.CallID, Complete: true}
			close(r.done)
			return
		}
		close(r.closing)
	})
	select {
	case <-r.done:
		return r.manifest, r.err
	case <-ctx.Done():
		return Manifest{}, fmt.Errorf("the recording %s is not on disk yet: %w", r.cfg.Name, ctx.Err())
	}
}
