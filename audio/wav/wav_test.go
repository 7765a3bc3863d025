// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// file builds a WAV file of the given format around data, chunk by chunk.
type file struct {
	tag, channels, bits uint16
	rate                uint32
	extensible          bool
	before              string // chunks between WAVE and fmt
	data                any
	dataSize            func(n uint32) uint32 // nil: the truth
}

func (f file) bytes() []byte {
	var data bytes.Buffer
	if err := binary.Write(&data, binary.LittleEndian, f.data); err != nil {
		panic(err)
	}
	le := binary.LittleEndian
	tag := f.tag
	if f.extensible {
		tag = formatExtensible
	}
	frame := f.channels * f.bits / 8
	fm := le.AppendUint16(nil, tag)
	fm = le.AppendUint16(fm, f.channels)
	fm = le.AppendUint32(fm, f.rate)
	fm = le.AppendUint32(fm, f.rate*uint32(frame))
	fm = le.AppendUint16(fm, frame)
	fm = le.AppendUint16(fm, f.bits)
	if f.extensible {
		fm = le.AppendUint16(fm, 22)
		fm = le.AppendUint16(fm, f.bits)
		fm = le.AppendUint32(fm, 3)
		fm = le.AppendUint16(fm, f.tag)
		fm = append(fm, "\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71"...)
	}
	size := uint32(data.Len())
	if f.dataSize != nil {
		size = f.dataSize(size)
	}
	out := append([]byte("RIFF\xff\xff\xff\xffWAVE"), f.before...)
	out = le.AppendUint32(append(out, "fmt "...), uint32(len(fm)))
	out = append(out, fm...)
	out = le.AppendUint32(append(out, "data"...), size)
	return append(out, data.Bytes()...)
}

