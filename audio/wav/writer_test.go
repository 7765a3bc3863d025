// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// disk is a file in memory.
type disk struct {
	b       []byte
	offsets []int64
	fail    error
}

func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	if d.fail != nil {
		return 0, d.fail
	}
	d.offsets = append(d.offsets, at)
	d.b = append(d.b, make([]byte, max(0, int(at)+len(p)-len(d.b)))...)
	return copy(d.b[at:], p), nil
}

func (d *disk) ReadAt(p []byte, at int64) (int, error) { return bytes.NewReader(d.b).ReadAt(p, at) }

func ramp(from, n int) []int16 {
	s := make([]int16, n)
	for i := range s {
		s[i] = int16(from + i)
	}
	return s
}

func TestWriterWritesWhatEncodeWould(t *testing.T) {
	for name, sizes := range map[string][]int{
		"nothing":        nil,
		"frames":         {320, 320, 320},
		"odd sizes":      {1, 7, 15999, 2, 33000},
		"a second":       {16000},
		"many seconds":   {100_000},
		"silence":        {-320, 320, -1, -40_000, 3},
		"silence at end": {320, -16000},
	} {
		t.Run(name, func(t *testing.T) {
			d := &disk{}
			w, err := NewWriter(d, 16000)
			if err != nil {
				t.Fatal(err)
			}
			var all []int16
			for i, n := range sizes {
				if n < 0 {
					err = w.WriteSilence(int64(-n))
					all = append(all, make([]int16, -n)...)
				} else {
					err = w.Write(ramp(i, n))
					all = append(all, ramp(i, n)...)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := Encode(&want, Clip{SampleRate: 16000, Samples: all}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(want.Bytes(), d.b) {
				t.Errorf("%d bytes, want %d, or they differ", len(d.b), want.Len())
			}
		})
	}
}

// Whenever the process is killed, the file says of itself what is in it, and lacks less than a second.
func TestAFileIsWholeAtEveryWrite(t *testing.T) {
	d := &disk{}
	w, err := NewWriter(d, 16000)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		if err := w.Write(ramp(i*320, 320)); err != nil {
			t.Fatal(err)
		}
		h, err := Inspect(d.b)
		if err != nil {
			t.Fatal(err)
		}
		if h.DataBytes != h.ClaimedBytes {
			t.Fatalf("after %d frames the header claims %d bytes, there are %d", i+1, h.ClaimedBytes, h.DataBytes)
		}
		if lacks := (i+1)*640 - int(h.DataBytes); lacks < 0 || lacks >= 32000 {
			t.Fatalf("after %d frames the file lacks %d bytes", i+1, lacks)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	writes := len(d.offsets)
	if err := w.Flush(); err != nil || len(d.offsets) != writes {
		t.Errorf("flushing nothing writes %d times (%v)", len(d.offsets)-writes, err)
	}
	// Samples before the header that speaks of them.
	for i, at := range d.offsets[1:] {
		if (at == 0) != (i%2 == 1) {
			t.Fatalf("writes went to %v", d.offsets)
		}
	}
}

func TestWriterRefusesWhatDoesNotFit(t *testing.T) {
	d := &disk{}
	w, err := NewWriter(d, 16000)
	if err != nil {
		t.Fatal(err)
	}
	if w.limit+headerBytes-8 > math.MaxUint32 {
		t.Fatalf("a limit of %d overflows the header", w.limit)
	}
	w.limit = 1000
	if err := w.Write(ramp(0, 400)); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(ramp(0, 101)); !errors.Is(err, ErrFull) {
		t.Errorf("one sample too many: %v", err)
	}
	if err := w.WriteSilence(101); !errors.Is(err, ErrFull) {
		t.Errorf("one zero too many: %v", err)
	}
	if err := errors.Join(w.Write(ramp(0, 100)), w.Flush()); err != nil {
		t.Error(err)
	}
	if h, err := Inspect(d.b); err != nil || h.DataBytes != 1000 || h.ClaimedBytes != 1000 {
		t.Errorf("%+v, %v", h, err)
	}
	for _, rate := range []int{0, -1, 1 << 20} {
		if _, err := NewWriter(d, rate); err == nil {
			t.Errorf("a rate of %d is taken", rate)
		}
	}
}

func TestWriterTellsOfADiskThatFails(t *testing.T) {
	full := errors.New("disk full")
	if _, err := NewWriter(&disk{fail: full}, 16000); !errors.Is(err, full) {
		t.Errorf("header: %v", err)
	}
	d := &disk{}
	w, err := NewWriter(d, 16000)
	if err != nil {
		t.Fatal(err)
	}
	d.fail = full
	if err := w.Write(ramp(0, 16000)); !errors.Is(err, full) {
		t.Errorf("samples: %v", err)
	}
	if err := w.WriteSilence(16000); !errors.Is(err, full) {
		t.Errorf("silence: %v", err)
	}
	// When there is room again, what was held back is written in its place.
	d.fail = nil
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if clip, err := Decode(bytes.NewReader(d.b), 1<<20); err != nil || !cmp.Equal(clip.Samples[:16000], ramp(0, 16000)) {
		t.Errorf("after a full disk: %v", err)
	}
}

func TestRepairClaimsWhatIsThere(t *testing.T) {
	d := &disk{}
	w, err := NewWriter(d, 16000)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(ramp(0, 24000)), w.Flush()); err != nil {
		t.Fatal(err)
	}
	d.b = append(d.b, make([]byte, 8001)...) // written, but not yet claimed, and cut within a sample
	played, err := Repair(d, int64(len(d.b)))
	if err != nil || played != 1750*time.Millisecond {
		t.Errorf("plays %v, %v", played, err)
	}
	if h, err := Inspect(d.b); err != nil || h.ClaimedBytes != 56000 {
		t.Errorf("%+v, %v", h, err)
	}
	foreign := file{tag: 1, channels: 2, bits: 16, rate: 16000, data: make([]int16, 10)}.bytes()
	for name, b := range map[string][]byte{"nothing": nil, "half a header": d.b[:20], "stereo": foreign} {
		before := bytes.Clone(b)
		f := &disk{b: b}
		if _, err := Repair(f, int64(len(b))); err == nil || !bytes.Equal(before, f.b) {
			t.Errorf("%s is repaired: %v", name, err)
		}
	}
	if _, err := Repair(&disk{b: d.b, fail: errors.New("read only")}, int64(len(d.b))); err == nil || !strings.Contains(err.Error(), "read only") {
		t.Errorf("a file that cannot be written: %v", err)
	}
}

type sink struct{}

func (sink) WriteAt(p []byte, _ int64) (int, error) { return len(p), nil }

func TestWritingAllocatesNothing(t *testing.T) {
	w, err := NewWriter(sink{}, 16000)
	if err != nil {
		t.Fatal(err)
	}
	frame := ramp(0, 320)
	if n := testing.AllocsPerRun(500, func() {
		if w.Write(frame) != nil || w.WriteSilence(100) != nil {
			t.Error("not written")
		}
	}); n != 0 {
		t.Errorf("%v allocations for a frame", n)
	}
}

func BenchmarkWriter(b *testing.B) {
	w, err := NewWriter(sink{}, 16000)
	if err != nil {
		b.Fatal(err)
	}
	w.limit = math.MaxInt64
	frame := ramp(0, 320)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
}
