// SPDX-License-Identifier: Apache-2.0

package video

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/callfleet/callfleet/mediapod/media/transport"
)

const testdata = "../../recording/matroska/testdata"

// testClip is two seconds at 15 frames a second, a key frame every ten.
func testClip(t testing.TB, c Codec) *Clip {
	t.Helper()
	name := map[Codec]string{VP8: "testsrc.ivf", H264: "testsrc.h264"}[c]
	f, err := os.Open(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clip, err := ReadClip(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	return clip
}

// inflate makes frames of many packets of those of one or two, which the assembler does not look into. In H.264 they have
// a unit more, of filler data.
func inflate(c *Clip, by int) *Clip {
	big := &Clip{Codec: c.Codec, Duration: c.Duration, Width: c.Width, Height: c.Height}
	for i, f := range c.Frames {
		data := bytes.Clone(f.Data)
		if c.Codec == H264 {
			data = append(data, 0, 0, 0, 1, 12)
		}
		data = append(data, bytes.Repeat([]byte{byte(i) | 1}, by)...)
		big.Frames = append(big.Frames, ClipFrame{At: f.At, Key: f.Key, Data: data, Packets: Packets(c.Codec, data)})
	}
	return big
}

// packets are those of a clip, with sequence numbers that wrap soon.
func packets(c *Clip) (all []transport.Packet) {
	sequence := uint16(65530)
	for _, f := range c.Frames {
		var z Packetizer
		z.Begin(c.Codec, f.Data)
		for last := false; !last; sequence++ {
			var payload []byte
			payload, last = z.Next(nil)
			all = append(all, transport.Packet{
				Sequence: sequence, Timestamp: 4294900000 + uint32(f.At.Milliseconds()*90), Marker: last, Payload: payload,
			})
		}
	}
	return all
}

// units are what access units are compared by: whatever start codes they have, and without the delimiter, which before a
// key frame that is waited for is not taken.
func units(c Codec, frame []byte) []byte {
	if c == VP8 {
		return frame
	}
	var all []byte
	for rest := frame; ; {
		var nal []byte
		if nal, rest = NextNAL(rest); nal == nil {
			return all
		}
		if len(nal) > 0 && nal[0]&0x1F != nalAUD {
			all = append(append(all, startCode...), nal...)
		}
	}
}

type collected struct {
	frames []Frame
	a      *Assembler
}

func collect(c Codec) *collected {
	r := &collected{}
	r.a = NewAssembler(c, func(f *Frame) {
		kept := *f
		kept.Data = bytes.Clone(f.Data)
		r.frames = append(r.frames, kept)
	})
	return r
}

func (r *collected) want(t *testing.T, c *Clip, frames []int) {
	t.Helper()
	var got []int
	for _, f := range r.frames {
		i := slices.IndexFunc(c.Frames, func(x ClipFrame) bool {
			return bytes.Equal(units(c.Codec, x.Data), units(c.Codec, f.Data)) && x.Key == f.Key
		})
		if i < 0 {
			t.Errorf("a frame of %d bytes is none of the clip's", len(f.Data))
		}
		if f.Width != c.Width || f.Height != c.Height {
			t.Errorf("a frame of %d by %d", f.Width, f.Height)
		}
		got = append(got, i)
	}
	if !slices.Equal(got, frames) {
		t.Errorf("frames %v, want %v", got, frames)
	}
}

func span(from, to int) (s []int) {
	for ; from < to; from++ {
		s = append(s, from)
	}
	return s
}

func forCodecs(t *testing.T, do func(t *testing.T, c *Clip)) {
	for _, codec := range []Codec{VP8, H264} {
		t.Run(string(codec), func(t *testing.T) { do(t, inflate(testClip(t, codec), 5000)) })
	}
}

var epoch = time.Unix(1000, 0)

func TestFramesComeOutAsTheyWentIn(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		r := collect(c.Codec)
		for _, p := range packets(c) {
			if len(p.Payload) > MaxPayload {
				t.Fatalf("a payload of %d bytes", len(p.Payload))
			}
			r.a.Push(&p, epoch)
		}
		r.want(t, c, span(0, 30))
		if r.a.held != nil || r.a.Dropped() != 0 {
			t.Errorf("with nothing missing, packets were held or frames dropped: %d", r.a.Dropped())
		}
	})
}

