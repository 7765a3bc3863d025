// SPDX-License-Identifier: Apache-2.0

package video

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestClipsHaveTheirFramesAndTimes(t *testing.T) {
	forCodecs(t, func(t *testing.T, big *Clip) {
		c := testClip(t, big.Codec)
		if c.Codec != big.Codec || c.Width != 178 || c.Height != 100 || len(c.Frames) != 30 || c.Duration.Round(time.Microsecond) != 2*time.Second {
			t.Errorf("%s of %d by %d, %d frames, %v", c.Codec, c.Width, c.Height, len(c.Frames), c.Duration)
		}
		for i, f := range c.Frames {
			want := time.Duration(i) * time.Second / 15
			if off := f.At - want; off < -time.Microsecond || off > time.Microsecond || f.Key != (i%10 == 0) || f.Packets < 1 {
				t.Errorf("frame %d at %v, key %v, %d packets", i, f.At, f.Key, f.Packets)
			}
			if got, want := c.KeyBefore(i), i/10*10; got != want {
				t.Errorf("the key frame before %d is %d, want %d", i, got, want)
			}
		}
		if c.KeyBefore(1000) != 20 || (c.Codec == H264) != (c.Profile == 100) {
			t.Errorf("the last key frame is %d, the profile %d", c.KeyBefore(1000), c.Profile)
		}
	})
}

// ivf makes a file of frames of one byte at the given times.
func ivf(rate, scale uint32, times ...uint64) []byte {
	le := binary.LittleEndian
	b := make([]byte, 32)
	copy(b, "DKIF\x00\x00\x20\x00VP80")
	le.PutUint32(b[16:], rate)
	le.PutUint32(b[20:], scale)
	for _, at := range times {
		b = le.AppendUint32(b, 1)
		b = le.AppendUint64(b, at)
		b = append(b, 0)
	}
	return b
}

func TestWhatIsWrongWithAFileIsSaid(t *testing.T) {
	x := file(t, "testsrc.h264")
	between := x[bytes.Index(x, []byte{0, 0, 1, 0x41}):]
	edit := func(b []byte, at int, with ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], with)
		return b
	}
	for name, tc := range map[string]struct {
		in        []byte
		frameRate float64
		says      string
	}{
		"nothing":               {nil, 0, "neither IVF nor"},
		"something else":        {[]byte("RIFF, as it were, and more than a header's bytes"), 30, "neither IVF nor"},
		"another codec":         {edit(ivf(30, 1, 0), 8, []byte("VP90")...), 0, `"VP90"`},
		"no frames":             {ivf(30, 1), 0, "no frames"},
		"no rate":               {ivf(0, 1, 0), 0, "how fast"},
		"no scale":              {ivf(30, 0, 0), 0, "how fast"},
		"a header cut off":      {edit(ivf(30, 1, 0), 6, 0xFF), 0, "header"},
		"time stands still":     {ivf(30, 1, 0, 1, 1), 0, "frame 2 is not later"},
		"time runs back":        {ivf(30, 1, 5, 4), 0, "more than 1m0s"},
		"time jumps":            {ivf(30, 1, 0, 1801), 0, "more than 1m0s"},
		"a frame between first": {edit(ivf(30, 1, 0), 44, 1), 0, "no key frame"},
		"a stream that says no rate": {bytes.Join([][]byte{{0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x8D, 0x40, 0x50, 0x1E, 0x90, 0x0F, 0x08, 0x84, 0x6A},
			{0x68, 0xCE, 0x3C, 0x80}, {0x65, 0x88, 0x84}}, []byte{0, 0, 1}), 0, "how many frames a second"},
		"parameter sets alone": {x[:bytes.Index(x, []byte{0, 0, 1, 0x65})], 0, "neither IVF nor"},
		"a picture between":    {between, 30, "no key frame"},
		"B-frames":             {[]byte{0, 0, 1, 0x65, 0x88, 0x84, 0, 0, 1, 0x01, 0x9E}, 30, "-bf 0"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadClip(bytes.NewReader(tc.in), tc.frameRate)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v; want it to say %q", err, tc.says)
			}
		})
	}
	gone := errors.New("the disk is gone")
	if _, err := ReadClip(iotest.ErrReader(gone), 0); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
}

func TestAFrameRateIsTakenWhereTheStreamSaysNone(t *testing.T) {
	sps := []byte{0, 0, 1, 0x67, 0x42, 0xC0, 0x1F, 0x8C, 0x8D, 0x40, 0x50, 0x1E, 0x90, 0x0F, 0x08, 0x84, 0x6A}
	in := bytes.Join([][]byte{sps, {0x68, 0xCE, 0x3C, 0x80}, {0x65, 0x88, 0x84}, {0x65, 0x40}, {0x41, 0x9A}, {0x09, 0x10}, {0x41, 0x9A}}, []byte{0, 0, 1})
	c, err := ReadClip(bytes.NewReader(in), 25)
	if err != nil {
		t.Fatal(err)
	}
	// A picture of two slices, and two more.
	if len(c.Frames) != 3 || c.Frames[0].Packets != 4 || c.Duration != 120*time.Millisecond || c.Width != 640 {
		t.Errorf("%d frames, %v, %d pixels wide, %d packets first", len(c.Frames), c.Duration, c.Width, c.Frames[0].Packets)
	}
}

func TestAFileThatWasCutOffIsShownAsFarAsItGoes(t *testing.T) {
	b := file(t, "testsrc.ivf")
	c, err := ReadClip(bytes.NewReader(b[:len(b)-10]), 0)
	if err != nil || len(c.Frames) != 29 {
		t.Errorf("%v", err)
	}
}

// Whatever a file has, what is read of it can be shown: frames in order from a key frame on, all of which have packets.
func FuzzReadClip(f *testing.F) {
	f.Add(file(f, "testsrc.ivf")[:2000])
	f.Add(file(f, "testsrc.h264")[:2000])
	f.Add(ivf(30, 1, 0, 1, 2))
	f.Add([]byte{0, 0, 1, 0x65, 0x88, 0x84, 0, 0, 1, 0x01, 0x9E})
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := ReadClip(bytes.NewReader(in), 30)
		if err != nil {
			return
		}
		last := time.Duration(-1)
		for i, frame := range c.Frames {
			if frame.At <= last || frame.Packets < 1 || len(frame.Data) > MaxFrame+maxSets {
				t.Fatalf("frame %d at %v after %v, %d packets, %d bytes", i, frame.At, last, frame.Packets, len(frame.Data))
			}
			last = frame.At
		}
		if !c.Frames[0].Key || c.Duration <= last {
			t.Errorf("the first is a key frame: %v; %v long, the last at %v", c.Frames[0].Key, c.Duration, last)
		}
	})
}
