// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/wav"
)

// output is one file of a track, while it is written and after.
type output struct {
	entry File
	disk  *counted
	wav   wavFile       // samples …
	media container     // … or packets and frames
	err   error         // after which nothing is written
	until time.Duration // the end of samples or packets in it, once another file goes on
	done  bool
}

func (o *output) ended() bool { return o == nil || o.done || o.err != nil }

// duration is how long the file of a track plays.
func (o *output) duration(t *Track) time.Duration {
	start := time.Duration(o.entry.StartMs) * time.Millisecond
	switch m, _ := o.media.(*matroskaFile); {
	case o.disk == nil:
		return 0
	case t.info.Kind == KindVideo:
		if m == nil || m.w == nil {
			return 0
		}
		return max(m.w.Duration()-start, 0)
	case o.until > 0:
		return o.until - start
	}
	return t.out.pos - start
}

// trackWriter is a track as the recording's goroutine has it.
type trackWriter struct {
	outputs  []*output // the last one is written to
	copies   []*output // video files that have this track's packets as well
	encoder  OpusEncoder
	pos      time.Duration // end of what is in the file
	lastKept time.Duration // begin of the last frame that was kept; negative before the first
	waiting  bool          // for a key frame
	began    bool
	unfit    bool // it was told that frames do not fit the format
	// missing is a packet that stands for one that did not come, and concealed where such stop; see conceal.
	missing   [1]byte
	concealed time.Duration

	frame  [audio.FrameSamples]int16
	packet []byte
}

func (w *trackWriter) current() *output {
	if len(w.outputs) == 0 {
		return nil
	}
	return w.outputs[len(w.outputs)-1]
}

// open makes the track's next file, which begins at a time since Open.
func (r *Recording) open(t *Track, at time.Duration, codec, ending string, start func(o *output) error) *output {
	part := ""
	if n := len(t.out.outputs); n > 0 {
		part = fmt.Sprintf(".%d", n+1)
	}
	o := &output{entry: File{
		File: r.cfg.Name + "." + t.info.ID + part + ending, Track: t.info.ID, Participant: t.info.Participant,
		Kind: t.info.Kind, Codec: codec, StartMs: at.Milliseconds(),
	}}
	t.out.outputs = append(t.out.outputs, o)
	r.w.changed = true
	f, err := r.cfg.create(filepath.Join(r.cfg.Dir, o.entry.File))
	if err == nil {
		o.disk = &counted{diskFile: f}
		err = start(o)
	}
	r.failed(o, err)
	return o
}

// failed gives a file up at the first error, and tells of it.
func (r *Recording) failed(o *output, err error) {
	if err == nil || o.err != nil {
		return
	}
	o.err = err
	r.cfg.OnError(fmt.Errorf("recording into %s: %w; what follows is not in this file", o.entry.File, err))
}

// begin makes an audio track's first file.
func (r *Recording) begin(t *Track) {
	t.out.began = true
	if r.cfg.Format != FormatWAV {
		r.encode(t)
	}
	r.openAudio(t, 0)
}

// encode has a track's samples encoded, if that can be.
func (r *Recording) encode(t *Track) {
	if t.out.encoder == nil && r.cfg.NewEncoder != nil {
		t.out.encoder = r.cfg.NewEncoder()
	}
}

func (r *Recording) openAudio(t *Track, at time.Duration) {
	var delay time.Duration
	if t.out.encoder != nil {
		delay = t.out.encoder.Delay()
	}
	switch name := r.cfg.Name + "." + t.info.ID; r.cfg.Format {
	case FormatWAV:
		r.open(t, at, "pcm", ".wav", func(o *output) (err error) {
			o.wav, err = newWAVFile(o.disk)
			return err
		})
	case FormatOgg:
		r.open(t, at, "opus", ".opus", func(o *output) (err error) {
			o.media, err = newOggFile(o.disk, name, delay)
			return err
		})
	case FormatWebM:
		r.open(t, at, "opus", ".webm", func(o *output) (err error) {
			o.media, err = newWebMFile(o.disk, name, delay)
			return err
		})
	}
}

// fill puts silence up to a time, to the sample in WAV, and else to the packet.
func (r *Recording) fill(t *Track, to time.Duration) {
	if to <= t.out.pos {
		return
	}
	packets := int((to - t.out.pos) / packetTime)
	for i := range packets {
		at := t.out.pos + time.Duration(i)*packetTime
		r.toContainers(t, at, r.conceal(t, at))
	}
	if r.cfg.Format != FormatWAV {
		t.out.pos += time.Duration(packets) * packetTime
		return
	}
	r.toWAV(t, func(w wavFile) error { return w.WriteSilence(samples(to) - samples(t.out.pos)) })
	t.out.pos = to
}

// concealFor is how long a stream of packets may be interrupted before it is taken for ended: DTX sends one every 400 ms
// (libopus, NB_SPEECH_FRAMES_BEFORE_DTX and MAX_CONSECUTIVE_DTX in silk/define.h).
const concealFor = 400 * time.Millisecond

// conceal is what to write where nothing came: between packets as they came, one without a frame, at which a player's decoder
// does what it does in a call (RFC 7845 section 4.1); else silence.
func (r *Recording) conceal(t *Track, at time.Duration) []byte {
	if at+packetTime > t.out.concealed {
		return ogg.Silence
	}
	if _, ok := r.opened(t.out.concealed-concealFor, at+packetTime); !ok { // a pause is silent
		return ogg.Silence
	}
	return t.out.missing[:]
}

