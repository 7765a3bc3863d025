// SPDX-License-Identifier: Apache-2.0

package matroska

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/media/video"
)

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
			if nal, rest = video.NextNAL(rest); nal == nil {
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
	})
}
