// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"hash/fnv"
	"io"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media/video"
	"github.com/callfleet/callfleet/mediapod/recording/matroska"
)

// packetTime is the grid of silence in Opus.
const packetTime = audio.FrameDuration

// diskFile is a file as containers need it. An *os.File is one.
type diskFile interface {
	io.Writer
	io.WriterAt
	Sync() error
	Close() error
}

// container is one open media file.
type container interface {
	// packet adds an Opus packet at a time since Open.
	packet(at time.Duration, packet []byte) error
	flush() error
	// end writes what belongs to the end.
	end() error
}

// counted is a file that knows its size.
type counted struct {
	diskFile
	size int64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.diskFile.Write(p)
	c.size += int64(n)
	return n, err
}

func (c *counted) WriteAt(p []byte, at int64) (int, error) {
	n, err := c.diskFile.WriteAt(p, at)
	c.size = max(c.size, at+int64(n))
	return n, err
}

// wavFile holds samples. It is no container: packets it cannot hold.
type wavFile struct{ *wav.Writer }

func newWAVFile(f *counted) (wavFile, error) {
	w, err := wav.NewWriter(f, audio.SampleRate)
	return wavFile{w}, err
}

// oggFile holds packets, one after the other.
type oggFile struct{ w *ogg.Writer }

// newOggFile begins with the 80 ms of silence that it says are to be skipped
// (RFC 7845 section 4.2), and skips the encoder's delay as well: what was said at
// the start is heard at zero.
func newOggFile(f *counted, name string, delay time.Duration) (*oggFile, error) {
	skip := ogg.PreRoll + int(delay*ogg.SampleRate/time.Second)
	w, err := ogg.NewWriter(f, serial(name), ogg.Head{Channels: 1, PreSkip: skip, InputRate: audio.SampleRate},
		ogg.Tags{Vendor: "callfleet", Comments: []string{"TITLE=" + name}})
	if err != nil {
		return nil, err
	}
	return &oggFile{w}, w.WriteSilence(ogg.PreRoll / (ogg.SampleRate / 50))
}

// serial differs between a recording's files.
func serial(name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return h.Sum32()
}

func (f *oggFile) packet(_ time.Duration, packet []byte) error { return f.w.WritePacket(packet) }
func (f *oggFile) flush() error                                { return f.w.Flush() }
func (f *oggFile) end() error                                  { return f.w.Close() }

// matroskaFile holds packets, and video if it has any, at their times.
type matroskaFile struct {
	w     *matroska.Writer
	audio int // the number of that track
	delay time.Duration
	last  time.Duration // of video
	units []byte
	h264  bool
	init  []byte // H.264's header: another one needs another file
}

func opusEntry(name string) matroska.Track {
	head := ogg.Head{Channels: 1, InputRate: audio.SampleRate}
	return matroska.Track{Codec: matroska.CodecOpus, Private: head.Append(nil), SampleRate: ogg.SampleRate, Channels: 1, Name: name}
}

func newWebMFile(f *counted, name string, delay time.Duration) (*matroskaFile, error) {
	w, err := matroska.NewWriter(f, []matroska.Track{opusEntry(name)})
	return &matroskaFile{w: w, delay: delay}, err
}

// videoEntry is the header's entry for a stream that begins with a key frame.
func videoEntry(info TrackInfo, key []byte) (entry matroska.Track, ok bool) {
	entry = matroska.Track{Name: info.ID}
	if info.Codec == VP8 {
		entry.Codec = matroska.CodecVP8
		entry.Width, entry.Height, ok = video.VP8Size(key)
		return entry, ok
	}
	h, ok := matroska.ParseH264(key)
	entry.Codec, entry.Width, entry.Height, entry.Private = matroska.CodecH264, h.Width, h.Height, h.Private
	return entry, ok
}

func newVideoFile(f *counted, entry matroska.Track, with *Track) (*matroskaFile, error) {
	m := &matroskaFile{audio: 1, h264: entry.Codec == matroska.CodecH264, init: entry.Private}
	tracks := []matroska.Track{entry}
	if with != nil {
		tracks = append(tracks, opusEntry(with.info.ID))
		if with.out.encoder != nil {
			m.delay = with.out.encoder.Delay()
		}
	}
	var err error
	m.w, err = matroska.NewWriter(f, tracks)
	return m, err
}

// continues reports whether a key frame can go into the file.
func (f *matroskaFile) continues(entry matroska.Track) bool {
	return bytes.Equal(f.init, entry.Private)
}

func (f *matroskaFile) frame(at time.Duration, key bool, frame []byte) error {
	// No two frames have one time, whatever their clock says.
	at = max(at, f.last+time.Millisecond)
	f.last = at
	if f.h264 {
		f.units = matroska.AppendLengths(f.units[:0], frame)
		frame = f.units
	}
	return f.w.Write(0, at, key, frame)
}

func (f *matroskaFile) packet(at time.Duration, packet []byte) error {
	return f.w.Write(f.audio, at-f.delay, true, packet)
}
func (f *matroskaFile) flush() error { return f.w.Flush() }
func (f *matroskaFile) end() error   { return f.w.Close() }
