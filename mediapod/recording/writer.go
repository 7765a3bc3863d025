// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
)

// The times of which a killed process takes a part with it. Together they are less than a second.
const (
	// step is how often the queues are emptied.
	step = 100 * time.Millisecond
	// flushSteps is after how many of them files get what is held back.
	flushSteps = 2
	// patience is how long a frame may take to be offered before its time is filled with silence: mediapod/record makes a mix
	// 240 ms later, and a process that stood still catches up.
	patience = 500 * time.Millisecond
)

// maxAhead is how far a frame's time may be in the future. What is more is a
// mistake, and would fill the disk with the silence before it.
const maxAhead = time.Second

// repeats is how far back a packet may reach with what it repeats (see
// ogg.MayRepeat): to the packet before, which DTX may have sent 400 ms earlier.
const repeats = time.Second

// writer is a recording as its goroutine has it.
type writer struct {
	steps   int
	tracks  []*Track // as of the last step
	ends    []uint64 // of their queues
	pauses  []span
	shutAt  time.Duration
	changed bool // the journal lacks something
}

// run is the goroutine.
func (r *Recording) run() {
	defer close(r.done)
	ticks, stop := r.cfg.Clock.Tick(step)
	defer stop()
	r.w.changed = true
	for {
		select {
		case <-ticks:
			r.step()
			r.cfg.stepped()
		case <-r.closing:
			r.finish()
			return
		}
	}
}

func (r *Recording) step() {
	now := r.observe()
	r.drain(now)
	for _, t := range r.w.tracks {
		if t.info.Kind == KindAudio {
			r.fill(t, min(now-patience, r.w.shutAt))
		}
	}
	if r.w.steps++; r.w.steps%flushSteps == 0 {
		r.flushAll()
		r.limit(now)
	}
	if r.w.changed {
		r.journal()
	}
}

// observe takes what others change, and begins the files of tracks that came.
func (r *Recording) observe() (now time.Duration) {
	w := &r.w
	r.mu.Lock()
	now = r.elapsed()
	w.tracks = append(w.tracks[:0], r.tracks...)
	w.pauses = append(w.pauses[:0], r.pauses...)
	w.shutAt = r.shutAt
	w.changed = w.changed || r.noted
	r.noted = false
	r.mu.Unlock()
	w.ends = w.ends[:0]
	for _, t := range w.tracks {
		w.ends = append(w.ends, t.q.tail.Load())
		if t.info.Kind == KindAudio && !t.out.began {
			r.begin(t)
		}
	}
	return now
}

// drain writes what is in the queues, the oldest first, so that files with several tracks are in order.
func (r *Recording) drain(now time.Duration) {
	for {
		var oldest *Track
		var next record
		for i, t := range r.w.tracks {
			if rec, ok := t.q.peek(r.w.ends[i]); ok && (oldest == nil || rec.at < next.at) {
				oldest, next = t, rec
			}
		}
		if oldest == nil {
			return
		}
		if next.kind == kindKey {
			oldest.keys.Add(-1)
		}
		r.write(oldest, next, now)
		oldest.q.pop(next)
	}
}

// write puts one frame where it belongs, if it may be in a file at all.
func (r *Recording) write(t *Track, rec record, now time.Duration) {
	length := time.Duration(0)
	switch rec.kind {
	case kindPCM:
		length = audio.FrameDuration
	case kindOpus:
		n, err := ogg.Samples(rec.data)
		if err != nil {
			t.unsupported.Add(1)
			return
		}
		length = time.Duration(n) * time.Second / ogg.SampleRate
	}
	w := &t.out
	w.waiting = w.waiting || rec.torn
	if rec.at < 0 || rec.at > now+maxAhead {
		t.early.Add(1)
		w.waiting = true
		return
	}
	if rec.at+length > r.w.shutAt {
		return
	}
	opened, ok := r.opened(rec.at, rec.at+length)
	if !ok {
		return
	}
	if w.lastKept < opened { // the first since the gate opened
		// It may hold a copy of what was said before.
		if rec.kind == kindOpus && ogg.MayRepeat(rec.data) && rec.at-opened < repeats {
			w.lastKept = rec.at
			return
		}
		// It may build on a picture from before.
		w.waiting = true
	}
	w.lastKept = max(rec.at, w.lastKept)
	if t.info.Kind == KindVideo {
		r.video(t, rec)
		return
	}
	r.audio(t, rec, length)
}

