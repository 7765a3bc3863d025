// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/video"
)

// VideoSink takes frames as they come, a recorder for one. It is called from the goroutine that receives: it must neither
// block nor call the call, and keeps nothing of the frame.
type VideoSink interface {
	VideoFrame(f *VideoFrame)
}

// VideoFrame is a frame of the far side's.
type VideoFrame struct {
	// Track is the number of the video section, from zero.
	Track int
	// Screen: it is of a shared screen, and not of a camera.
	Screen bool
	// Source is the far side's number for who is seen, the same as Voice.Source where it says so.
	Source uint32
	// At is when it was taken, by the clock here.
	At time.Time
	// KeyFrameWanted is for the sink to set, when it can do nothing with the track's frames before there is another key frame.
	KeyFrameWanted bool
	video.Frame
}

// VideoKind is a kind of tracks.
type VideoKind int

// The kinds of tracks.
const (
	AnyVideo VideoKind = iota
	Cameras
	Screens
)

// VideoFilter says what to watch. Its zero value is everything.
type VideoFilter struct {
	Kind VideoKind
	// Tracks and Sources are those to watch; empty means all.
	Tracks  []int
	Sources []uint32
	// Last is how many cameras to watch: those of who spoke last. Zero means all. Screens do not count.
	Last int
	// MaxWidth and MaxHeight, in pixels, leave out larger pictures; zero means any size.
	MaxWidth, MaxHeight int
}

// takes says whether a track may be watched.
func (f *VideoFilter) takes(e *eye) bool {
	fits := func(size, most int) bool { return most == 0 || size <= most }
	return (f.Kind == AnyVideo || (f.Kind == Screens) == e.section.screen) &&
		(len(f.Tracks) == 0 || slices.Contains(f.Tracks, e.index)) &&
		(len(f.Sources) == 0 || slices.Contains(f.Sources, e.source())) &&
		fits(e.received.width, f.MaxWidth) && fits(e.received.height, f.MaxHeight)
}

// Watch is a subscription to video.
type Watch struct {
	call   *Call
	sink   VideoSink
	filter VideoFilter
	// tracks that are watched; guarded by the vision's lock.
	tracks  []int
	cameras []int // of them, where there are only so many
	hears   bool  // it depends on who speaks, so that voices are played out; guarded by the call's lock
}

// hearLocked has the call find out who speaks, or not any more. It is called under the call's lock, and not the vision's.
func (w *Watch) hearLocked(on bool) {
	if on == w.hears {
		return
	}
	v := &w.call.voice
	if w.hears = on; on {
		v.wants.Add(1)
		v.seat.start()
	} else {
		v.wants.Add(-1)
	}
}

func (w *Watch) has(track int) bool { return slices.Contains(w.tracks, track) }

func (w *Watch) choose(v *vision) {
	w.tracks = w.tracks[:0]
	if w.filter.Last > 0 {
		cameras := w.filter
		cameras.Kind = Cameras
		if w.filter.Kind != Screens {
			w.cameras = video.Select(w.filter.Last, v.candidates(cameras), v.speakers, w.cameras)
			w.tracks = append(w.tracks, w.cameras...)
		}
	}
	for _, c := range v.candidates(w.filter) {
		if w.filter.Last == 0 || v.eyes[c.Track].section.screen {
			w.tracks = append(w.tracks, c.Track)
		}
	}
}

// WatchVideo hands the far side's frames to a sink from now on, of each track from a key frame on, which the far side is
// asked for.
func (c *Call) WatchVideo(s VideoSink, f VideoFilter) *Watch {
	w := &Watch{call: c, sink: s, filter: f}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return w
	}
	w.hearLocked(f.Last > 0)
	v := &c.vision
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watches = append(v.watches, w)
	v.refreshLocked()
	v.askLocked()
	return w
}

// SetFilter changes what is watched.
func (w *Watch) SetFilter(f VideoFilter) {
	w.call.mu.Lock()
	defer w.call.mu.Unlock()
	v := &w.call.vision
	v.mu.Lock()
	watches := slices.Contains(v.watches, w)
	v.mu.Unlock()
	if !watches {
		return // it was stopped
	}
	w.hearLocked(f.Last > 0)
	v.mu.Lock()
	defer v.mu.Unlock()
	w.filter = f
	v.refreshLocked()
	v.askLocked()
}

// Tracks that are watched now.
func (w *Watch) Tracks() []int {
	v := &w.call.vision
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(w.tracks)
}

// Stop returns when the sink is not called any more.
func (w *Watch) Stop() {
	w.call.mu.Lock()
	defer w.call.mu.Unlock()
	w.hearLocked(false)
	v := &w.call.vision
	v.mu.Lock()
	defer v.mu.Unlock()
	v.watches = slices.DeleteFunc(v.watches, func(other *Watch) bool { return other == w })
	w.tracks = nil
	v.refreshLocked()
}

// Snapshot is a picture of a track as the far side coded it. Nothing here decodes video.
type Snapshot struct {
	Codec video.Codec
	// Raw is the key frame: of VP8 the frame, of H.264 an access unit as Annex B has it, with its parameter sets.
	Raw           []byte
	Width, Height int
	At            time.Time
}

// Picture is the snapshot as a file that picture viewers open, if there is one without decoding: a key frame of VP8 is
// what a WebP picture consists of (RFC 9649 section 2.5). There is none for H.264, of which ok is false: its Raw needs a
// decoder.
func (s Snapshot) Picture() (mediaType string, file []byte, ok bool) {
	if s.Codec != video.VP8 {
		return "", nil, false
	}
	padding := len(s.Raw) & 1
	le := binary.LittleEndian
	file = append(file, "RIFF"...)
	file = le.AppendUint32(file, uint32(4+8+len(s.Raw)+padding))
	file = append(file, "WEBPVP8 "...)
	file = le.AppendUint32(file, uint32(len(s.Raw)))
	file = append(file, s.Raw...)
	return "image/webp", append(file, make([]byte, padding)...), true
}

// ErrNoVideo is a track that shows nothing.
var ErrNoVideo = errors.New("the track shows nothing; see which ones do in the call's statistics")

// Snapshot asks the far side for a key frame of a track and waits for it: browsers make none unless they are asked, so that
// the last one may be of minutes ago.
func (c *Call) Snapshot(ctx context.Context, track int) (Snapshot, error) {
	once := &snapper{taken: make(chan Snapshot, 1)}
	w := c.WatchVideo(once, VideoFilter{Tracks: []int{track}})
	defer w.Stop()
	if c.vision.sheds(track) {
		return Snapshot{}, fmt.Errorf("taking a picture of track %d: %w", track, ErrVideoShed)
	}
	if len(w.Tracks()) == 0 {
		return Snapshot{}, fmt.Errorf("taking a picture of track %d: %w", track, ErrNoVideo)
	}
	select {
	case s := <-once.taken:
		return s, nil
	case <-ctx.Done():
		return Snapshot{}, fmt.Errorf("waiting for a key frame of track %d: %w", track, ctx.Err())
	}
}

// snapper keeps the first frame.
type snapper struct {
	once  sync.Once
	taken chan Snapshot
}

// VideoFrame implements VideoSink.
func (s *snapper) VideoFrame(f *VideoFrame) {
	s.once.Do(func() {
		s.taken <- Snapshot{Codec: f.Codec, Raw: slices.Clone(f.Data), Width: f.Width, Height: f.Height, At: f.At}
	})
}
