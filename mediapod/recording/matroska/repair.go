// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"time"
)

// File is what Repair works on. An *os.File is one.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
}

var errForeign = errors.New("the Matroska file is not one that was recorded here")

// Repair ends a file that Writer wrote until its process was killed: a cluster cut
// short is cut off, and the index is made. It returns when the last frame ends. A
// file that was closed is left as it is. size is the file's in bytes.
func Repair(f File, size int64) (time.Duration, error) {
	s := scanner{f: f, size: size}
	w, closed, err := s.scan()
	if err != nil {
		return 0, err
	}
	if closed {
		return w.end, nil
	}
	if w.size < size {
		if err := f.Truncate(w.size); err != nil {
			return 0, fmt.Errorf("cutting off what is behind the last cluster: %w", err)
		}
	}
	if _, err := f.WriteAt(binary.BigEndian.AppendUint64(nil, durationBits(w.end)), w.layout.duration); err != nil {
		return 0, fmt.Errorf("writing the Matroska duration: %w", err)
	}
	return w.end, w.Close()
}

// scanner walks over the elements of a file.
type scanner struct {
	f    File
	size int64
}

// element is an identifier, and where its contents begin and end.
type element struct {
	id       uint32
	from, to int64
}

// at reads an element's head. An element that does not end within the file is io.ErrUnexpectedEOF.
func (s scanner) at(offset int64) (element, error) {
	var head [12]byte
	n, err := s.f.ReadAt(head[:min(int64(len(head)), max(s.size-offset, 0))], offset)
	if err != nil && err != io.EOF {
		return element{}, fmt.Errorf("reading the Matroska file: %w", err)
	}
	b := head[:n]
	if n == 0 {
		return element{}, io.EOF
	}
	idLen := bits.LeadingZeros8(b[0]) + 1
	if idLen > 4 {
		return element{}, errForeign
	}
	if n <= idLen {
		return element{}, io.ErrUnexpectedEOF
	}
	e := element{}
	for _, x := range b[:idLen] {
		e.id = e.id<<8 | uint32(x)
	}
	b = b[idLen:]
	sizeLen := bits.LeadingZeros8(b[0]) + 1
	if sizeLen > 8 {
		return element{}, errForeign
	}
	if len(b) < sizeLen {
		return element{}, io.ErrUnexpectedEOF
	}
	length := uint64(b[0]) & (1<<(8-sizeLen) - 1)
	for _, x := range b[1:sizeLen] {
		length = length<<8 | uint64(x)
	}
	e.from = offset + int64(idLen+sizeLen)
	e.to = e.from + int64(length)
	if e.id == idSegment && length == unknownSize {
		e.to = s.size
	} else if e.to > s.size {
		return element{}, io.ErrUnexpectedEOF
	}
	return e, nil
}

// scan rebuilds the writer as it was after the last whole cluster.
func (s scanner) scan() (w *Writer, closed bool, err error) {
	head, err := s.at(0)
	if err != nil || head.id != idEBML {
		return nil, false, errForeign
	}
	segment, err := s.at(head.to)
	if err != nil || segment.id != idSegment {
		return nil, false, errForeign
	}
	w = &Writer{
		w: s.f, layout: layout{segment: head.to + 4, data: segment.from, seekHead: segment.from},
		cues: make([]cuePoint, 0, maxCues), every: 1,
	}
	closed = !s.unknown(w.layout.segment)
	for w.size = segment.from; w.size < segment.to; {
		e, err := s.at(w.size)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			break // what was being written
		}
		if err != nil {
			return nil, false, err
		}
		switch {
		case e.id == idInfo:
			w.layout.info, w.layout.duration = w.size, e.to-8
			tail := make([]byte, min(11, e.to-e.from))
			if _, err := s.f.ReadAt(tail, e.to-int64(len(tail))); err != nil || !endsWithDuration(tail) {
				return nil, false, errForeign
			}
		case e.id == idTracks:
			w.layout.tracks = w.size
		case e.id == idCluster:
			if err := s.cluster(w, e); err != nil {
				return nil, false, err
			}
		case e.id == idCues && !closed:
			// Written, but not yet named: it is made again.
			return w, false, nil
		}
		w.size = e.to
	}
	if w.layout.duration == 0 || w.layout.tracks == 0 {
		return nil, false, errors.New("the Matroska file ends within its header; nothing was recorded in it")
	}
	return w, closed, nil
}

func (s scanner) unknown(at int64) bool {
	var b [8]byte
	_, err := s.f.ReadAt(b[:], at)
	return err == nil && binary.BigEndian.Uint64(b[:]) == 1<<56|unknownSize
}

// cluster takes the time of a cluster's last block, and notes the cluster in the index.
func (s scanner) cluster(w *Writer, c element) error {
	var began time.Duration
	for at, first := c.from, true; at < c.to; {
		e, err := s.at(at)
		if err != nil || e.to > c.to {
			return errForeign
		}
		switch e.id {
		case idTimestamp:
			var b [8]byte
			if e.to-e.from > 8 {
				return errForeign
			}
			if _, err := s.f.ReadAt(b[8-(e.to-e.from):], e.from); err != nil {
				return fmt.Errorf("reading the Matroska file: %w", err)
			}
			ms := binary.BigEndian.Uint64(b[:])
			if ms > math.MaxInt64/uint64(time.Millisecond)/2 {
				return errForeign
			}
			began = time.Duration(ms) * time.Millisecond
		case idSimpleBlock:
			var b [4]byte
			if e.to-e.from < 4 {
				return errForeign
			}
			if _, err := s.f.ReadAt(b[:], e.from); err != nil {
				return fmt.Errorf("reading the Matroska file: %w", err)
			}
			relative := time.Duration(int16(binary.BigEndian.Uint16(b[1:]))) * time.Millisecond
			w.end = max(w.end, began+relative+lastFrame)
			if first && b[0] == 0x81 && b[3]&0x80 != 0 { // a key frame of the first track
				w.cue(began, w.size)
			}
			first = false
		}
		at = e.to
	}
	return nil
}
