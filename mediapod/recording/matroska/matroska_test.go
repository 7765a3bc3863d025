// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/at-wat/ebml-go"
	"github.com/at-wat/ebml-go/webm"
	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// disk is a file in memory.
type disk struct {
	b    []byte
	fail error
}

func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	d.b = append(d.b, make([]byte, max(0, int(at)+len(p)-len(d.b)))...)
	return copy(d.b[at:], p), nil
}

func (d *disk) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(d.b).ReadAt(p, at) }

func (d *disk) Truncate(n int64) error { d.b = d.b[:n]; return d.fail }

var opusTrack = Track{Codec: CodecOpus, Private: ogg.Head{Channels: 1, InputRate: 16000}.Append(nil), SampleRate: 48000, Channels: 1, Name: "mixed"}

// clip is two seconds of video at 15 frames a second with a key frame every ten.
type clip struct {
	track  Track
	frames [][]byte
	keys   []bool
}

func vp8(t testing.TB) (c clip) {
	t.Helper()
	ivf, err := os.ReadFile("testdata/testsrc.ivf")
	if err != nil {
		t.Fatal(err)
	}
	for ivf = ivf[32:]; len(ivf) > 0; {
		n := binary.LittleEndian.Uint32(ivf)
		frame := ivf[12 : 12+n]
		w, h, key := video.VP8Size(frame)
		if key {
			c.track = Track{Codec: CodecVP8, Width: w, Height: h}
		}
		c.frames, c.keys = append(c.frames, frame), append(c.keys, key)
		ivf = ivf[12+n:]
	}
	return c
}

func h264(t testing.TB) (c clip) {
	t.Helper()
	stream, err := os.ReadFile("testdata/testsrc.h264")
	if err != nil {
		t.Fatal(err)
	}
	aud := []byte{0, 0, 0, 1, 9} // begins every access unit
	for _, unit := range bytes.Split(stream, aud)[1:] {
		unit = append(bytes.Clone(aud), unit...)
		h, key := ParseH264(unit)
		if key {
			c.track = Track{Codec: CodecH264, Width: h.Width, Height: h.Height, Private: h.Private}
		}
		c.frames, c.keys = append(c.frames, AppendLengths(nil, unit)), append(c.keys, key)
	}
	return c
}

// record writes a clip with silence, from an offset on, and returns the size of the file after each frame of video.
func record(t testing.TB, d *disk, c clip, offset time.Duration) (w *Writer, sizes []int) {
	t.Helper()
	w, err := NewWriter(d, []Track{c.track, opusTrack})
	if err != nil {
		t.Fatal(err)
	}
	for i, sound := 0, time.Duration(0); i < len(c.frames); i++ {
		at := time.Duration(i) * time.Second / 15
		for ; sound <= at; sound += 20 * time.Millisecond {
			if err := w.Write(1, offset+sound, true, ogg.Silence); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Write(0, offset+at, c.keys[i], c.frames[i]); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(d.b))
	}
	return w, sizes
}

