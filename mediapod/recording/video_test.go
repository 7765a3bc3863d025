// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// picture is one frame of the test video: two seconds at 15 frames a second, a key frame every ten.
type picture struct {
	data []byte
	key  bool
}

func pictures(t testing.TB, codec VideoCodec) (all []picture) {
	t.Helper()
	file := map[VideoCodec]string{VP8: "testsrc.ivf", H264: "testsrc.h264"}[codec]
	b, err := os.ReadFile(filepath.Join("matroska", "testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	if codec == H264 {
		aud := []byte{0, 0, 0, 1, 9} // begins every access unit
		for i, unit := range bytes.Split(b, aud)[1:] {
			all = append(all, picture{append(bytes.Clone(aud), unit...), i%10 == 0})
		}
		return all
	}
	for b = b[32:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b)
		all = append(all, picture{b[12 : 12+n], b[12]&1 == 0})
		b = b[12+n:]
	}
	return all
}

// Video begins when it does, has its audio with it, and is at the call's time.
func TestVideoIsRecordedWithItsAudio(t *testing.T) {
	for codec, file := range map[VideoCodec]string{VP8: "call.camera.webm", H264: "call.camera.mkv"} {
		t.Run(string(codec), func(t *testing.T) {
			c := newCall(t, func(cfg *Config) { cfg.Format = FormatOgg })
			mix := c.track(TrackInfo{ID: "mix"})
			camera := c.track(TrackInfo{ID: "camera", Participant: "alice", Kind: KindVideo, Codec: codec, With: mix})
			frames := pictures(t, codec)
			c.open()
			c.during(2*time.Second, func(at time.Duration) { mix.WriteOpus(at, opus(1)) })
			n := 0
			offer := func(at time.Duration) {
				mix.WriteOpus(at, []byte{0xF8, 0xFF, 0xFE}) // what ffprobe can decode
				if at%(60*ms) == 0 && n < len(frames) {
					camera.WriteFrame(at, frames[n].data, frames[n].key)
					n++
				}
			}
			// It was joined between key frames: nothing is seen of the first picture's rest.
			n = 5
			c.during(2*time.Second, offer)
			m := c.close()
			if err := c.told(); err != nil {
				t.Error(err)
			}
			f := m.Files[1]
			// 2.00 s is not one of 60 ms; the five frames before the key frame begin at 2.04 s.
			want := File{File: file, Track: "camera", Participant: "alice", Kind: KindVideo, Codec: string(codec),
				Bytes: f.Bytes, SHA256: f.SHA256, StartMs: 2340, DurationMs: f.DurationMs, Dropped: Dropped{Unsupported: 5}}
			if diff := cmp.Diff(want, f); diff != "" {
				t.Errorf("file (-want +got):\n%s", diff)
			}
			path := filepath.Join(c.dir, file)
			got := ffprobe(t, path, "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames:format=start_time")
			if want := string(codec) + ",178,100,20\nopus,82\n2.340000"; got != want {
				t.Errorf("ffprobe says\n%s\nwant\n%s", got, want)
			}
			if d := ffprobeDuration(t, path); d < 3980*ms || d > 4020*ms {
				t.Errorf("the file ends at %v, the call at 4s", d)
			}
		})
	}
}

// The sound of a call in WAV is in its video when it can be encoded.
func TestVideoBesideWAVHasSoundIfThereIsAnEncoder(t *testing.T) {
	for want, encoder := range map[string]func() OpusEncoder{"vp8": nil, "vp8\nopus": func() OpusEncoder { return silenceEncoder{} }} {
		c := newCall(t, func(cfg *Config) { cfg.NewEncoder = encoder })
		mix := c.track(TrackInfo{ID: "mix"})
		camera := c.track(TrackInfo{ID: "camera", Kind: KindVideo, Codec: VP8, With: mix})
		frames := pictures(t, VP8)
		c.open()
		n := 0
		c.during(400*ms, func(at time.Duration) {
			mix.WritePCM(at, pcm(n+1))
			camera.WriteFrame(at, frames[n].data, frames[n].key)
			n++
		})
		c.close()
		if got := ffprobe(t, filepath.Join(c.dir, "call.camera.webm"), "-show_entries", "stream=codec_name"); got != want {
			t.Errorf("the video's file has %q, want %q", got, want)
		}
		if heard := c.heard("call.mix.wav"); len(heard) != 20 || heard[19] != 20 {
			t.Errorf("the WAV file has %v", heard)
		}
	}
}

// A frame that builds on one that is not there is not kept: after a pause, and when the queue was full.
func TestVideoGoesOnWithAKeyFrame(t *testing.T) {
	frames := pictures(t, VP8)
	tests := map[string]func(c *call, camera *Track){
		"after a pause": func(c *call, _ *Track) {
			if err := c.Pause(); err != nil {
				t.Fatal(err)
			}
			c.during(100*ms, nil)
			if err := c.Resume(); err != nil {
				t.Fatal(err)
			}
		},
		"after a full queue": func(_ *call, camera *Track) {
			camera.WriteFrame(camera.rec.Elapsed(), make([]byte, videoQueueBytes), false)
		},
		"after one out of time": func(_ *call, camera *Track) {
			camera.WriteFrame(time.Hour, frames[3].data, false)
		},
	}
	for name, interrupt := range tests {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, nil)
			camera := c.track(TrackInfo{ID: "camera", Kind: KindVideo, Codec: VP8})
			c.open()
			n := 0
			offer := func(at time.Duration) {
				camera.WriteFrame(at, frames[n].data, frames[n].key)
				n++
			}
			c.during(100*ms, offer) // 0 to 4
			interrupt(c, camera)
			c.during(400*ms, offer) // 5 to 24, with key frames 10 and 20
			c.close()
			got := ffprobe(t, filepath.Join(c.dir, "call.camera.webm"), "-count_frames", "-show_entries", "stream=nb_read_frames")
			if got != "20" {
				t.Errorf("%s frames are in the file, want 0 to 4 and 10 to 24", got)
			}
			if b, err := os.ReadFile(filepath.Join(c.dir, "call.camera.webm")); err != nil || bytes.Contains(b, frames[7].data) {
				t.Errorf("a frame without the one before is in the file (%v)", err)
			}
		})
	}
}

// H.264 with another header needs another file; VP8 and the same header do not.
func TestAnotherPictureSizeIsAnotherFile(t *testing.T) {
	c := newCall(t, nil)
	camera := c.track(TrackInfo{ID: "camera", Kind: KindVideo, Codec: H264})
	frames := pictures(t, H264)
	c.open()
	n := 0
	offer := func(at time.Duration) { camera.WriteFrame(at, frames[n%30].data, frames[n%30].key); n++ }
	c.during(600*ms, offer)
	// Level 1.3 instead of 1.2: what a switch between simulcast layers looks like.
	for i := range frames {
		sps := bytes.Index(frames[i].data, []byte{0, 0, 1, 0x67})
		if sps >= 0 {
			frames[i].data[sps+6]++
		}
	}
	c.during(600*ms, offer)
	m := c.close()
	var got []string
	for _, f := range m.Files {
		got = append(got, f.File)
		ffprobe(t, filepath.Join(c.dir, f.File))
	}
	if diff := cmp.Diff([]string{"call.camera.mkv", "call.camera.2.mkv"}, got); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
	if m.Files[1].StartMs != 600 {
		t.Errorf("the second begins at %d ms", m.Files[1].StartMs)
	}
}
