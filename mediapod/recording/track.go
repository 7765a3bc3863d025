// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Kind is what a track carries.
type Kind string

// The kinds.
const (
	KindAudio Kind = "audio"
	KindVideo Kind = "video"
)

// VideoCodec is how a video track's frames are coded.
type VideoCodec string

// The video codecs.
const (
	VP8  VideoCodec = "vp8"
	H264 VideoCodec = "h264" // Annex B access units; key frames have their parameter sets
)

// TrackInfo says what a track is.
type TrackInfo struct {
	// ID is part of the file's name: letters, digits, - and _, 100 at most.
	ID string
	// Participant is the ID of who is heard or seen; empty for the mix.
	Participant string
	Kind        Kind
	// Codec is of video.
	Codec VideoCodec
	// With is the audio track, made before, that a video's file has as well. That
	// track has its own file all the same: video begins with a key frame, and may be
	// off. Video has no sound where there are samples only, and no encoder.
	With *Track
}

const (
	// audioQueueBytes hold 2 s of samples, or 10 s and more of Opus, while the disk stalls.
	audioQueueBytes = 64 << 10
	// videoQueueBytes hold 2 s at 4 Mbit/s.
	videoQueueBytes = 1 << 20
	// maxOpusBytes is what libopus asks callers to have room for.
	maxOpusBytes = 4000
	// maxTracks is more than a call has: a mix, unmixed speakers, ten cameras and a screen.
	maxTracks = 96
)

// Track is one source of a recording. Its methods may be called from any
// goroutine; they neither wait nor allocate.
type Track struct {
	rec  *Recording
	info TrackInfo

	mu sync.Mutex // of those who offer
	q  *queue

	overflow, late, early, unsupported, failed atomic.Uint64
	waits                                      atomic.Bool  // for a key frame …
	keys                                       atomic.Int32 // … that is not among those in the queue

	out trackWriter // the recording's goroutine's
}

// Track adds a track, before or after Open. One that begins later is silent up to then.
func (r *Recording) Track(info TrackInfo) (*Track, error) {
	bytes := audioQueueBytes
	switch {
	case !safeName.MatchString(info.ID):
		return nil, fmt.Errorf("a track cannot be named %q; use up to 100 letters, digits, - and _", info.ID)
	case info.Kind != KindAudio && info.Kind != KindVideo:
		return nil, fmt.Errorf("track %s has the kind %q; use audio or video", info.ID, info.Kind)
	case info.Kind == KindVideo && info.Codec != VP8 && info.Codec != H264:
		return nil, fmt.Errorf("video track %s has the codec %q; use vp8 or h264", info.ID, info.Codec)
	case info.With != nil && (info.Kind != KindVideo || info.With.rec != r || info.With.info.Kind != KindAudio):
		return nil, fmt.Errorf("track %s cannot be with another that is no audio track of the same recording", info.ID)
	case info.Kind == KindVideo:
		bytes = videoQueueBytes
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state.Load() == stateShut {
		return nil, errors.New("the recording is shut; no track can be added")
	}
	if len(r.tracks) == maxTracks {
		return nil, fmt.Errorf("a recording has %d tracks at most", maxTracks)
	}
	for _, t := range r.tracks {
		if strings.EqualFold(t.info.ID, info.ID) { // where file names are the same
			return nil, fmt.Errorf("the recording has a track %s already", t.info.ID)
		}
	}
	t := &Track{rec: r, info: info, q: newQueue(bytes)}
	t.out.lastKept = -1
	r.tracks = append(r.tracks, t)
	return t, nil
}

// WritePCM offers a frame of 320 samples that begins at a time since Open (see Recording.Elapsed).
func (t *Track) WritePCM(at time.Duration, frame []int16) {
	if t.info.Kind != KindAudio || len(frame) != audio.FrameSamples {
		t.refuse()
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.rec.takes(at) {
		return
	}
	const n = audio.FrameSamples * 2
	b := t.q.reserve(kindPCM, at, n)
	if b == nil {
		t.overflow.Add(1)
		return
	}
	for i, s := range frame {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(s))
	}
	t.q.commit(n)
}

// WriteOpus offers an Opus packet that is heard at a time since Open. Packets go
// one after the other while their times say so to within 20 ms, so the time may be
// that of the arrival as well as that of the RTP timestamp.
func (t *Track) WriteOpus(at time.Duration, packet []byte) {
	if t.info.Kind != KindAudio || len(packet) > maxOpusBytes {
		t.refuse()
		return
	}
	t.offer(kindOpus, at, packet)
}

// WriteFrame offers a frame of video that is shown from a time since Open on.
// Frames come in the order in which they were sent. A whole one is wanted: if a
// packet of it was lost, offer nothing until the next key frame (see WantsKeyFrame).
func (t *Track) WriteFrame(at time.Duration, frame []byte, key bool) {
	if t.info.Kind != KindVideo || len(frame) == 0 {
		t.refuse()
		return
	}
	k := kindDelta
	if key {
		k = kindKey
	}
	t.offer(k, at, frame)
}

// WantsKeyFrame says that nothing of a video track is kept any more until there is a key frame: something before was not kept
// that others build on. Senders mostly make one only when they are asked.
func (t *Track) WantsKeyFrame() bool { return t.waits.Load() }

func (t *Track) offer(k kind, at time.Duration, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.rec.takes(at) {
		return
	}
	b := t.q.reserve(k, at, len(data))
	if b == nil {
		t.overflow.Add(1)
		t.waits.Store(true)
		return
	}
	copy(b, data)
	if k == kindKey {
		t.keys.Add(1)
		t.waits.Store(false)
	}
	t.q.commit(len(data))
}

// settle waits until nobody is within offer or WritePCM who was let in before.
func (t *Track) settle() {
	t.mu.Lock()
	defer t.mu.Unlock()
}

func (t *Track) refuse() {
	if t.rec.state.Load() == stateOpen {
		t.unsupported.Add(1)
	}
}

// Dropped is what was not recorded of what was offered so far.
func (t *Track) Dropped() Dropped {
	return Dropped{
		Overflow: t.overflow.Load(), Late: t.late.Load(), Early: t.early.Load(),
		Unsupported: t.unsupported.Load(), Failed: t.failed.Load(),
	}
}