// opened is when the gate was opened for what is between two times; not ok if it was closed for a part of it.
func (r *Recording) opened(from, to time.Duration) (at time.Duration, ok bool) {
	for _, p := range slices.Backward(r.w.pauses) {
		if p.to <= from {
			return p.to, true
		}
		if p.from < to {
			return 0, false
		}
	}
	return 0, true
}

func (r *Recording) flushAll() {
	for _, t := range r.w.tracks {
		for _, o := range t.out.outputs {
			r.flush(o)
		}
	}
}

// limit shuts the recording when it is as large or as long as it may be.
func (r *Recording) limit(now time.Duration) {
	if r.state.Load() == stateShut {
		return
	}
	var bytes int64
	for _, t := range r.w.tracks {
		for _, o := range t.out.outputs {
			if o.disk != nil {
				bytes += o.disk.size
			}
		}
	}
	switch {
	case r.cfg.MaxBytes > 0 && bytes >= r.cfg.MaxBytes:
		r.reached(fmt.Sprintf("%d bytes, at most %d are allowed", bytes, r.cfg.MaxBytes))
	case r.cfg.MaxDuration > 0 && now >= r.cfg.MaxDuration:
		r.reached(fmt.Sprintf("%v, at most %v are allowed", now, r.cfg.MaxDuration))
	}
}

func (r *Recording) reached(what string) {
	r.shut("limit: " + what)
	r.cfg.OnError(fmt.Errorf("%w: %s; raise the limit or begin another recording", ErrLimit, what))
}

// finish ends everything at the time the gate was shut.
func (r *Recording) finish() {
	now := r.observe()
	r.drain(now)
	for _, t := range r.w.tracks {
		if t.info.Kind == KindAudio {
			r.fill(t, r.w.shutAt)
		}
	}
	for _, t := range r.w.tracks {
		for _, o := range t.out.outputs {
			r.end(o)
		}
	}
	m := r.describe()
	m.Complete = true
	for i := range m.Files {
		// A file that could not even be made is told of without a hash.
		if err := m.Files[i].measure(context.Background(), r.cfg.Dir); err != nil && m.Files[i].Error == "" {
			r.err = errors.Join(r.err, err)
		}
	}
	if err := m.write(r.path(manifestEnding)); err != nil {
		r.err = errors.Join(r.err, err)
	} else if err := os.Remove(r.path(journalEnding)); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.err = errors.Join(r.err, fmt.Errorf("removing the recording's journal: %w", err))
	}
	r.manifest = m
}

func (r *Recording) path(ending string) string { return filepath.Join(r.cfg.Dir, r.cfg.Name+ending) }

// describe is the manifest as far as it is known.
func (r *Recording) describe() Manifest {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := Manifest{
		Schema: Schema, Name: r.cfg.Name, RecordingID: r.cfg.RecordingID, CallID: r.cfg.CallID,
		Stopped: r.stopped, Started: r.started.UTC(), Ended: r.started.Add(r.elapsed()).UTC(),
		Participants: slices.Clone(r.participants), Gaps: slices.Clone(r.gaps),
	}
	for _, p := range r.pauses {
		m.Pauses = append(m.Pauses, Span{p.from.Milliseconds(), min(p.to, r.elapsed()).Milliseconds()})
	}
	for _, t := range r.tracks {
		for i, o := range t.out.outputs {
			f := o.entry
			if i == len(t.out.outputs)-1 {
				f.Dropped = t.Dropped()
			}
			if o.err != nil {
				f.Error = o.err.Error()
			}
			f.DurationMs = o.duration(t).Milliseconds()
			m.Files = append(m.Files, f)
		}
	}
	return m
}

// journal keeps what a crash would otherwise take: whose recording this is, and who was in it.
func (r *Recording) journal() {
	r.w.changed = false
	if err := os.MkdirAll(r.cfg.Dir, 0o700); err != nil {
		r.cfg.OnError(fmt.Errorf("making the directory of recordings: %w", err))
		return
	}
	m := r.describe()
	if err := m.write(r.path(journalEnding)); err != nil {
		r.cfg.OnError(err)
	}
}
