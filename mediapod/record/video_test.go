// SPDX-License-Identifier: Apache-2.0

package record

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/video"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// pictures are two seconds of VP8 at 15 frames a second, a key frame every ten.
func pictures(t testing.TB) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile("../recording/matroska/testdata/testsrc.ivf")
	if err != nil {
		t.Fatal(err)
	}
	for b = b[32:]; len(b) > 0; {
		n := binary.LittleEndian.Uint32(b)
		frames = append(frames, b[12:12+n])
		b = b[12+n:]
	}
	return frames
}

// show has a picture of VP8 seen now, and says whether a key frame is wanted.
func (c *call) show(track int, source uint32, screen bool, picture []byte) (wanted bool) {
	f := media.VideoFrame{Track: track, Screen: screen, Source: source, At: c.clock.Now(),
		Frame: video.Frame{Codec: video.VP8, Key: picture[0]&1 == 0, Data: picture}}
	c.VideoFrame(&f)
	return f.KeyFrameWanted
}

// kept are the numbers of the pictures that are in a file.
func (c *call) kept(file string, pictures [][]byte) (numbers []int) {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, file))
	c.must(err)
	for i, p := range pictures {
		if bytes.Contains(b, p) {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

func (c *call) streams(file string) string {
	c.t.Helper()
	tool, err := exec.LookPath("ffprobe")
	if err != nil {
		c.t.Skip("ffprobe is not installed (ffmpeg)")
	}
	out, err := exec.Command(tool, "-v", "error", "-of", "csv=p=0", "-show_entries", "stream=codec_name", filepath.Join(c.dir, file)).CombinedOutput()
	c.must(err)
	return strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " ")
}

// TestWhatIsShownIsKeptFromAKeyFrameOn: at the beginning, after a pause, and after a moment in which it must not be kept, of
// which nobody has told the recorder.
func TestWhatIsShownIsKeptFromAKeyFrameOn(t *testing.T) {
	all := pictures(t)
	for name, tc := range map[string]struct {
		interrupt, goOn func(*call)
	}{
		"a pause":  {func(c *call) { c.must(c.Pause()) }, func(c *call) { c.must(c.Resume()) }},
		"a moment": {func(c *call) { c.allowed = false }, func(c *call) { c.allowed = true }},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCall(t, func(cfg *Config) { cfg.Video = true })
			var wanted []int
			show := func(from, to int) {
				for i := from; i < to; i++ {
					if c.show(0, 7, false, all[i]) {
						wanted = append(wanted, i)
					}
					c.during(100*time.Millisecond, media.Frame{Heard: of(5)})
				}
			}
			show(0, 3)
			c.begin()
			show(3, 12) // from 10 on
			tc.interrupt(c)
			show(12, 14)
			tc.goOn(c)
			show(14, 24) // from 20 on
			m := c.close()
			file := "standup.camera-0-7.webm"
			if diff := cmp.Diff([]int{10, 11, 20, 21, 22, 23}, c.kept(file, all)); diff != "" {
				t.Errorf("pictures (-want +got):\n%s", diff)
			}
			// The first of each is found out about when it is written.
			if !slices.Contains(wanted, 5) || !slices.Contains(wanted, 16) || slices.Contains(wanted, 11) || slices.Contains(wanted, 21) {
				t.Errorf("key frames are wanted at %v", wanted)
			}
			if m.Files[1].File != file || m.Files[1].StartMs != 700 {
				t.Errorf("%+v", m.Files[1])
			}
			if Supported(recording.FormatOgg) == nil {
				if got := c.streams(file); got != "vp8 opus" {
					t.Errorf("beside WAV, the video has %q", got)
				}
			}
		})
	}
}

