// SPDX-License-Identifier: Apache-2.0

package ogg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/audio"
)

const frame20 = 20 * time.Millisecond

func TestSamplesFollowsTheTableOfContents(t *testing.T) {
	tests := map[string]struct {
		packet []byte
		ms     float64 // 0: refused
	}{
		"nothing":                     {nil, 0},
		"SILK narrowband 10":          {[]byte{0 << 3, 1}, 10},
		"SILK wideband 20":            {[]byte{9 << 3, 1}, 20},
		"SILK wideband 60, two":       {[]byte{11<<3 | 1, 1}, 120},
		"SILK wideband 60, three":     {[]byte{11<<3 | 3, 3}, 0},
		"hybrid fullband 20":          {[]byte{15<<3 | 0, 1}, 20},
		"hybrid superwideband 10":     {[]byte{12<<3 | 0, 1}, 10},
		"CELT 2.5":                    {[]byte{28 << 3, 1}, 2.5},
		"CELT 2.5, two of unlike":     {[]byte{28<<3 | 2, 1, 0}, 5},
		"CELT 20, six":                {[]byte{31<<3 | 3, 6}, 120},
		"CELT 20, seven":              {[]byte{31<<3 | 3, 7}, 0},
		"CELT 2.5, 48":                {[]byte{28<<3 | 3, 48}, 120},
		"the flags of the count":      {[]byte{31<<3 | 3, 0xC0 | 2}, 40},
		"a count of none":             {[]byte{31<<3 | 3, 0}, 0},
		"no count":                    {[]byte{31<<3 | 3}, 0},
		"a TOC alone, as DTX sends":   {[]byte{9 << 3}, 20},
		"silence":                     {Silence, 20},
		"more bytes than can be":      {make([]byte, maxPacketBytes+1), 0},
		"as many bytes as can be":     {make([]byte, maxPacketBytes), 10},
		"stereo does not change time": {[]byte{9<<3 | 4, 1}, 20},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			n, err := Samples(tc.packet)
			if want := int(tc.ms * 48); n != want || (err == nil) != (want > 0) {
				t.Errorf("%d samples (%v), want %d", n, err, want)
			}
		})
	}
}

func TestOnlySilkAndHybridMayRepeat(t *testing.T) {
	for config := range byte(32) {
		if got := MayRepeat([]byte{config << 3}); got != (config < 16) {
			t.Errorf("configuration %d: %v", config, got)
		}
	}
	if MayRepeat(nil) {
		t.Error("a packet without bytes repeats")
	}
}

// prompt is what opusenc made of audio/testdata/prompt.wav: 2.72 s.
func prompt(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/prompt.opus")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type heard struct {
	data         string
	at, duration time.Duration
}

func readAll(t testing.TB, r *Reader) (all []heard, err error) {
	t.Helper()
	for {
		p, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, heard{string(p.Data), p.At, p.Duration})
	}
}

func mustRead(t testing.TB, file []byte) ([]heard, *Reader) {
	t.Helper()
	r, err := NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	all, err := readAll(t, r)
	if err != io.EOF {
		t.Fatalf("the file ends with %v, want EOF", err)
	}
	return all, r
}

