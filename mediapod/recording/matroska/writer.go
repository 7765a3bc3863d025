// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"time"
)

const (
	// clusterSpan is what a killed process takes with it.
	clusterSpan = 500 * time.Millisecond
	// maxClusterBytes ends a cluster of a very rich picture before its memory grows.
	maxClusterBytes = 1 << 20
	// maxFrameBytes is what the four bytes of a block's size can say, and more than any frame has.
	maxFrameBytes = 1<<28 - 16
	// maxCues bounds the index. When it is full every other point goes, so that any length has 512 at least.
	maxCues = 1024
	// lastFrame is how long the last frame is taken to be shown or heard.
	lastFrame = 20 * time.Millisecond
)

// A cluster's head as it is written here: the identifiers, the size and the time in 8 bytes each.
const (
	clusterSizeAt = 4
	clusterTimeAt = clusterSizeAt + 8 + 2
	clusterHead   = clusterTimeAt + 8
)

// Writer writes one file. It belongs to one goroutine, and does not allocate for a
// frame once its buffer has grown to a cluster's size.
type Writer struct {
	w      io.WriterAt
	tracks []Track
	layout layout
	size   int64 // of the file, without the cluster at hand
	end    time.Duration

	cluster []byte // the cluster at hand; empty if there is none
	began   time.Duration
	indexed bool // begins with a key frame of the first track, so that a player can start there
	cues    []cuePoint
	every   int // how many clusters make a cue
	skipped int
}

// NewWriter writes the header. The index will be of the first track: let that be
// the video's if there is one.
func NewWriter(w io.WriterAt, tracks []Track) (*Writer, error) {
	b, l, err := header(tracks)
	if err != nil {
		return nil, err
	}
	if _, err := w.WriteAt(b, 0); err != nil {
		return nil, fmt.Errorf("writing the Matroska header: %w", err)
	}
	return &Writer{w: w, tracks: tracks, layout: l, size: int64(len(b)), cues: make([]cuePoint, 0, maxCues), every: 1}, nil
}

// Write adds a frame to a track, counted from 0. Frames come in the order in which
// they are decoded; those of different tracks may be late by what a block can say,
// 32 s. H.264 is in the form that AppendLengths makes.
func (w *Writer) Write(track int, at time.Duration, key bool, frame []byte) error {
	if len(frame) > maxFrameBytes {
		return fmt.Errorf("a frame of %d bytes cannot be recorded", len(frame))
	}
	at = max(at, 0).Truncate(time.Millisecond) // what blocks count in
	video := w.tracks[track].video()
	relative := (at - w.began).Milliseconds()
	if len(w.cluster) > 0 && (at-w.began >= clusterSpan || relative < -32768 || key && video || len(w.cluster) > maxClusterBytes) {
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if len(w.cluster) == 0 {
		w.begin(at, key && track == 0)
	}
	relative = (at - w.began).Milliseconds()

	be := binary.BigEndian
	b := append(w.cluster, idSimpleBlock)
	b = be.AppendUint32(b, 1<<28|uint32(4+len(frame)))
	b = append(b, 0x80|byte(track+1))
	b = be.AppendUint16(b, uint16(int16(relative)))
	var flags byte
	if key {
		flags = 0x80
	}
	b = append(b, flags)
	w.cluster = append(b, frame...)
	w.end = max(w.end, at+lastFrame)
	return nil
}

// begin starts a cluster.
func (w *Writer) begin(at time.Duration, indexed bool) {
	w.began, w.indexed = at, indexed
	be := binary.BigEndian
	b := be.AppendUint32(w.cluster[:0], idCluster)
	b = be.AppendUint64(b, 0) // the size, once it is known
	b = append(b, idTimestamp, 0x88)
	w.cluster = be.AppendUint64(b, uint64(w.began.Milliseconds()))
}

// Flush writes the cluster at hand, and then how long the file is.
func (w *Writer) Flush() error {
	if len(w.cluster) == 0 {
		return nil
	}
	binary.BigEndian.PutUint64(w.cluster[clusterSizeAt:], 1<<56|uint64(len(w.cluster)-clusterSizeAt-8))
	if _, err := w.w.WriteAt(w.cluster, w.size); err != nil {
		return fmt.Errorf("writing a Matroska cluster: %w", err)
	}
	if w.indexed {
		w.cue(w.began, w.size)
	}
	w.size += int64(len(w.cluster))
	// The eight bytes of the size are of no more use.
	w.cluster = binary.BigEndian.AppendUint64(w.cluster[:0], durationBits(w.end))
	_, err := w.w.WriteAt(w.cluster, w.layout.duration)
	w.cluster = w.cluster[:0]
	if err != nil {
		return fmt.Errorf("writing the Matroska duration: %w", err)
	}
	return nil
}

func (w *Writer) cue(at time.Duration, position int64) {
	if w.skipped++; w.skipped < w.every {
		return
	}
	w.skipped = 0
	if len(w.cues) == maxCues {
		for i := range maxCues / 2 {
			w.cues[i] = w.cues[2*i]
		}
		w.cues = w.cues[:maxCues/2]
		w.every *= 2
	}
	w.cues = append(w.cues, cuePoint{uint64(at.Milliseconds()), cuePosition{1, uint64(position - w.layout.data)}})
}

// Close writes the rest and the index. It does not close what it writes to.
func (w *Writer) Close() error {
	if err := w.Flush(); err != nil {
		return err
	}
	if len(w.cues) > 0 {
		index, err := cues(w.cues)
		if err != nil {
			return fmt.Errorf("making the Matroska index: %w", err)
		}
		if _, err := w.w.WriteAt(index, w.size); err != nil {
			return fmt.Errorf("writing the Matroska index: %w", err)
		}
		head, err := seekHead(w.layout, w.size)
		if err != nil {
			return fmt.Errorf("making the Matroska index: %w", err)
		}
		w.size += int64(len(index))
		if _, err := w.w.WriteAt(head, w.layout.seekHead); err != nil {
			return fmt.Errorf("writing where the Matroska index is: %w", err)
		}
	}
	if _, err := w.w.WriteAt(size8(w.size-w.layout.data), w.layout.segment); err != nil {
		return fmt.Errorf("writing the Matroska segment's size: %w", err)
	}
	return nil
}

func durationBits(d time.Duration) uint64 {
	return math.Float64bits(float64(d) / float64(time.Millisecond))
}

// Duration is the end of the last frame.
func (w *Writer) Duration() time.Duration { return w.end }
