// SPDX-License-Identifier: Apache-2.0

// Package matroska writes WebM and Matroska files (RFC 9559) as they are recorded:
// clusters of half a second, each written whole and with its size, so that a file
// whose writer was killed plays to its last cluster. It also knows as much of VP8
// and H.264 as a file's header has to say.
package matroska

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/at-wat/ebml-go"
)

// Codecs of tracks (RFC 9559 section 5.1.4.1.21 and the codec registry).
const (
	CodecOpus = "A_OPUS"
	CodecVP8  = "V_VP8"
	CodecH264 = "V_MPEG4/ISO/AVC"
)

// Track is one track of a file.
type Track struct {
	Codec string
	// Private is what the codec needs: of Opus its header, of H.264 H264.Private.
	Private []byte
	// Width and Height are of video, in pixels.
	Width, Height int
	// SampleRate in Hz and Channels are of audio.
	SampleRate, Channels int
	Name                 string
}

func (t Track) video() bool { return t.Codec == CodecVP8 || t.Codec == CodecH264 }

func (t Track) check() error {
	switch {
	case t.Codec != CodecOpus && !t.video():
		return fmt.Errorf("codec %q cannot be recorded; use Opus, VP8 or H.264", t.Codec)
	case t.video() && (t.Width <= 0 || t.Height <= 0):
		return fmt.Errorf("a %s track of %d by %d pixels cannot be recorded", t.Codec, t.Width, t.Height)
	case t.Codec != CodecVP8 && len(t.Private) == 0:
		return fmt.Errorf("a %s track needs its codec's header", t.Codec)
	}
	return nil
}

// Identifiers that are written or looked for by hand; all others are ebml-go's.
const (
	idEBML        = 0x1A45DFA3
	idSegment     = 0x18538067
	idInfo        = 0x1549A966
	idTracks      = 0x1654AE6B
	idCluster     = 0x1F43B675
	idCues        = 0x1C53BB6B
	idSimpleBlock = 0xA3
	idTimestamp   = 0xE7
	idVoid        = 0xEC
	idDuration    = 0x4489
)

// unknownSize is the size of 8 bytes that says the element goes on to the file's end.
const unknownSize = 1<<56 - 1

type ebmlHead struct {
	Version            uint64 `ebml:"EBMLVersion"`
	ReadVersion        uint64 `ebml:"EBMLReadVersion"`
	MaxIDLength        uint64 `ebml:"EBMLMaxIDLength"`
	MaxSizeLength      uint64 `ebml:"EBMLMaxSizeLength"`
	DocType            string `ebml:"EBMLDocType"`
	DocTypeVersion     uint64 `ebml:"EBMLDocTypeVersion"`
	DocTypeReadVersion uint64 `ebml:"EBMLDocTypeReadVersion"`
}

type info struct {
	TimestampScale uint64 `ebml:"TimecodeScale"` // in ns
	MuxingApp      string `ebml:"MuxingApp"`
	WritingApp     string `ebml:"WritingApp"`
	// Duration is the last, so that its place is known.
	Duration float64 `ebml:"Duration"`
}

type seek struct {
	SeekID       []byte `ebml:"SeekID"`
	SeekPosition uint64 `ebml:"SeekPosition,size=8"`
}

type audio struct {
	SamplingFrequency float64 `ebml:"SamplingFrequency"`
	Channels          uint64  `ebml:"Channels"`
}

type pixels struct {
	PixelWidth  uint64 `ebml:"PixelWidth"`
	PixelHeight uint64 `ebml:"PixelHeight"`
}

type trackEntry struct {
	TrackNumber  uint64  `ebml:"TrackNumber"`
	TrackUID     uint64  `ebml:"TrackUID"`
	TrackType    uint64  `ebml:"TrackType"`
	FlagLacing   uint64  `ebml:"FlagLacing"`
	Name         string  `ebml:"Name,omitempty"`
	CodecID      string  `ebml:"CodecID"`
	CodecPrivate []byte  `ebml:"CodecPrivate,omitempty"`
	SeekPreRoll  uint64  `ebml:"SeekPreRoll,omitempty"`
	Audio        *audio  `ebml:"Audio"`
	Video        *pixels `ebml:"Video"`
}

// seekPreRoll is what a player decodes before the point it seeks to: 80 ms for Opus.
const seekPreRoll = 80 * time.Millisecond

type cuePosition struct {
	CueTrack           uint64 `ebml:"CueTrack"`
	CueClusterPosition uint64 `ebml:"CueClusterPosition"`
}

type cuePoint struct {
	CueTime           uint64      `ebml:"CueTime"`
	CueTrackPositions cuePosition `ebml:"CueTrackPositions"`
}

