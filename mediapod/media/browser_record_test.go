// SPDX-License-Identifier: Apache-2.0

package media_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/opus"
	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/media/video"
	"github.com/callfleet/callfleet/mediapod/record"
	"github.com/callfleet/callfleet/mediapod/recording"
)

// TestABrowserIsRecorded: what a browser says and shows is in files that another program plays, with the tone that it sent and
// the pictures of its camera and its screen.
func TestABrowserIsRecorded(t *testing.T) {
	for _, tool := range []string{"ffprobe", "ffmpeg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("needs ffmpeg")
		}
	}
	if _, err := opus.Default(); err != nil {
		t.Skip(err)
	}
	for _, c := range []video.Codec{video.VP8, video.H264} {
		t.Run(string(c), func(t *testing.T) {
			const visited = 5 * time.Second
			stalls := media.WatchStalls(t)
			call, visit := media.Visit(t, c, visited)
			dir := t.TempDir()
			r, err := record.New(record.Config{Dir: dir, Name: "visit", Format: recording.FormatOgg, Participants: true, Video: true,
				Allowed: func() bool { return true }, OnError: func(err error) { t.Error(err) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := r.Open(); err != nil {
				t.Fatal(err)
			}
			call.AddTap(r)
			watch := call.WatchVideo(r, media.VideoFilter{})
			before := stalls()
			visit()
			stood := stalls() - before
			watch.Stop()
			call.RemoveTap(r)
			m, err := r.Close(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Verify(context.Background(), dir); err != nil {
				t.Error(err)
			}
			length := m.Ended.Sub(m.Started)
			found := map[string]int{}
			for _, f := range m.Files {
				kind, _, _ := strings.Cut(f.Track, "-")
				found[kind]++
				path := filepath.Join(dir, f.File)
				t.Logf("%s: %+v", probe(t, path, "-show_entries", "stream=codec_name,width,height:format=start_time,duration"), f)
				playsWithout(t, path)
				d := seconds(t, probe(t, path, "-show_entries", "format=duration"))
				if (d-length).Abs() > 300*time.Millisecond || f.Error != "" {
					t.Errorf("%s ends at %v, the recording at %v: %+v", f.File, d, length, f)
				}
				switch kind {
				case record.TrackMixed, record.TrackOthers:
					checkTone(t, path, visited, stood)
				case "camera", "screen":
					checkTone(t, path, visited, stood)
					checkPictures(t, path, c)
				}
			}
			if found["mixed"] != 1 || found["others"] != 1 || found["camera"] != 1 || found["screen"] != 1 {
				t.Errorf("files %v", found)
			}
		})
	}
}

func probe(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", append(append([]string{"-v", "error", "-of", "csv=p=0"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe %s: %v: %s", path, err, out)
	}
	return strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", " ")
}

func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(f * float64(time.Second))
}

// playsWithout has all of a file decoded, without a complaint.
func playsWithout(t *testing.T, path string) {
	t.Helper()
	// At the times that frames have, and not at a rate that ffmpeg makes up for them.
	out, err := exec.Command("ffmpeg", "-v", "warning", "-xerror", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-").CombinedOutput()
	if err != nil || len(out) > 0 {
		t.Errorf("ffmpeg plays %s: %v: %s", filepath.Base(path), err, out)
	}
}

// checkTone looks for the browser's tone, and nothing else, in what ffmpeg makes of a file: for as long as it was there at least,
// and without a gap in that, but for what should have been played out while this process stood still.
func checkTone(t *testing.T, path string, visited, stood time.Duration) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "16000", "-f", "s16le", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, len(out)/2)
	if err := binary.Read(bytes.NewReader(out), binary.LittleEndian, pcm); err != nil {
		t.Fatal(err)
	}
	// The share of the tone in 100 ms, which are 44 of its periods.
	const block = audio.SampleRate / 10
	pure, longest, now := 0, 0, 0
	for ; len(pcm) >= block; pcm = pcm[block:] {
		var re, im, all float64
		for i, v := range pcm[:block] {
			sin, cos := math.Sincos(2 * math.Pi * media.BrowserHz * float64(i) / audio.SampleRate)
			re, im, all = re+float64(v)*cos, im+float64(v)*sin, all+float64(v)*float64(v)
		}
		if audio.DBov(all, block) > -40 && 2*(re*re+im*im)/block/all > 0.9 {
			pure++
			now++
			longest = max(longest, now)
		} else {
			now = 0
		}
	}
	t.Logf("%s: %d00 ms of the tone, %d00 ms of them together", filepath.Base(path), pure, longest)
	want := int((visited*8/10 - stood) / (100 * time.Millisecond))
	if pure < want || longest < want/2 && stood < 100*time.Millisecond {
		t.Errorf("%s has %d00 ms of the tone, %d00 ms of them together, want %d00 and half of that; this process stood still for %v",
			filepath.Base(path), pure, longest, want, stood)
	}
}

// checkPictures: there is sound, and pictures that begin with a key frame.
func checkPictures(t *testing.T, path string, c video.Codec) {
	t.Helper()
	if got, want := probe(t, path, "-show_entries", "stream=codec_name"), strings.ToLower(string(c))+" opus"; got != want {
		t.Errorf("%s has %s, want %s", path, got, want)
	}
	frames := strings.Fields(probe(t, path, "-select_streams", "v", "-show_entries", "frame=key_frame"))
	if len(frames) < 20 || !strings.HasPrefix(frames[0], "1") {
		t.Errorf("%s has %d frames, the first with %v", path, len(frames), frames[:min(1, len(frames))])
	}
}
