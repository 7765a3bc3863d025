// SPDX-License-Identifier: Apache-2.0

package video

import (
	"bytes"
	"testing"
)

func TestWhereKeyFramesStart(t *testing.T) {
	tests := map[string]struct {
		codec   Codec
		payload []byte
		want    bool
	}{
		"VP8, a key frame":                     {VP8, []byte{0x10, 0x10}, true},
		"VP8, a frame between":                 {VP8, []byte{0x10, 0x11}, false},
		"VP8, the second packet":               {VP8, []byte{0x00, 0x10}, false},
		"VP8, the second partition":            {VP8, []byte{0x11, 0x10}, false},
		"VP8, a short number":                  {VP8, []byte{0x90, 0x80, 0x7F, 0x10}, true},
		"VP8, a long number":                   {VP8, []byte{0x90, 0x80, 0xFF, 0x11, 0x10}, true},
		"VP8, everything, as browsers send":    {VP8, []byte{0x90, 0xF0, 0xFF, 0x11, 0x22, 0x33, 0x10}, true},
		"VP8, everything, a frame between":     {VP8, []byte{0x90, 0xF0, 0xFF, 0x10, 0x22, 0x32, 0x11}, false},
		"VP8, a descriptor alone":              {VP8, []byte{0x90, 0xF0, 0xFF, 0x11, 0x22, 0x33}, false},
		"VP8, cut off in the extension":        {VP8, []byte{0x90, 0x80}, false},
		"VP8, nothing":                         {VP8, nil, false},
		"H.264, an IDR picture":                {H264, []byte{0x65, 0x88}, true},
		"H.264, its second slice":              {H264, []byte{0x65, 0x40}, false},
		"H.264, a picture between":             {H264, []byte{0x41, 0x9A}, false},
		"H.264, a sequence parameter set":      {H264, []byte{0x67, 0x42}, true},
		"H.264, a picture parameter set":       {H264, []byte{0x68, 0xCE}, false},
		"H.264, sets together":                 {H264, []byte{0x78, 0, 2, 0x09, 0x10, 0, 2, 0x67, 0x42}, true},
		"H.264, others together":               {H264, []byte{0x78, 0, 2, 0x09, 0x10, 0, 2, 0x41, 0x9A}, false},
		"H.264, together, cut off":             {H264, []byte{0x78, 0, 9, 0x67, 0x42}, false},
		"H.264, together, of nothing":          {H264, []byte{0x78, 0, 0, 0, 2, 0x67, 0x42}, false},
		"H.264, the first part of an IDR":      {H264, []byte{0x7C, 0x85, 0x88}, true},
		"H.264, the next part of it":           {H264, []byte{0x7C, 0x05, 0x88}, false},
		"H.264, the first part of another":     {H264, []byte{0x5C, 0x81, 0x9A}, false},
		"H.264, the first part of a 2nd slice": {H264, []byte{0x7C, 0x85, 0x40}, false},
		"H.264, a part of nothing":             {H264, []byte{0x7C, 0x85}, false},
		"H.264, nothing":                       {H264, nil, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.codec.KeyStart(tc.payload); got != tc.want {
				t.Errorf("%v", got)
			}
		})
	}
}

func TestFramesAreCutIntoPacketsOfAboutTheSameSize(t *testing.T) {
	h264 := func(n int) []byte { return append([]byte{0, 0, 0, 1, 0x65}, bytes.Repeat([]byte{0x88}, n-1)...) }
	for name, tc := range map[string]struct {
		codec Codec
		frame []byte
		want  []int
	}{
		"VP8, one byte":     {VP8, make([]byte, 1), []int{2}},
		"VP8, just one":     {VP8, make([]byte, MaxPayload-1), []int{MaxPayload}},
		"VP8, just two":     {VP8, make([]byte, MaxPayload), []int{603, 603}},
		"VP8, nothing":      {VP8, nil, nil},
		"H.264, just one":   {H264, h264(MaxPayload), []int{MaxPayload}},
		"H.264, just two":   {H264, h264(MaxPayload + 1), []int{604, 604}},
		"H.264, two units":  {H264, append(h264(10), h264(20)...), []int{10, 20}},
		"H.264, two, mixed": {H264, append(h264(10), h264(3000)...), []int{10, 1002, 1002, 1001}},
		"H.264, no units":   {H264, []byte{1, 2, 3}, nil},
		"H.264, an empty":   {H264, append([]byte{0, 0, 1}, h264(10)...), []int{10}},
	} {
		t.Run(name, func(t *testing.T) {
			var z Packetizer
			z.Begin(tc.codec, tc.frame)
			if n := Packets(tc.codec, tc.frame); n != len(tc.want) {
				t.Errorf("%d packets, want %d", n, len(tc.want))
			}
			for i, want := range tc.want {
				payload, last := z.Next(nil)
				if len(payload) != want || last != (i == len(tc.want)-1) {
					t.Errorf("packet %d has %d bytes, last %v; want %d", i, len(payload), last, want)
				}
			}
			if payload, last := z.Next(nil); len(payload) != 0 || !last {
				t.Errorf("behind the last packet, there is one of %d bytes", len(payload))
			}
		})
	}
}

func TestPacketizingDoesNotAllocate(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		buf := make([]byte, 0, MaxPayload)
		var z Packetizer
		if got := testing.AllocsPerRun(10, func() {
			for _, f := range c.Frames {
				z.Begin(c.Codec, f.Data)
				for last := false; !last; {
					_, last = z.Next(buf[:0])
				}
			}
		}); got != 0 && !raceDetector {
			t.Errorf("%v allocations a clip", got)
		}
	})
}
