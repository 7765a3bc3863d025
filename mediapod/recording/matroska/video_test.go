// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestVP8SizeIsThatOfKeyFrames(t *testing.T) {
	key := []byte{0x10, 0, 0, 0x9D, 0x01, 0x2A, 0x80, 0x42, 0xE0, 0x81, 0}
	tests := map[string]struct {
		frame []byte
		w, h  int
		key   bool
	}{
		"a key frame":       {key, 640, 480, true},
		"one that is short": {key[:9], 0, 0, false},
		"a frame between":   {append([]byte{0x11}, key[1:]...), 0, 0, false},
		"no start code":     {append([]byte{0x10, 0, 0, 0}, key[4:]...), 0, 0, false},
		"no size":           {[]byte{0x10, 0, 0, 0x9D, 0x01, 0x2A, 0, 0x40, 0, 0}, 0, 0, false},
		"nothing":           {nil, 0, 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if w, h, key := VP8Size(tc.frame); w != tc.w || h != tc.h || key != tc.key {
				t.Errorf("%d by %d, %v", w, h, key)
			}
		})
	}
}

func TestAppendLengthsTakesStartCodesOff(t *testing.T) {
	tests := map[string]struct{ in, want []byte }{
		"nothing":            {nil, nil},
		"no start code":      {[]byte{1, 2, 3}, nil},
		"one unit":           {[]byte{0, 0, 1, 9, 0x10}, []byte{0, 0, 0, 2, 9, 0x10}},
		"four bytes":         {[]byte{0, 0, 0, 1, 9, 0x10}, []byte{0, 0, 0, 2, 9, 0x10}},
		"two units":          {[]byte{0, 0, 0, 1, 9, 0, 0, 0, 1, 5, 7}, []byte{0, 0, 0, 1, 9, 0, 0, 0, 2, 5, 7}},
		"zeros at the end":   {[]byte{0, 0, 1, 9, 1, 0, 0}, []byte{0, 0, 0, 2, 9, 1}},
		"a start code alone": {[]byte{0, 0, 1, 0, 0, 1, 5}, []byte{0, 0, 0, 1, 5}},
		"zeros within":       {[]byte{0, 0, 1, 5, 0, 0, 3, 1}, []byte{0, 0, 0, 5, 5, 0, 0, 3, 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, AppendLengths(nil, tc.in)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// All but the last two parameter sets are x264's.
func TestPictureSize(t *testing.T) {
	tests := map[string]struct {
		sps  []byte
		w, h int
	}{
		"1280x720, baseline":          {[]byte{0x67, 0x42, 0xC0, 0x1F, 0xD9, 0x00, 0x50, 0x05, 0xBB, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xF1, 0x83, 0x24, 0x80}, 1280, 720},
		"1920x1080, high, interlaced": {[]byte{0x67, 0x64, 0x00, 0x28, 0xAC, 0xD9, 0x40, 0x78, 0x04, 0x4F, 0xDE, 0x02, 0x20, 0x00, 0x00, 0x03, 0x00, 0x20, 0x00, 0x00, 0x06, 0x43, 0xE2, 0xC5, 0xB2, 0xC0}, 1920, 1080},
		"322x242, 4:2:2":              {[]byte{0x67, 0x7A, 0x00, 0x0D, 0xBC, 0xD9, 0x41, 0x50, 0x87, 0x88, 0x8F, 0xC0, 0x44, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0xC8, 0x3C, 0x50, 0xA6, 0x58}, 322, 242},
		"321x241, 4:4:4":              {[]byte{0x67, 0xF4, 0x00, 0x0D, 0x91, 0x9B, 0x28, 0x2A, 0x10, 0xF0, 0x84, 0x21, 0x80, 0x88, 0x00, 0x00, 0x03, 0x00, 0x08, 0x00, 0x00, 0x03, 0x01, 0x90, 0x78, 0xA1, 0x4C, 0xB0}, 321, 241},
		"640x480, another encoder's":  {[]byte{0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x8D, 0x40, 0x50, 0x1E, 0x90, 0x0F, 0x08, 0x84, 0x6A}, 640, 480},
		"cut short":                   {[]byte{0x67, 0x42, 0xC0, 0x1F, 0x8C}, 0, 0},
		"nothing but zeros":           {append([]byte{0x67, 0x42, 0xC0, 0x1F}, make([]byte, 40)...), 0, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if w, h, ok := pictureSize(tc.sps); w != tc.w || h != tc.h || ok != (tc.w > 0) {
				t.Errorf("%d by %d, %v; want %d by %d", w, h, ok, tc.w, tc.h)
			}
		})
	}
}

func TestAStreamBeginsWithItsParameterSets(t *testing.T) {
	stream, err := os.ReadFile("testdata/testsrc.h264")
	if err != nil {
		t.Fatal(err)
	}
	h, ok := ParseH264(stream)
	if !ok || h.Width != 178 || h.Height != 100 || h.Private[0] != 1 || h.Private[1] != 100 {
		t.Errorf("%+v, %v", h, ok)
	}
	for _, kind := range []byte{nalIDR, nalSPS, nalPPS} {
		var without []byte
		for rest := stream; ; {
			var nal []byte
			if nal, rest = nextNAL(rest); nal == nil {
				break
			}
			if nal[0]&0x1F != kind {
				without = append(append(without, 0, 0, 1), nal...)
			}
		}
		if _, ok := ParseH264(without); ok {
			t.Errorf("a stream without units of type %d begins", kind)
		}
	}
}

func FuzzParseH264(f *testing.F) {
	stream, err := os.ReadFile("testdata/testsrc.h264")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(stream[:1200])
	f.Add([]byte{0, 0, 1, 0x67, 0x64, 0, 0x28, 0xFF, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, ok := ParseH264(in)
		if ok && (h.Width <= 0 || h.Height <= 0 || h.Width > 1<<16 || h.Height > 1<<16 || len(h.Private) > len(in)+11) {
			t.Errorf("%d by %d, %d bytes", h.Width, h.Height, len(h.Private))
		}
		if got := AppendLengths(nil, in); len(got) > 2*len(in) {
			t.Errorf("%d bytes from %d", len(got), len(in))
		}
		VP8Size(in)
	})
}