func TestOrderAndCopiesDoNotMatter(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		for seed := range uint64(20) {
			random := rand.New(rand.NewPCG(seed, 1))
			all := packets(c)
			for i := 1; i < len(all)-8; i++ { // the first one begins
				j := i + random.IntN(8)
				all[i], all[j] = all[j], all[i]
			}
			r := collect(c.Codec)
			for i := range all {
				p := all[i]
				p.Payload = bytes.Clone(p.Payload)
				r.a.Push(&p, epoch)
				clear(p.Payload) // the transport's again
				r.a.Push(&all[i], epoch)
			}
			r.want(t, c, span(0, 30))
		}
	})
}

func TestAfterALossNothingIsHandedOutUntilAKeyFrame(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		perFrame := func(i int) (n int) {
			for _, f := range c.Frames[:i] {
				n += f.Packets
			}
			return n
		}
		for name, lost := range map[string][]int{
			"the first of a frame": {perFrame(4)},
			"in a frame":           {perFrame(4) + 1},
			"the last of a frame":  {perFrame(5) - 1},
			"a whole frame":        span(perFrame(4), perFrame(5)),
		} {
			t.Run(name, func(t *testing.T) {
				r := collect(c.Codec)
				all := packets(c)
				for i := range all {
					if !slices.Contains(lost, i) {
						r.a.Push(&all[i], epoch.Add(time.Duration(i)*10*time.Millisecond))
					}
				}
				r.want(t, c, append(span(0, 4), span(10, 30)...))
			})
		}
	})
}

func TestALostPacketThatIsSentAgainIsWaitedFor(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		for after, want := range map[time.Duration][]int{
			patience - 10*time.Millisecond: span(0, 30),
			patience + 10*time.Millisecond: append(span(0, 1), span(10, 30)...),
		} {
			r := collect(c.Codec)
			all := packets(c)
			missing := c.Frames[0].Packets + 1
			var missed time.Time
			for i := range all {
				at := epoch.Add(time.Duration(i) * 10 * time.Millisecond)
				if i == missing {
					missed = at.Add(10 * time.Millisecond) // the next one tells
					continue
				}
				if !missed.IsZero() && at.Sub(missed) >= after {
					r.a.Push(&all[missing], at)
					missed = time.Time{}
				}
				r.a.Push(&all[i], at)
			}
			r.want(t, c, want)
		}
	})
}

func TestAStreamIsTakenUpAtAKeyFrame(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		r := collect(c.Codec)
		all := packets(c)[3:]
		for i := range all {
			r.a.Push(&all[i], epoch)
			if begun := all[i].Timestamp-packets(c)[0].Timestamp >= 60000-90; all[i].Marker && r.a.Waiting() == begun {
				t.Fatalf("packet %d: waiting for a key frame: %v", i, !begun)
			}
		}
		r.want(t, c, span(10, 30))
	})
}

func TestWhatIsMissingForTooLongIsGivenUp(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		for _, jump := range []uint16{window - 1, window, window + 1, 5000, 32767, 40000} {
			r := collect(c.Codec)
			all := packets(c)
			cut := 0
			for _, f := range c.Frames[:10] {
				cut += f.Packets
			}
			for i := range all {
				if i == cut-2 || i == cut-1 {
					continue
				}
				if i >= cut {
					all[i].Sequence += jump
				}
				r.a.Push(&all[i], epoch.Add(time.Duration(i)*10*time.Millisecond))
			}
			t.Run(fmt.Sprint("by ", jump), func(t *testing.T) { r.want(t, c, append(span(0, 9), span(10, 30)...)) })
		}
	})
}