func TestDecode(t *testing.T) {
	nan := float32(math.NaN())
	tests := map[string]struct {
		file file
		want []int16
	}{
		"16 bits":                 {file{tag: 1, channels: 1, bits: 16, data: []int16{0, 1, -1, 32767, -32768}}, []int16{0, 1, -1, 32767, -32768}},
		"8 bits":                  {file{tag: 1, channels: 1, bits: 8, data: []uint8{128, 0, 255, 129}}, []int16{0, -32768, 127 * 256, 256}},
		"24 bits":                 {file{tag: 1, channels: 1, bits: 24, data: []uint8{0, 0, 0, 0xFF, 0xFF, 0x7F, 0, 0, 0x80, 0, 1, 0}}, []int16{0, 32767, -32768, 1}},
		"32 bits":                 {file{tag: 1, channels: 1, bits: 32, data: []int32{0, math.MaxInt32, math.MinInt32, 65536}}, []int16{0, 32767, -32768, 1}},
		"float":                   {file{tag: 3, channels: 1, bits: 32, data: []float32{0, 1, -1, 0.5, 7, -7, nan}}, []int16{0, 32767, -32768, 16384, 32767, -32768, 0}},
		"double":                  {file{tag: 3, channels: 1, bits: 64, data: []float64{0, 1, -1, 0.25}}, []int16{0, 32767, -32768, 8192}},
		"stereo is averaged":      {file{tag: 1, channels: 2, bits: 16, data: []int16{100, 300, 32767, 32767, -10, 10}}, []int16{200, 32767, 0}},
		"three channels":          {file{tag: 1, channels: 3, bits: 16, data: []int16{3, 6, 9}}, []int16{6}},
		"extensible":              {file{tag: 1, channels: 2, bits: 16, extensible: true, data: []int16{1, 3}}, []int16{2}},
		"extensible float":        {file{tag: 3, channels: 1, bits: 32, extensible: true, data: []float32{0.5}}, []int16{16384}},
		"other chunks are passed": {file{tag: 1, channels: 1, bits: 16, before: "LIST\x03\x00\x00\x00abc\x00junk\x00\x00\x00\x00", data: []int16{7}}, []int16{7}},
		"written into a pipe":     {file{tag: 1, channels: 1, bits: 16, data: []int16{7, 8}, dataSize: func(uint32) uint32 { return math.MaxUint32 }}, []int16{7, 8}},
		"never finished":          {file{tag: 1, channels: 1, bits: 16, data: []int16{7, 8}, dataSize: func(uint32) uint32 { return 0 }}, []int16{7, 8}},
		"cut short":               {file{tag: 1, channels: 1, bits: 16, data: []int16{7, 8}, dataSize: func(n uint32) uint32 { return n * 10 }}, []int16{7, 8}},
		"cut within a frame":      {file{tag: 1, channels: 2, bits: 16, data: []int16{7, 9, 8}}, []int16{8}},
		"a chunk after the data":  {file{tag: 1, channels: 1, bits: 16, data: []int16{7, 8, 100, 100}, dataSize: func(n uint32) uint32 { return n - 4 }}, []int16{7, 8}},
		"no samples":              {file{tag: 1, channels: 1, bits: 16, data: []int16{}}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			tc.file.rate = 44100
			clip, err := Decode(bytes.NewReader(tc.file.bytes()), 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Clip{SampleRate: 44100, Samples: tc.want}, clip); diff != "" {
				t.Errorf("clip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecodeSaysWhatIsWrong(t *testing.T) {
	good := file{tag: 1, channels: 1, bits: 16, rate: 16000, data: []int16{1, 2, 3}}
	change := func(f func(*file)) []byte {
		c := good
		f(&c)
		return c.bytes()
	}
	tests := map[string]struct {
		in   []byte
		want string
	}{
		"empty":                        {nil, "not a WAV file"},
		"text":                         {[]byte("hello, this is no audio at all"), "does not begin with RIFF"},
		"big-endian":                   {[]byte("RIFX\x00\x00\x00\x00WAVE"), "does not begin with RIFF"},
		"header only":                  {good.bytes()[:12], "no data chunk"},
		"cut within format":            {good.bytes()[:30], "ends within its format"},
		"compressed":                   {change(func(f *file) { f.tag = 0x55 }), "convert it to PCM"},
		"12 bits":                      {change(func(f *file) { f.bits = 12 }), "with 12 bits"},
		"float of 16 bits":             {change(func(f *file) { f.tag = 3 }), "convert it to PCM"},
		"no channels":                  {change(func(f *file) { f.channels = 0 }), "0 channels"},
		"too many channels":            {change(func(f *file) { f.channels = 33 }), "33 channels"},
		"no rate":                      {change(func(f *file) { f.rate = 0 }), "0 samples a second"},
		"absurd rate":                  {change(func(f *file) { f.rate = 4e9 }), "4000000000 samples a second"},
		"data before format":           {append([]byte("RIFF\x00\x00\x00\x00WAVEdata\x02\x00\x00\x00\x01\x02"), good.bytes()[12:]...), "before its format"},
		"format of no length":          {[]byte("RIFF\x00\x00\x00\x00WAVEfmt \x00\x00\x00\x00"), "format chunk has 0 bytes"},
		"format of 4 GiB":              {[]byte("RIFF\x00\x00\x00\x00WAVEfmt \xff\xff\xff\xff"), "format chunk has 4294967295 bytes"},
		"a chunk longer than the file": {[]byte("RIFF\x00\x00\x00\x00WAVELIST\xff\xff\xff\x7fab"), `ends within its "LIST" chunk`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(bytes.NewReader(tc.in), 1<<20)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestDecodeKeepsToItsLimit(t *testing.T) {
	in := file{tag: 1, channels: 1, bits: 16, rate: 16000, data: make([]int16, 1000)}.bytes()
	if _, err := Decode(bytes.NewReader(in), int64(len(in))); err != nil {
		t.Errorf("a file of just the limit: %v", err)
	}
	if _, err := Decode(bytes.NewReader(in), int64(len(in))-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file one byte over the limit: %v, want ErrTooLarge", err)
	}
	endless := io.MultiReader(bytes.NewReader(in[:44]), zeros{})
	if _, err := Decode(endless, 1<<16); err == nil {
		// The data chunk says 2000 bytes, so the zeros behind it are not read.
		endless = io.MultiReader(bytes.NewReader(file{tag: 1, channels: 1, bits: 16, rate: 16000, data: []int16{},
			dataSize: func(uint32) uint32 { return math.MaxUint32 }}.bytes()), zeros{})
		if _, err := Decode(endless, 1<<16); !errors.Is(err, ErrTooLarge) {
			t.Errorf("an endless file: %v, want ErrTooLarge", err)
		}
	} else {
		t.Errorf("a file with something behind it: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestEncodeIsReadBack(t *testing.T) {
	want := Clip{SampleRate: 16000, Samples: []int16{0, 1, -1, 32767, -32768}}
	var b bytes.Buffer
	if err := Encode(&b, want); err != nil {
		t.Fatal(err)
	}
	if n := b.Len(); n != 54 || binary.LittleEndian.Uint32(b.Bytes()[4:]) != 46 {
		t.Errorf("%d bytes, RIFF says %d", n, binary.LittleEndian.Uint32(b.Bytes()[4:]))
	}
	got, err := Decode(&b, 100)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("clip (-want +got):\n%s", diff)
	}
	if err := Encode(io.Discard, Clip{}); err == nil {
		t.Error("a clip without a sample rate is written")
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"prompt.wav"} {
		b, err := os.ReadFile("../testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:2000])
	}
	for _, s := range []file{
		{tag: 1, channels: 2, bits: 24, rate: 48000, data: make([]byte, 60)},
		{tag: 3, channels: 1, bits: 64, rate: 8000, extensible: true, data: []float64{math.Inf(1), math.NaN()}},
		{tag: 1, channels: 32, bits: 8, rate: 8000, before: "LIST\x01\x00\x00\x00a\x00", data: make([]byte, 65)},
	} {
		f.Add(s.bytes())
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		clip, err := Decode(bytes.NewReader(in), 1<<16)
		if err != nil {
			if clip.Samples != nil {
				t.Error("samples along with an error")
			}
			return
		}
		if len(clip.Samples) > len(in) {
			t.Errorf("%d samples from %d bytes", len(clip.Samples), len(in))
		}
		var b bytes.Buffer
		if err := Encode(&b, clip); err != nil {
			t.Fatalf("what was decoded cannot be encoded: %v", err)
		}
		again, err := Decode(&b, 1<<20)
		if err != nil || !cmp.Equal(clip, again) {
			t.Errorf("what was encoded is not read back: %v", err)
		}
	})
}