// TestWhoeverShowsSomethingHasAFile for each track, and for a camera and a screen.
func TestWhoeverShowsSomethingHasAFile(t *testing.T) {
	all := pictures(t)
	c := newCall(t, func(cfg *Config) {
		cfg.Video = true
		cfg.Shown = func(source uint32, screen bool) string { return fmt.Sprintf("%d %t", source, screen) }
	})
	c.begin()
	c.during(200*time.Millisecond, media.Frame{})
	for i := range 20 {
		c.show(0, 7, false, all[i])
		c.show(1, 9, true, all[i])
		c.show(2, uint32(8+i/10), false, all[i])
		c.during(100*time.Millisecond, media.Frame{})
	}
	// The same, in another codec, with its first picture cut short: it is none.
	f := media.VideoFrame{Track: 0, Source: 7, At: c.clock.Now(), Frame: video.Frame{Codec: video.H264, Key: true, Data: []byte{0, 0, 0, 1, 0x65}}}
	c.VideoFrame(&f)
	m := c.close()
	got := map[string]string{}
	for _, f := range m.Files[1:] {
		got[f.File] = f.Participant
	}
	want := map[string]string{
		"standup.camera-0-7.webm": "7 false", "standup.screen-1-9.webm": "9 true", "standup.camera-2-8.webm": "8 false", "standup.camera-2-9.webm": "9 false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files and who is in them (-want +got):\n%s", diff)
	}
}

// TestTheSizeEndsIt, so that nobody can fill the disk with what they show.
func TestTheSizeEndsIt(t *testing.T) {
	all := pictures(t)
	c := newCall(t, func(cfg *Config) { cfg.Video, cfg.MaxBytes = true, 200_000 })
	c.begin()
	c.during(200*time.Millisecond, media.Frame{})
	for i := range 100 {
		c.show(0, 7, false, all[i%30])
		c.during(100*time.Millisecond, media.Frame{Heard: of(1)})
	}
	if err := <-c.errs; !Limited(err) {
		t.Errorf("it says %v", err)
	}
	total := int64(0)
	for _, f := range c.close().Files {
		total += f.Bytes
	}
	if total < 200_000 || total > 300_000 {
		t.Errorf("%d bytes", total)
	}
}

func TestKeepingPicturesAllocatesNothing(t *testing.T) {
	all := pictures(t)
	c := newCall(t, func(cfg *Config) { cfg.Video = true })
	c.must(c.Open())
	c.clock.now = c.clock.now.Add(time.Second)
	show := func() { c.show(0, 7, false, all[0]) }
	show()
	if n := testing.AllocsPerRun(10, show); n != 0 {
		t.Errorf("%.0f allocations a frame", n)
	}
	c.close()
}

// TestVideoThatTheProcessDoesWithoutIsNoted, with when and which: what is not in the files was there.
func TestVideoThatTheProcessDoesWithoutIsNoted(t *testing.T) {
	c := newCall(t, func(c *Config) { c.Video = true })
	c.begin()
	camera, screen := media.VideoStats{Track: 0, Source: 7}, media.VideoStats{Track: 1, Source: 8, Screen: true}
	shed := func(v media.VideoStats) media.VideoStats { v.Shed = true; return v }
	for _, look := range [][]media.VideoStats{
		{camera, screen}, {shed(camera), screen}, {shed(camera), shed(screen)}, {shed(camera), screen}, {camera, screen}, {shed(camera)},
	} {
		c.Watched(look)
		c.Watched(look) // and says nothing more
		c.during(time.Second, media.Frame{})
	}
	m := c.close()
	to := func(ms int64) *int64 { return &ms }
	const why = "the media pod was overloaded and did without this video"
	want := []recording.Gap{
		{Track: "camera-0-7", FromMs: 1000, ToMs: to(4000), Reason: why},
		{Track: "screen-1-8", FromMs: 2000, ToMs: to(3000), Reason: why},
		{Track: "camera-0-7", FromMs: 5000, Reason: why},
	}
	if diff := cmp.Diff(want, m.Gaps); diff != "" {
		t.Errorf("gaps (-want +got):\n%s", diff)
	}
	f, err := os.Open(filepath.Join(c.dir, "standup.json"))
	c.must(err)
	defer f.Close()
	read, err := recording.ReadManifest(f)
	c.must(err)
	if diff := cmp.Diff(want, read.Gaps); diff != "" {
		t.Errorf("gaps in the manifest on disk (-want +got):\n%s", diff)
	}
}