func ffprobe(t testing.TB, file []byte, args ...string) string {
	t.Helper()
	tool, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed (ffmpeg)")
	}
	path := filepath.Join(t.TempDir(), "a.mkv")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(tool, append(append([]string{"-v", "error", "-of", "csv=p=0"}, args...), path)...).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestFFprobeReadsBothCodecs(t *testing.T) {
	for name, c := range map[string]clip{"vp8": vp8(t), "h264": h264(t)} {
		t.Run(name, func(t *testing.T) {
			if len(c.frames) != 30 || !c.keys[0] || c.keys[1] || !c.keys[10] {
				t.Fatalf("%d frames, key frames %v: the test is wrong", len(c.frames), c.keys)
			}
			d := &disk{}
			w, _ := record(t, d, c, time.Minute)
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			// Each frame is decoded: a broken one is an error in the output.
			got := ffprobe(t, d.b, "-count_frames", "-show_entries", "stream=codec_name,width,height,nb_read_frames:format=start_time,duration")
			want := name + ",178,100,30\nopus,97\n60.000000,61.953000"
			if got != want {
				t.Errorf("ffprobe says\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Seeking goes by the index, which another library reads here.
func TestTheIndexLeadsToKeyFrames(t *testing.T) {
	d := &disk{}
	c := vp8(t)
	w, _ := record(t, d, c, 0)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	var f struct {
		Header  webm.EBMLHeader `ebml:"EBML"`
		Segment webm.Segment    `ebml:"Segment"`
	}
	if err := ebml.Unmarshal(bytes.NewReader(d.b), &f); err != nil {
		t.Fatal(err)
	}
	if f.Header.DocType != "webm" || f.Segment.Info.Duration != 1953 {
		t.Errorf("type %q, %v ms", f.Header.DocType, f.Segment.Info.Duration)
	}
	var times []uint64
	for _, p := range f.Segment.Cues.CuePoint {
		times = append(times, p.CueTime)
		at := w.layout.data + int64(p.CueTrackPositions[0].CueClusterPosition)
		e, err := scanner{d, int64(len(d.b))}.at(at)
		if err != nil || e.id != idCluster {
			t.Errorf("at %d there is element %x, %v", at, e.id, err)
		}
	}
	if diff := cmp.Diff([]uint64{0, 666, 1333}, times); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	for _, s := range f.Segment.SeekHead.Seek {
		e, err := scanner{d, int64(len(d.b))}.at(w.layout.data + int64(s.SeekPosition))
		if err != nil || e.id != binary.BigEndian.Uint32(s.SeekID) {
			t.Errorf("the index of parts leads from %x to %x, %v", s.SeekID, e.id, err)
		}
	}
	if len(f.Segment.SeekHead.Seek) != 3 {
		t.Errorf("%d parts are named", len(f.Segment.SeekHead.Seek))
	}
	blocks, last := 0, int64(-1)
	for _, cluster := range f.Segment.Cluster {
		for _, b := range cluster.SimpleBlock {
			blocks++
			at := int64(cluster.Timecode) + int64(b.Timecode)
			if at < last {
				t.Errorf("a block at %d comes after one at %d", at, last)
			}
			last = at
		}
	}
	if blocks != 30+97 {
		t.Errorf("%d blocks", blocks)
	}
}

// Wherever the file is cut, it opens, and repaired it is like one that was closed there.
func TestACutFileOpensAndCanBeRepaired(t *testing.T) {
	d := &disk{}
	w, _ := record(t, d, vp8(t), 0)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	head, _, err := header(w.tracks)
	if err != nil {
		t.Fatal(err)
	}
	probed := map[int64]bool{}
	for cut := 0; cut <= len(d.b); cut += 7 {
		f := &disk{b: bytes.Clone(d.b[:cut])}
		end, err := Repair(f, int64(cut))
		if cut < len(head) {
			if err == nil {
				t.Fatalf("a file of %d bytes, within its header, is repaired", cut)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		again := bytes.Clone(f.b)
		if end2, err := Repair(f, int64(len(f.b))); err != nil || end2 != end || !bytes.Equal(f.b, again) {
			t.Fatalf("cut at %d: a second repair changes the file: %v, then %v, %v", cut, end, end2, err)
		}
		if end > 0 && !probed[int64(end)] {
			probed[int64(end)] = true
			ffprobe(t, d.b[:cut])
			got := ffprobe(t, f.b, "-show_entries", "format=duration")
			if s, err := strconv.ParseFloat(got, 64); err != nil || math.Abs(s-end.Seconds()) > 1e-6 {
				t.Errorf("cut at %d: ffprobe says %s, repair %v", cut, got, end)
			}
		}
	}
	if len(probed) < 3 {
		t.Errorf("%d lengths", len(probed))
	}
}

func TestRepairMakesTheIndexThatCloseMakes(t *testing.T) {
	killed, closed := &disk{}, &disk{}
	w, _ := record(t, killed, vp8(t), 0)
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	w, _ = record(t, closed, vp8(t), 0)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	open := bytes.Clone(closed.b) // killed within Close
	copy(open[w.layout.segment:], size8(unknownSize))
	for name, d := range map[string]*disk{"no index": killed, "an index without a name": {b: open}, "whole": {b: bytes.Clone(closed.b)}} {
		if _, err := Repair(d, int64(len(d.b))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(d.b, closed.b) {
			t.Errorf("%s: the repaired file differs from the one that was closed", name)
		}
	}
}

func TestAWriterHoldsBackHalfASecondAtMost(t *testing.T) {
	d := &disk{}
	w, err := NewWriter(d, []Track{opusTrack})
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); at < 10*time.Second; at += 20 * time.Millisecond {
		if err := w.Write(0, at, true, ogg.Silence); err != nil {
			t.Fatal(err)
		}
		f := &disk{b: bytes.Clone(d.b)}
		end, err := Repair(f, int64(len(f.b)))
		if err != nil || at+20*time.Millisecond-end > clusterSpan {
			t.Fatalf("at %v the file ends at %v, %v", at, end, err)
		}
	}
}

func TestTheIndexIsBoundedAndKeepsToTheWhole(t *testing.T) {
	d := &disk{}
	w, err := NewWriter(d, []Track{opusTrack})
	if err != nil {
		t.Fatal(err)
	}
	for at := time.Duration(0); at < 2000*time.Second; at += clusterSpan {
		if err := w.Write(0, at, true, ogg.Silence); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(w.cues); n < maxCues/2 || n > maxCues {
		t.Errorf("%d points", n)
	}
	for i := 1; i < len(w.cues); i++ {
		if step := w.cues[i].CueTime - w.cues[i-1].CueTime; step == 0 || step > 4000 {
			t.Errorf("%d ms from one point to the next", step)
		}
	}
	if last := w.cues[len(w.cues)-1].CueTime; last < 1_990_000 {
		t.Errorf("the index ends at %d ms", last)
	}
}

func TestWriterRefusesWhatItCannotWrite(t *testing.T) {
	good := vp8(t).track
	for name, tracks := range map[string][]Track{
		"no tracks":           nil,
		"too many tracks":     make([]Track, 127),
		"another codec":       {{Codec: "V_AV1", Width: 1, Height: 1}},
		"no size":             {{Codec: CodecVP8}},
		"H.264 without SPS":   {{Codec: CodecH264, Width: 1, Height: 1}},
		"Opus without header": {good, {Codec: CodecOpus}},
	} {
		if _, err := NewWriter(&disk{}, tracks); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	full := errors.New("disk full")
	if _, err := NewWriter(&disk{fail: full}, []Track{good}); !errors.Is(err, full) {
		t.Errorf("header: %v", err)
	}
	d := &disk{}
	w, _ := record(t, d, vp8(t), 0)
	d.fail = full
	if err := w.Write(0, time.Hour, true, []byte{1}); !errors.Is(err, full) {
		t.Errorf("frame: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("close: %v", err)
	}
}

type sink struct{}

func (sink) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestWritingAllocatesNothing(t *testing.T) {
	c := vp8(t)
	w, err := NewWriter(sink{}, []Track{c.track, opusTrack})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Duration(0)
	write := func() {
		at += 20 * time.Millisecond
		if w.Write(1, at, true, ogg.Silence) != nil || w.Write(0, at, at%time.Second == 0, c.frames[0]) != nil {
			t.Error("not written")
		}
	}
	for range 100 {
		write()
	}
	if n := testing.AllocsPerRun(500, write); n != 0 {
		t.Errorf("%v allocations for two frames", n)
	}
}

func FuzzRepair(f *testing.F) {
	d := &disk{}
	w, sizes := record(f, d, vp8(f), 0)
	f.Add(bytes.Clone(d.b[:sizes[len(sizes)/3]]))
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(d.b[:len(d.b)/2])
	f.Add(d.b[len(d.b)/2:])
	small := &disk{}
	w, err := NewWriter(small, []Track{opusTrack})
	if err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(w.Write(0, 0, true, ogg.Silence), w.Close()); err != nil {
		f.Fatal(err)
	}
	f.Add(small.b)
	f.Fuzz(func(t *testing.T, in []byte) {
		d := &disk{b: bytes.Clone(in)}
		end, err := Repair(d, int64(len(d.b)))
		if err != nil {
			return
		}
		if end < 0 {
			t.Fatalf("ends at %v", end)
		}
		if len(d.b) > 3*len(in)+100 {
			t.Fatalf("%d bytes became %d", len(in), len(d.b))
		}
		if again, err := Repair(d, int64(len(d.b))); err != nil || again != end {
			t.Fatalf("repaired to %v, then to %v, %v", end, again, err)
		}
	})
}
