// SPDX-License-Identifier: Apache-2.0

// Package record keeps what is said and shown in a call. A Recorder is a tap of the media engine: it takes the sound as it goes
// by, mixes it, and hands it to package recording, which writes the files. Pictures are kept as they come.
//
// Whether something may be kept is asked for every frame, at the moment it would be handed on, and of whoever knows what the
// service was told: a recorder that is told of it later would keep what it must not.
package record

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/opus"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// The tracks, by which files are named. Each speaker whom the far side sends unmixed has one more, "speaker-" and its number.
const (
	TrackMixed  = "mixed"  // everybody
	TrackOthers = "others" // everybody but the bot, as the far side mixes them
	TrackBot    = "bot"
)

const (
	// buffered is what may wait to be played out when the gate opens, and was said before (the longest delay of
	// mediapod/media/playout).
	buffered = 200 * time.Millisecond
	// maxSpeakers leaves a recording some tracks besides.
	maxSpeakers = 56
	// closed is when frames are taken from while the gate is closed: never.
	closed = math.MaxInt64
)

// Config of a Recorder.
type Config struct {
	// Dir is where the files go, and Name begins each one's (see recording.Config).
	Dir, Name string
	// RecordingID and CallID stand in the manifest.
	RecordingID, CallID string
	Format              recording.Format
	// Participants has files made for each voice besides the mix.
	Participants bool
	// Video has the sound in the files of video, of which VideoFrame makes one for each track and participant; in WAV if there
	// is Opus.
	Video bool
	// MaxDuration and MaxBytes end the recording; zero means no limit.
	MaxDuration time.Duration
	MaxBytes    int64

	// Allowed says whether sound may be kept now. It is asked for every frame, and must not wait.
	Allowed func() bool
	// Speaker is who is behind a number that the far side gives to a speaker; "" if nobody knows. It must not wait.
	Speaker func(source uint32) string
	// Shown is who is behind the number of what is shown, a camera or a screen. It must not wait.
	Shown func(source uint32, screen bool) string
	// OnError is told what goes wrong, recording.ErrLimit among it. It must not wait.
	OnError func(error)
	// Clock is nil for the machine's.
	Clock recording.Clock
}

// Recorder keeps one call. Tap belongs to the engine's clock, VideoFrame to the engine's receiver, all else to one goroutine.
type Recorder struct {
	cfg    Config
	rec    *recording.Recording
	now    func() time.Time
	opened time.Time
	from   atomic.Int64 // frames are kept from so long after opened on

	roster  map[string]bool // who was noted to be in the call
	lacking map[string]bool // tracks of video that were noted to be shed

	mixed       *recording.Track
	others, bot voice

	// These belong to Tap.
	mix      mixer
	since    time.Duration // after opened: nothing said before may be kept
	refusals uint64
	speakers map[uint32]*voice

	films films // VideoFrame's
}

var _ media.Tap = (*Recorder)(nil)

// voice is the track of somebody.
type voice struct {
	*recording.Track
	refusals uint64 // when its last packet came
}

// Supported says why recordings cannot be in a format; nil if they can.
func Supported(format recording.Format) error {
	if format == recording.FormatWAV {
		return nil
	}
	_, err := opus.Default()
	return err
}