// layout says where in a file things are that are filled in later.
type layout struct {
	segment  int64 // the size of the segment, 8 bytes
	data     int64 // the segment's contents, from which positions count
	seekHead int64 // as large as seekHeadBytes
	info     int64
	tracks   int64
	duration int64 // a float of 8 bytes
}

// header makes everything before the first cluster. The place of the index of
// parts is left empty until there is a Cues element to name in it.
func header(tracks []Track) ([]byte, layout, error) {
	if len(tracks) == 0 || len(tracks) > 126 {
		return nil, layout{}, fmt.Errorf("%d tracks in one file, expected 1 to 126", len(tracks))
	}
	docType := "webm"
	var entries struct {
		Tracks struct {
			TrackEntry []trackEntry `ebml:"TrackEntry"`
		} `ebml:"Tracks"`
	}
	for i, t := range tracks {
		if err := t.check(); err != nil {
			return nil, layout{}, err
		}
		n := uint64(i + 1)
		e := trackEntry{TrackNumber: n, TrackUID: n, TrackType: 2, CodecID: t.Codec, CodecPrivate: t.Private, Name: t.Name}
		if t.video() {
			e.TrackType, e.Video = 1, &pixels{uint64(t.Width), uint64(t.Height)}
		} else {
			e.Audio, e.SeekPreRoll = &audio{float64(t.SampleRate), uint64(t.Channels)}, uint64(seekPreRoll)
		}
		if t.Codec == CodecH264 {
			docType = "matroska" // WebM has no H.264
		}
		entries.Tracks.TrackEntry = append(entries.Tracks.TrackEntry, e)
	}

	var b bytes.Buffer
	var l layout
	if err := ebml.Marshal(&struct {
		EBML ebmlHead `ebml:"EBML"`
	}{ebmlHead{1, 1, 4, 8, docType, 4, 2}}, &b); err != nil {
		return nil, layout{}, fmt.Errorf("making the EBML header: %w", err)
	}
	b.Write(binary.BigEndian.AppendUint32(nil, idSegment))
	l.segment = int64(b.Len())
	b.Write(size8(unknownSize))
	l.data = int64(b.Len())
	l.seekHead = l.data
	b.Write(void(seekHeadBytes))

	l.info = int64(b.Len())
	if err := ebml.Marshal(&struct {
		Info info `ebml:"Info"`
	}{info{uint64(time.Millisecond), "callfleet", "callfleet", 0}}, &b); err != nil {
		return nil, layout{}, fmt.Errorf("making the Matroska info: %w", err)
	}
	l.duration = int64(b.Len()) - 8
	if !endsWithDuration(b.Bytes()) {
		return nil, layout{}, errors.New("the Matroska header does not end with the duration")
	}
	l.tracks = int64(b.Len())
	if err := ebml.Marshal(&entries, &b); err != nil {
		return nil, layout{}, fmt.Errorf("making the Matroska tracks: %w", err)
	}
	return b.Bytes(), l, nil
}

// endsWithDuration reports whether the last element of an Info is a duration of 8 bytes.
func endsWithDuration(info []byte) bool {
	const n = 2 + 1 + 8
	return len(info) >= n && binary.BigEndian.Uint16(info[len(info)-n:]) == idDuration && info[len(info)-9] == 0x88
}

// seekHeadBytes is the size of a SeekHead with Info, Tracks and Cues, whatever their positions.
var seekHeadBytes = func() int {
	b, err := seekHead(layout{}, 0)
	if err != nil {
		panic(err)
	}
	return len(b)
}()

func seekHead(l layout, cues int64) ([]byte, error) {
	var s struct {
		SeekHead struct {
			Seek []seek `ebml:"Seek"`
		} `ebml:"SeekHead"`
	}
	for _, x := range []struct {
		id uint32
		at int64
	}{{idInfo, l.info}, {idTracks, l.tracks}, {idCues, cues}} {
		s.SeekHead.Seek = append(s.SeekHead.Seek, seek{binary.BigEndian.AppendUint32(nil, x.id), uint64(x.at - l.data)})
	}
	var b bytes.Buffer
	err := ebml.Marshal(&s, &b)
	return b.Bytes(), err
}

func cues(points []cuePoint) ([]byte, error) {
	var c struct {
		Cues struct {
			CuePoint []cuePoint `ebml:"CuePoint"`
		} `ebml:"Cues"`
	}
	c.Cues.CuePoint = points
	var b bytes.Buffer
	err := ebml.Marshal(&c, &b)
	return b.Bytes(), err
}

// size8 is an element size in 8 bytes (RFC 8794 section 6).
func size8(n int64) []byte { return binary.BigEndian.AppendUint64(nil, 1<<56|uint64(n)) }

// void is an empty place of n bytes, 9 at least.
func void(n int) []byte {
	b := make([]byte, n)
	b[0] = idVoid
	copy(b[1:], size8(int64(n-9)))
	return b
}