func TestReaderReadsWhatOpusencWrote(t *testing.T) {
	packets, r := mustRead(t, prompt(t))
	if diff := cmp.Diff(Head{Channels: 1, PreSkip: 312, InputRate: 16000}, r.Head()); diff != "" {
		t.Errorf("head (-want +got):\n%s", diff)
	}
	if !strings.Contains(r.Tags().Vendor, "libopus") || len(r.Tags().Comments) != 2 || !strings.HasPrefix(r.Tags().Comments[0], "ENCODER=") {
		t.Errorf("tags %+v", r.Tags())
	}
	first, last := packets[0], packets[len(packets)-1]
	if want := -duration(312); first.at != want || first.duration != frame20 {
		t.Errorf("the first packet is at %v for %v, want %v for 20ms", first.at, first.duration, want)
	}
	if end := last.at + last.duration; end != 2720*time.Millisecond || last.duration >= frame20 {
		t.Errorf("the last packet plays %v and ends at %v, want less than a packet, and 2.72s", last.duration, end)
	}
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tests := map[string]func(i int) []byte{
		"small packets":                   func(int) []byte { return packet(rng, 40) },
		"a byte each":                     func(int) []byte { return packet(rng, 1) },
		"the size of a segment":           func(int) []byte { return packet(rng, 255) },
		"several segments":                func(int) []byte { return packet(rng, 510) },
		"any size":                        func(int) []byte { return packet(rng, 1+rng.IntN(1500)) },
		"as large as can be":              func(int) []byte { return packet(rng, maxPacketBytes) },
		"more segments than a page holds": func(int) []byte { return append([]byte{28 << 3}, make([]byte, 3000)...) },
	}
	for name, make := range tests {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			head := Head{Channels: 2, PreSkip: PreRoll, InputRate: 16000, GainQ8: -256}
			tags := Tags{Vendor: "callfleet", Comments: []string{"TITLE=a", ""}}
			w, err := NewWriter(&b, 7, head, tags)
			if err != nil {
				t.Fatal(err)
			}
			var want []heard
			at := -duration(PreRoll)
			for i := range 120 {
				p := make(i)
				if err := w.WritePacket(p); err != nil {
					t.Fatal(err)
				}
				n, _ := Samples(p)
				want = append(want, heard{string(p), at, duration(int64(n))})
				at += duration(int64(n))
			}
			for range 2 { // closing twice is closing once
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
			}
			got, r := mustRead(t, b.Bytes())
			if !cmp.Equal(want, got, cmp.AllowUnexported(heard{})) {
				t.Errorf("%d packets read, %d written, or they differ", len(got), len(want))
			}
			if diff := cmp.Diff(head, r.Head()); diff != "" {
				t.Errorf("head (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tags, r.Tags()); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		})
	}
}

// packet is a SILK packet of 20 ms that holds noise.
func packet(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	p[0] = 9 << 3
	return p
}

func TestCommentsLargerThanAPageAreContinued(t *testing.T) {
	for _, size := range []int{65025 - 24, 65025 - 24 + 1, 200_000} { // ends with a page, just not, and far behind
		var b bytes.Buffer
		tags := Tags{Vendor: "v", Comments: []string{strings.Repeat("x", size)}}
		w, err := NewWriter(&b, 7, Head{Channels: 1}, tags)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(w.WritePacket(Silence), w.Close()); err != nil {
			t.Fatal(err)
		}
		packets, r := mustRead(t, b.Bytes())
		if len(packets) != 1 || packets[0].at != 0 || !cmp.Equal(r.Tags(), tags) {
			t.Errorf("comments of %d bytes: %d packets, comments of %d bytes", size, len(packets), len(r.Tags().Comments[0]))
		}
	}
	var b bytes.Buffer
	if _, err := NewWriter(&b, 7, Head{Channels: 1}, Tags{Vendor: strings.Repeat("x", maxTagBytes)}); err != nil {
		t.Fatal(err)
	}
	if _, err := NewReader(&b); err == nil || !strings.Contains(err.Error(), "strip the pictures") {
		t.Errorf("comments over the limit: %v", err)
	}
}

// A process that is killed has lost less than the page it was at.
func TestAWriterHoldsBackHalfASecondAtMost(t *testing.T) {
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, Head{Channels: 1}, Tags{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 500 {
		if err := w.WritePacket(Silence); err != nil {
			t.Fatal(err)
		}
		r, err := NewReader(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		on, _ := readAll(t, r)
		if held := time.Duration(i+1-len(on)) * frame20; held >= duration(pageSamples) {
			t.Fatalf("%v are held back", held)
		}
	}
	if err := w.WritePacket([]byte{9 << 3}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	size := b.Len()
	if err := w.Flush(); err != nil || b.Len() != size {
		t.Errorf("flushing nothing writes %d bytes (%v)", b.Len()-size, err)
	}
	r, err := NewReader(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if on, err := readAll(t, r); len(on) != 501 || err != io.EOF {
		t.Errorf("%d packets after flushing, %v", len(on), err)
	}
}

func TestWritingAllocatesNothing(t *testing.T) {
	w, err := NewWriter(io.Discard, 7, Head{Channels: 1}, Tags{})
	if err != nil {
		t.Fatal(err)
	}
	p := packet(rand.New(rand.NewPCG(1, 1)), 120)
	for range 100 {
		if err := w.WritePacket(p); err != nil {
			t.Fatal(err)
		}
	}
	if n := testing.AllocsPerRun(200, func() {
		if w.WritePacket(p) != nil || w.WriteSilence(1) != nil {
			t.Error("not written")
		}
	}); n != 0 {
		t.Errorf("%v allocations for two packets", n)
	}
}

type fullDisk struct{ left int }

func (d *fullDisk) Write(p []byte) (int, error) {
	if d.left -= len(p); d.left < 0 {
		return 0, errors.New("disk full")
	}
	return len(p), nil
}

func TestErrorsOfTheDiskReachTheCaller(t *testing.T) {
	for name, tc := range map[string]struct {
		left int
		do   func(w *Writer) error
	}{
		"header":  {20, nil},
		"comment": {60, nil},
		"packets": {200, func(w *Writer) error { return w.WriteSilence(100) }},
		"flush":   {100, func(w *Writer) error { return errors.Join(w.WriteSilence(1), w.Flush()) }},
		"close":   {100, func(w *Writer) error { return w.Close() }},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := NewWriter(&fullDisk{tc.left}, 7, Head{Channels: 1}, Tags{})
			if tc.do != nil && err == nil {
				err = tc.do(w)
			}
			if err == nil || !strings.Contains(err.Error(), "disk full") {
				t.Errorf("error %v", err)
			}
		})
	}
	if _, err := NewWriter(io.Discard, 7, Head{Channels: 3}, Tags{}); err == nil {
		t.Error("three channels are written")
	}
	if _, err := NewWriter(io.Discard, 7, Head{Channels: 1, PreSkip: 1 << 16}, Tags{}); err == nil {
		t.Error("a pre-skip is cut off")
	}
}

// The decoder of opus-tools hears the prompt, a gap in its place, and the prompt again.
func TestOpusdecHearsAGapAsSilenceInPlace(t *testing.T) {
	opusdec, err := exec.LookPath("opusdec")
	if err != nil {
		t.Skip("opusdec is not installed (opus-tools)")
	}
	spoken, _ := mustRead(t, prompt(t))
	spoken = spoken[:100] // two seconds, cut within a word
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, Head{Channels: 1, PreSkip: PreRoll, InputRate: 16000}, Tags{})
	if err != nil {
		t.Fatal(err)
	}
	say := func() {
		for _, p := range spoken {
			if err := w.WritePacket([]byte(p.data)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.WriteSilence(4); err != nil { // the pre-roll
		t.Fatal(err)
	}
	say()
	if err := w.WriteSilence(150); err != nil {
		t.Fatal(err)
	}
	say()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gap.opus")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := exec.Command(opusdec, "--quiet", "--rate", "16000", "--no-dither", file, "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:]))
	}
	// opusdec's own resampler may be a millisecond off at the end.
	if n := len(pcm) - 7*audio.SampleRate; n < -16 || n > 16 {
		t.Fatalf("%d samples, want those of 7 s", len(pcm))
	}
	level := func(from, to time.Duration) float64 {
		part := pcm[int(from.Seconds()*audio.SampleRate):int(to.Seconds()*audio.SampleRate)]
		return audio.DBov(audio.Energy(part), len(part))
	}
	if db := level(0, 2*time.Second); db < -35 {
		t.Errorf("the prompt has %.0f dBov", db)
	}
	// The codec's own delay and its overlap end within a packet.
	if db := level(2*time.Second+frame20, 5*time.Second-frame20); db > -90 {
		t.Errorf("the gap has %.0f dBov", db)
	}
	if a, b := level(0, 2*time.Second), level(5*time.Second, 6980*time.Millisecond); a-b > 0.5 || b-a > 0.5 {
		t.Errorf("after the gap the prompt has %.1f dBov, before it %.1f", b, a)
	}
}

func TestFFprobeReadsTheLength(t *testing.T) {
	ffprobe, err := exec.LookPath("ffprobe")
	if err != nil {
		t.Skip("ffprobe is not installed (ffmpeg)")
	}
	var b bytes.Buffer
	w, err := NewWriter(&b, 7, Head{Channels: 1, PreSkip: PreRoll, InputRate: 16000}, Tags{Vendor: "callfleet", Comments: []string{"TITLE=call"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.WriteSilence(4+500), w.Close()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a.opus")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(ffprobe, "-v", "error", "-show_entries", "format=duration:stream=codec_name:stream_tags", "-of", "csv", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "opus,call") || !strings.Contains(string(out), "format,10.0") {
		t.Errorf("ffprobe says %q (%v)", out, err)
	}
}

func BenchmarkWritePacket(b *testing.B) {
	w, err := NewWriter(io.Discard, 7, Head{Channels: 1}, Tags{})
	if err != nil {
		b.Fatal(err)
	}
	p := packet(rand.New(rand.NewPCG(1, 1)), 80)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.WritePacket(p); err != nil {
			b.Fatal(err)
		}
	}
}

func TestWhatIsMissingIsOfTheSameKind(t *testing.T) {
	for toc := range 256 {
		missing := Missing([]byte{byte(toc), 1})
		n, err := Samples([]byte{missing})
		if err != nil || n != silenceSamples || MayRepeat([]byte{missing}) != MayRepeat([]byte{byte(toc)}) || missing&4 != byte(toc)&4 {
			t.Errorf("after %#x, %#x lasts %d samples: %v", toc, missing, n, err)
		}
		// Bandwidths are four configurations of SILK, two of hybrid and four of CELT (RFC 6716 table 2).
		of := func(config byte) byte {
			if config >= 12 && config < 16 {
				return config >> 1
			}
			return config >> 2
		}
		if of(missing>>3) != of(byte(toc)>>3) {
			t.Errorf("after %#x, %#x is of another bandwidth", toc, missing)
		}
	}
}