// New makes a recorder that keeps nothing yet and has touched no disk.
func New(cfg Config) (*Recorder, error) {
	if err := Supported(cfg.Format); err != nil {
		return nil, err
	}
	r := &Recorder{cfg: cfg, now: time.Now, roster: map[string]bool{}, speakers: map[uint32]*voice{}}
	r.from.Store(closed)
	if cfg.Clock != nil {
		r.now = cfg.Clock.Now
	}
	c := recording.Config{
		Dir: cfg.Dir, Name: cfg.Name, RecordingID: cfg.RecordingID, CallID: cfg.CallID, Format: cfg.Format,
		MaxDuration: cfg.MaxDuration, MaxBytes: cfg.MaxBytes, OnError: cfg.OnError, Clock: cfg.Clock,
	}
	if cfg.Format != recording.FormatWAV || cfg.Video && Supported(recording.FormatOgg) == nil {
		c.NewEncoder = newEncoder
	}
	var err error
	if r.rec, err = recording.New(c); err != nil {
		return nil, err
	}
	tracks := []struct {
		id string
		at **recording.Track
	}{{TrackMixed, &r.mixed}, {TrackOthers, &r.others.Track}, {TrackBot, &r.bot.Track}}
	if !cfg.Participants {
		tracks = tracks[:1]
	}
	for _, t := range tracks {
		if *t.at, err = r.rec.Track(recording.TrackInfo{ID: t.id, Kind: recording.KindAudio}); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Open begins the recording. The service must have taken in before that there is one.
func (r *Recorder) Open() error {
	if err := r.rec.Open(); err != nil {
		return err
	}
	r.opened = r.now()
	r.from.Store(int64(buffered))
	return nil
}

// Pause keeps nothing until Resume; the time in between is silent in the files. Tap must not be called meanwhile.
func (r *Recorder) Pause() error {
	r.stop()
	return r.rec.Pause()
}

// Resume goes on after Pause.
func (r *Recorder) Resume() error {
	if err := r.rec.Resume(); err != nil {
		return err
	}
	r.from.Store(int64(r.now().Sub(r.opened) + buffered))
	return nil
}

// Shut keeps nothing any more. Tap must not be called any more, and Close is still to be called.
func (r *Recorder) Shut() {
	r.stop()
	r.rec.Shut()
}

// Close ends the recording and its files. Tap must not be called any more. As recording.Close, it can be called again when
// the context ended first.
func (r *Recorder) Close(ctx context.Context) (recording.Manifest, error) {
	r.stop()
	return r.rec.Close(ctx)
}

// stop takes nothing more. What waits to be mixed was said while it could be kept.
func (r *Recorder) stop() {
	if r.from.Swap(closed) != closed {
		r.mix.rest(r.mixed)
	}
}

// Present notes who is in the call, as id to name.
func (r *Recorder) Present(people map[string]string) {
	for id := range r.roster {
		if _, here := people[id]; !here {
			r.rec.Left(id)
			delete(r.roster, id)
		}
	}
	for id, name := range people {
		if !r.roster[id] {
			r.rec.Joined(id, name)
			r.roster[id] = true
		}
	}
}

// Tap implements media.Tap.
func (r *Recorder) Tap(f *media.Frame) {
	from := r.from.Load()
	if from == closed {
		return
	}
	at := f.At.Sub(r.opened)
	if !r.cfg.Allowed() {
		r.mix.rest(r.mixed) // of before
		// Should it be allowed again before Pause: what waits to be played out then was said while it was not.
		r.since = at + audio.FrameDuration
		r.from.CompareAndSwap(from, int64(r.since+buffered))
		r.refusals++
		return
	}
	if int64(at) < from {
		return
	}
	r.mix.take(f, r.opened, r.mixed)
	if !r.cfg.Participants {
		return
	}
	if f.Heard != nil {
		r.pcm(&r.others, f.HeardAt, f.Heard, f.HeardOpus)
	}
	if f.Said != nil {
		r.bot.WritePCM(at, f.Said)
	}
	for i := range f.Voices {
		v := &f.Voices[i]
		r.pcm(r.speaker(v.Source), v.At, v.PCM, v.Opus)
	}
	for i := range f.Packets {
		p := &f.Packets[i]
		v := &r.others
		if p.Section > 0 {
			v = r.speaker(p.Source)
		}
		r.packet(v, p)
	}
}

// pcm keeps a frame, unless it is kept as it came.
func (r *Recorder) pcm(v *voice, at time.Time, frame []int16, opus bool) {
	if v == nil || opus && r.cfg.Format != recording.FormatWAV {
		return
	}
	if d := at.Sub(r.opened); d >= r.since {
		v.WritePCM(d, frame)
	}
}

// packet keeps one of Opus as it came: nothing is better than that, and nothing is cheaper.
func (r *Recorder) packet(v *voice, p *media.Packet) {
	if v == nil || r.cfg.Format == recording.FormatWAV {
		return
	}
	// The first one after others were refused may hold a copy of the last of those.
	repeats := v.refusals != r.refusals && ogg.MayRepeat(p.Payload)
	v.refusals = r.refusals
	if d := p.At.Sub(r.opened); d >= r.since && !repeats {
		v.WriteOpus(d, p.Payload)
	}
}

// speaker is the track of somebody, made when they are heard first; nil for those who are too many.
func (r *Recorder) speaker(source uint32) *voice {
	v, known := r.speakers[source]
	if known || len(r.speakers) >= maxSpeakers {
		return v
	}
	who := ""
	if r.cfg.Speaker != nil {
		who = r.cfg.Speaker(source)
	}
	t, err := r.rec.Track(recording.TrackInfo{ID: "speaker-" + strconv.FormatUint(uint64(source), 10), Participant: who, Kind: recording.KindAudio})
	if err != nil { // it is shut: this frame comes too late
		return nil
	}
	v = &voice{Track: t}
	r.speakers[source] = v
	return v
}

// encoder makes packets for files: without discontinuous transmission, as a file wants one for every frame.
type encoder struct{ *opus.Encoder }

// newEncoder is only called where the library is there.
func newEncoder() recording.OpusEncoder {
	c := opus.LowDelay()
	c.DTX = false
	library, err := opus.Default()
	if err == nil {
		var e *opus.Encoder
		if e, err = library.NewEncoder(c); err == nil {
			return encoder{e}
		}
	}
	panic(fmt.Sprintf("record: Opus is used though New has refused it: %v", err))
}

// Encode implements recording.OpusEncoder.
func (e encoder) Encode(dst []byte, frame []int16) []byte {
	out, err := e.Encoder.Encode(dst, frame)
	if err != nil {
		return dst
	}
	return out
}

// Delay implements recording.OpusEncoder: the 2.5 ms that CELT looks ahead, which is all there is in the low-delay mode.
func (encoder) Delay() time.Duration { return 2500 * time.Microsecond }

// Limited reports whether an error says that the recording has reached its limit.
func Limited(err error) bool { return errors.Is(err, recording.ErrLimit) }