// samples is how many there are in a WAV file at a time. Times are made of it by
// subtraction, so that rounding does not add up.
func samples(at time.Duration) int64 {
	return int64(at/time.Second)*audio.SampleRate + int64(at%time.Second)*audio.SampleRate/int64(time.Second)
}

// toWAV writes samples, into another file when the one at hand is full.
func (r *Recording) toWAV(t *Track, write func(w wavFile) error) bool {
	o := t.out.current()
	if o.ended() {
		return false
	}
	err := write(o.wav)
	if errors.Is(err, wav.ErrFull) {
		r.end(o)
		o.until = t.out.pos
		r.openAudio(t, t.out.pos)
		if o = t.out.current(); o.ended() {
			return false
		}
		err = write(o.wav)
	}
	r.failed(o, err)
	return err == nil
}

// toContainers gives a packet to all files that have the track's.
func (r *Recording) toContainers(t *Track, at time.Duration, packet []byte) (kept bool) {
	if o := t.out.current(); !o.ended() && o.media != nil {
		err := o.media.packet(at, packet)
		r.failed(o, err)
		kept = err == nil
	}
	for _, o := range t.out.copies {
		if !o.ended() && at >= time.Duration(o.entry.StartMs)*time.Millisecond {
			r.failed(o, o.media.packet(at, packet))
		}
	}
	return kept
}

// audio writes a frame of an audio track in its place.
func (r *Recording) audio(t *Track, rec record, length time.Duration) {
	w := &t.out
	switch gap := rec.at - w.pos; {
	case gap <= -packetTime:
		t.late.Add(1)
		return
	case gap < packetTime: // as good as in its place
	case r.cfg.Format == FormatWAV:
		r.fill(t, rec.at)
	default: // to the nearest packet
		r.fill(t, rec.at+packetTime/2)
	}
	kept := false
	if rec.kind == kindOpus {
		if r.cfg.Format == FormatWAV {
			r.unfit(t)
			return
		}
		kept = r.toContainers(t, w.pos, rec.data)
		w.missing[0], w.concealed = ogg.Missing(rec.data), w.pos+length+concealFor
	} else {
		w.concealed = 0
		for i := range w.frame {
			w.frame[i] = int16(binary.LittleEndian.Uint16(rec.data[2*i:]))
		}
		if w.packet = w.packet[:0]; w.encoder != nil {
			w.packet = w.encoder.Encode(w.packet, w.frame[:])
		}
		if r.cfg.Format == FormatWAV {
			kept = r.toWAV(t, func(f wavFile) error { return f.Write(w.frame[:]) })
		}
		if n, err := ogg.Samples(w.packet); err == nil && n == ogg.SampleRate/50 {
			kept = r.toContainers(t, w.pos, w.packet) || kept
		} else if r.cfg.Format != FormatWAV {
			r.unfit(t)
			return
		}
	}
	w.pos += length
	if !kept {
		t.failed.Add(1)
	}
}

// unfit counts a frame that the files cannot hold, and tells of the first.
func (r *Recording) unfit(t *Track) {
	t.unsupported.Add(1)
	if !t.out.unfit {
		t.out.unfit = true
		r.cfg.OnError(fmt.Errorf("track %s offers frames that its %s file cannot hold; they are silence there", t.info.ID, r.cfg.Format))
	}
}

// video writes a frame of a video track.
func (r *Recording) video(t *Track, rec record) {
	w := &t.out
	w.waiting = w.waiting || w.current() == nil
	key := rec.kind == kindKey
	if key {
		entry, ok := videoEntry(t.info, rec.data)
		o := w.current()
		switch {
		case ok && (o == nil || !o.ended() && !o.media.(*matroskaFile).continues(entry)):
			if o != nil {
				r.end(o)
			}
			ending := ".mkv"
			if t.info.Codec == VP8 {
				ending = ".webm"
			}
			with := t.info.With
			if r.cfg.Format == FormatWAV && r.cfg.NewEncoder == nil {
				with = nil // it will have no packets
			}
			if with != nil {
				r.encode(with)
			}
			o = r.open(t, rec.at, string(t.info.Codec), ending, func(o *output) (err error) {
				o.media, err = newVideoFile(o.disk, entry, with)
				return err
			})
			if with != nil {
				with.out.copies = append(with.out.copies, o)
			}
		case !ok && (o == nil || t.info.Codec == VP8): // H.264 may leave out its parameter sets when they stay the same
			key = false
		}
		w.waiting = w.waiting && !key
	}
	if w.waiting {
		t.unsupported.Add(1)
		if t.keys.Load() == 0 {
			t.waits.Store(true)
		}
		return
	}
	o := w.current()
	if o.ended() {
		t.failed.Add(1)
		return
	}
	err := o.media.(*matroskaFile).frame(rec.at, key, rec.data)
	r.failed(o, err)
	if err != nil {
		t.failed.Add(1)
	}
	w.pos = rec.at
}

// flush puts on disk what a file holds back.
func (r *Recording) flush(o *output) {
	if o.ended() {
		return
	}
	if o.media != nil {
		r.failed(o, o.media.flush())
		return
	}
	r.failed(o, o.wav.Flush())
}

// end closes a file.
func (r *Recording) end(o *output) {
	if o.done {
		return
	}
	if o.err == nil {
		if o.media != nil {
			r.failed(o, o.media.end())
		} else {
			r.failed(o, o.wav.Flush())
		}
	}
	o.done = true
	if o.disk != nil {
		r.failed(o, errors.Join(o.disk.Sync(), o.disk.Close()))
	}
}