func TestParameterSetsThatComeOnceAreAddedToKeyFrames(t *testing.T) {
	c := testClip(t, H264)
	r := collect(H264)
	var sets, rest [][]byte
	for i, f := range c.Frames {
		for data := f.Data; ; {
			var nal []byte
			if nal, data = NextNAL(data); nal == nil {
				break
			}
			switch kind := nal[0] & 0x1F; {
			case kind == nalSPS || kind == nalPPS:
				if i == 0 {
					sets = append(sets, nal)
				}
			case isSlice(kind):
				rest = append(rest, nal)
			}
		}
	}
	p := transport.Packet{Payload: []byte{nalSTAPA | 0x60}, Marker: true} // as if it were a picture
	for _, nal := range sets {
		p.Payload = append(append(p.Payload, byte(len(nal)>>8), byte(len(nal))), nal...)
	}
	r.a.Push(&p, epoch)
	for i, nal := range rest {
		r.a.Push(&transport.Packet{Sequence: uint16(i + 1), Timestamp: uint32(i) * 6000, Marker: true, Payload: nal}, epoch)
	}
	if len(r.frames) != 30 {
		t.Fatalf("%d frames", len(r.frames))
	}
	for i, f := range r.frames {
		if w, _ := H264.Size(f.Data); f.Key != (i%10 == 0) || (w == c.Width) != f.Key || f.Width != c.Width {
			t.Errorf("frame %d: key %v, %d pixels wide by its own parameter sets", i, f.Key, w)
		}
	}
}

func TestFramesWithoutMarkersEndWithTheNextOne(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		r := collect(c.Codec)
		for _, p := range packets(c) {
			p.Marker = false
			r.a.Push(&p, epoch)
		}
		r.want(t, c, span(0, 29))
	})
}

func TestAssemblingDoesNotAllocate(t *testing.T) {
	forCodecs(t, func(t *testing.T, c *Clip) {
		all := packets(c)
		n := 0
		a := NewAssembler(c.Codec, func(*Frame) { n++ })
		round := func() {
			for i := range all {
				if i%7 != 3 {
					a.Push(&all[i], epoch)
				}
				if i%7 == 5 {
					a.Push(&all[i-2], epoch)
				}
				all[i].Sequence += uint16(len(all))
				all[i].Timestamp += 2 * ClockRate
			}
		}
		for range 300 { // every place of the window has had a packet
			round()
		}
		if got := testing.AllocsPerRun(10, round); got != 0 && !raceDetector {
			t.Errorf("%v allocations a round", got)
		}
		if n == 0 {
			t.Error("no frames")
		}
	})
}

// Whatever comes, frames begin with a key frame, none is larger than it may be, and what is kept is bounded.
func FuzzAssembler(f *testing.F) {
	for i, c := range []Codec{VP8, H264} {
		var in []byte
		for _, p := range packets(testClip(f, c))[:4] {
			in = append(in, byte(p.Sequence), byte(p.Timestamp/90), 1, byte(len(p.Payload)>>8), byte(len(p.Payload)))
			in = append(in, p.Payload...)
		}
		f.Add(i == 1, in)
	}
	f.Fuzz(func(t *testing.T, h264 bool, in []byte) {
		codec := VP8
		if h264 {
			codec = H264
		}
		frames, bytesIn := 0, 0
		a := NewAssembler(codec, func(f *Frame) {
			if frames++; frames == 1 && !f.Key {
				t.Error("the first frame is no key frame")
			}
			if len(f.Data) == 0 || len(f.Data) > MaxFrame+maxSets {
				t.Errorf("a frame of %d bytes", len(f.Data))
			}
			// What comes out of an assembler can be sent, and comes out the same.
			if n := Packets(codec, f.Data); codec == VP8 && n != parts(len(f.Data), MaxPayload-1) {
				t.Errorf("%d packets of %d bytes", n, len(f.Data))
			}
		})
		at := epoch
		for len(in) >= 5 {
			n := min(int(in[3])<<8|int(in[4]), len(in)-5, 1500)
			p := transport.Packet{
				Sequence: uint16(int8(in[0])) * (1 + uint16(in[2]>>2)), Timestamp: uint32(in[1]) * 90, Marker: in[2]&1 != 0, Payload: in[5 : 5+n],
			}
			if w, h := codec.PayloadSize(p.Payload); w < 0 || h < 0 || w > 1<<16 || h > 1<<16 {
				t.Errorf("%d by %d pixels", w, h)
			}
			a.Push(&p, at)
			bytesIn += n
			at = at.Add(time.Duration(in[2]) * time.Millisecond)
			in = in[5+n:]
			if a.waiting < 0 || a.waiting > window {
				t.Fatalf("%d packets wait", a.waiting)
			}
		}
		if cap(a.frame.Data) > 4*(MaxFrame+maxSets+bytesIn) {
			t.Errorf("%d bytes are kept", cap(a.frame.Data))
		}
	})
}
