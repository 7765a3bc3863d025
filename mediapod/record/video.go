// SPDX-License-Identifier: Apache-2.0

package record

import (
	"fmt"

	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/video"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// maxFilms is how many files of video there are: each has a megabyte of memory, for a disk that stalls. A call has eleven
// tracks; there are more where one is given to somebody else.
const maxFilms = 24

// films are the tracks of video.
type films struct {
	list     map[film]*filmed
	refusals uint64
}

// film is what has a file of its own: what somebody shows in a track, in one codec.
type film struct {
	track  int
	screen bool
	source uint32
	codec  video.Codec
}

type filmed struct {
	*recording.Track
	refusals uint64 // when its last frame was kept
}

var _ media.VideoSink = (*Recorder)(nil)

// VideoFrame implements media.VideoSink.
func (r *Recorder) VideoFrame(f *media.VideoFrame) {
	if r.from.Load() == closed {
		return
	}
	if !r.cfg.Allowed() {
		r.films.refusals++
		return
	}
	t := r.film(f)
	if t == nil {
		return
	}
	// What follows on a picture that must not be kept shows it.
	if t.refusals != r.films.refusals && !f.Key {
		f.KeyFrameWanted = true
		return
	}
	t.refusals = r.films.refusals
	t.WriteFrame(f.At.Sub(r.opened), f.Data, f.Key)
	f.KeyFrameWanted = f.KeyFrameWanted || t.WantsKeyFrame()
}

// film is the track of what is shown, made with its first frame; nil for those that are too many.
func (r *Recorder) film(f *media.VideoFrame) *filmed {
	key := film{f.Track, f.Screen, f.Source, f.Codec}
	t, known := r.films.list[key]
	if known || len(r.films.list) >= maxFilms {
		return t
	}
	if r.films.list == nil {
		r.films.list = map[film]*filmed{}
	}
	info := recording.TrackInfo{ID: filmName(f.Track, f.Screen, f.Source), Kind: recording.KindVideo, Codec: recording.VP8, With: r.mixed}
	if f.Codec == video.H264 {
		info.Codec = recording.H264
	}
	for other := range r.films.list {
		if other.codec = key.codec; other == key { // it was in another one before
			info.ID += "-" + string(info.Codec)
		}
	}
	if r.cfg.Shown != nil {
		info.Participant = r.cfg.Shown(f.Source, f.Screen)
	}
	track, err := r.rec.Track(info)
	if err != nil { // it is shut: this frame comes too late
		return nil
	}
	t = &filmed{Track: track, refusals: r.films.refusals}
	r.films.list[key] = t
	return t
}

// filmName is that of a track of video, unless it changes its codec.
func filmName(track int, screen bool, source uint32) string {
	kind := "camera"
	if screen {
		kind = "screen"
	}
	return fmt.Sprintf("%s-%d-%d", kind, track, source)
}

// shedReason stands in the manifest.
const shedReason = "the media pod was overloaded and did without this video"

// Watched notes what the process does without of that which is to be kept: there is nothing of it in the files meanwhile, and who
// looks at them should know that it was there.
func (r *Recorder) Watched(video []media.VideoStats) {
	lacking := map[string]bool{}
	for i := range video {
		if v := &video[i]; v.Shed {
			lacking[filmName(v.Track, v.Screen, v.Source)] = true
		}
	}
	for name := range r.lacking {
		if !lacking[name] {
			r.rec.Has(name)
		}
	}
	for name := range lacking {
		if !r.lacking[name] {
			r.rec.Lacks(name, shedReason)
		}
	}
	r.lacking = lacking
}
