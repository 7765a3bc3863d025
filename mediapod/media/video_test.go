// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

func TestVideoIsWatchedAndCounted(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "", "")
		var all, screens audience
		g.WatchVideo(&all, VideoFilter{})
		g.WatchVideo(&screens, VideoFilter{Kind: Screens})
		began := g.now
		g.send(feed{1, 11, 0, c}, clip.Frames)
		g.send(feed{2, 22, 7, c}, clip.Frames, 5)
		if diff := cmp.Diff(span(0, 30), numbers(t, clip, all.of(0))); diff != "" {
			t.Errorf("of the camera (-want +got):\n%s", diff)
		}
		if got := numbers(t, clip, all.of(1)); len(got) < 19 || got[0] != 0 || got[len(got)-1] != 29 {
			t.Errorf("of the screen, of which a packet is lost: %v", got)
		}
		if diff := cmp.Diff(all.of(1), screens.of(1)); diff != "" || len(screens.of(0)) > 0 {
			t.Errorf("who watches screens sees something else:\n%s", diff)
		}
		for i, f := range all.seen[:30] {
			if want := clip.Frames[i].At; f.At.Sub(began)-want > time.Millisecond || f.At.Sub(began) < want-time.Millisecond || f.Width != 178 {
				t.Errorf("frame %d is of %v, %d pixels wide", i, f.At.Sub(began), f.Width)
			}
		}
		packets := uint64(0)
		for _, f := range clip.Frames {
			packets += uint64(f.Packets)
		}
		want := []VideoStats{
			{Track: 0, Source: 11, Codec: string(c), PacketsReceived: packets, FramesReceived: 30, KeyFrames: 3, Width: 178, Height: 100},
			{Track: 1, Source: 7, Screen: true, Codec: string(c), PacketsReceived: packets - 1, PacketsLost: 1, FramesReceived: 30, KeyFrames: 3, Width: 178, Height: 100},
		}
		got := g.Stats().Video
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(VideoStats{},
			"LossPercent", "JitterMs", "BitsPerSecond", "FramesPerSecond", "LastReceived", "KeyFramesAsked", "FramesDropped", "FramesReceived")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s := got[0]; s.FramesReceived != 30 || s.FramesDropped != 0 || s.KeyFramesAsked != 0 || s.FramesPerSecond < 14 || s.FramesPerSecond > 16 || s.BitsPerSecond < 1000 {
			t.Errorf("of the camera: %+v", s)
		}
		if s := got[1]; s.KeyFramesAsked == 0 || s.LossPercent < 0.1 || s.LossPercent > 5 {
			t.Errorf("of the screen: %+v", s)
		}
		if r, ok := g.s.Reception(2); !ok || r.SSRC != 22 || r.Expected != packets || r.Received != packets-1 {
			t.Errorf("reported to the far side: %+v, %v", r, ok)
		}
		if s := g.vision.stats(g.now.Add(time.Minute))[0]; s.FramesPerSecond != 0 || s.BitsPerSecond != 0 {
			t.Errorf("a minute later: %+v", s)
		}
	})
}

func TestVideoIsInTheMetrics(t *testing.T) {
	g := stage(t, Behavior{Echo: true}, "")
	clip := testClip(t, video.VP8)
	g.send(feed{1, 11, 0, video.VP8}, clip.Frames)
	g.s.KeyFrameWanted(1)
	u := &engineUnderTest{registry: g.registry}
	check := func() {
		t.Helper()
		for name, want := range map[string]float64{"frames": 30, "packets": 35} {
			for _, direction := range []string{"in", "out"} {
				if got := counter(t, u, "callfleet_media_video_"+name+"_total", "direction", direction); got < want-5 || got > want+10 {
					t.Errorf("%s %s: %v", name, direction, got)
				}
			}
		}
		if got := counter(t, u, "callfleet_media_video_key_frames_asked_total", "direction", "in"); got != 1 {
			t.Errorf("key frames wanted: %v", got)
		}
	}
	check()
	g.Close()
	check() // what was counted stays
}

func TestWhoBeginsToWatchGetsAKeyFrame(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "")
		camera := feed{1, 11, 0, c}
		g.send(camera, clip.Frames[:2])
		if g.w.asked[1] != 0 {
			t.Fatal("a key frame is asked for although nobody watches")
		}
		var early, late audience
		g.WatchVideo(&early, VideoFilter{})
		if g.w.asked[1] != 1 {
			t.Fatalf("a key frame was asked for %d times", g.w.asked[1])
		}
		g.send(camera, clip.Frames[2:20]) // asked for again after 500 ms, until one comes with frame 10
		if n := g.w.asked[1]; n != 2 {
			t.Errorf("a key frame was asked for %d times", n)
		}
		w := g.WatchVideo(&late, VideoFilter{})
		g.send(camera, clip.Frames[18:])
		w.Stop()
		g.send(camera, clip.Frames[20:])
		if got := numbers(t, clip, early.of(0)); got[0] != 10 || len(got) != 10+12+10 {
			t.Errorf("who watched first saw %v", got)
		}
		if diff := cmp.Diff(span(20, 30), numbers(t, clip, late.of(0))); diff != "" {
			t.Errorf("who watched then saw (-want +got):\n%s", diff)
		}
	})
}

func TestALossIsMendedByAKeyFrame(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "")
		var a audience
		g.WatchVideo(&a, VideoFilter{})
		g.send(feed{1, 11, 0, c}, clip.Frames, clip.Frames[0].Packets+clip.Frames[1].Packets)
		if diff := cmp.Diff(append(span(0, 2), span(10, 30)...), numbers(t, clip, a.of(0))); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if g.w.asked[1] != 1 { // after 300 ms of waiting, and then there is the one at 667 ms
			t.Errorf("a key frame was asked for %d times", g.w.asked[1])
		}
	})
}

func TestFiltersChooseTracks(t *testing.T) {
	g := stage(t, Behavior{}, "a=content:main\r\na=sendrecv\r\n", "", "", "a=content:slides\r\na=sendrecv\r\n")
	clip := testClip(t, video.VP8)
	all := func() {
		for n := range 4 {
			g.send(feed{n + 1, uint32(n + 1), uint32(100 + n), video.VP8}, clip.Frames[:1])
		}
	}
	all()
	for name, tc := range map[string]struct {
		filter VideoFilter
		want   []int
	}{
		"everything":           {VideoFilter{}, []int{0, 1, 2, 3}},
		"cameras":              {VideoFilter{Kind: Cameras}, []int{0, 1, 2}},
		"screens":              {VideoFilter{Kind: Screens}, []int{3}},
		"some tracks":          {VideoFilter{Tracks: []int{3, 1, 9}}, []int{1, 3}},
		"a participant":        {VideoFilter{Sources: []uint32{102}}, []int{2}},
		"small pictures":       {VideoFilter{MaxWidth: 178, MaxHeight: 100}, []int{0, 1, 2, 3}},
		"smaller ones":         {VideoFilter{MaxWidth: 177}, nil},
		"lower ones":           {VideoFilter{MaxHeight: 99}, nil},
		"two cameras":          {VideoFilter{Last: 2, Kind: Cameras}, []int{0, 1}},
		"a camera and screens": {VideoFilter{Last: 1}, []int{0, 3}},
		"the last, of screens": {VideoFilter{Last: 1, Kind: Screens}, []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			w := g.WatchVideo(&audience{}, tc.filter)
			defer w.Stop()
			if got := w.Tracks(); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}

	var a audience
	w := g.WatchVideo(&a, VideoFilter{Last: 1, Kind: Cameras})
	all()
	g.SetSpeakers([]uint32{102, 101})
	all()
	w.SetFilter(VideoFilter{Last: 2, Kind: Cameras})
	all()
	g.vision.look(g.now.Add(fresh), ShedNothing) // of which all but the first is still fresh
	var got []int
	for _, f := range a.seen {
		got = append(got, f.Track)
	}
	if diff := cmp.Diff([]int{0, 2, 1, 2}, got); diff != "" {
		t.Errorf("who watches the last that spoke saw (-want +got):\n%s", diff)
	}
	g.vision.look(g.now.Add(time.Minute), ShedNothing)
	if got := w.Tracks(); len(got) != 0 {
		t.Errorf("with all cameras off, %v are watched", got)
	}
}

// Who speaks is told apart by the voices that come in sections of their own: whoever watches the last that spoke has them
// played out.
func TestWhoWatchesTheLastSpeakersHasVoicesPlayedOut(t *testing.T) {
	g := stage(t, Behavior{}, "")
	wants := func(want int32) {
		t.Helper()
		if got := g.voice.wants.Load(); got != want {
			t.Errorf("%d want to hear, not %d", got, want)
		}
	}
	w := g.WatchVideo(&audience{}, VideoFilter{Last: 2})
	wants(1)
	w.SetFilter(VideoFilter{Last: 1})
	wants(1)
	w.SetFilter(VideoFilter{})
	wants(0)
	w.SetFilter(VideoFilter{Last: 1})
	w.Stop()
	wants(0)
	w.SetFilter(VideoFilter{Last: 1}) // too late
	w.Stop()
	wants(0)
}

func TestFramesAreCountedWhateverOrderTheyComeIn(t *testing.T) {
	g := stage(t, Behavior{}, "")
	clip := testClip(t, video.VP8)
	for _, i := range []int{0, 1, 3, 2, 3, 2, 4} {
		g.send(feed{1, 11, 0, video.VP8}, clip.Frames[i:i+1])
	}
	if s := g.Stats().Video[0]; s.FramesReceived != 5 {
		t.Errorf("%d frames", s.FramesReceived)
	}
}

// A browser names no contributing source; the participant is known by the stream that sound and picture have in common.
func TestACameraIsOfWhoHasTheSameStream(t *testing.T) {
	g := stage(t, Behavior{}, "", "")
	sections := g.s.agreed.Load().sections
	offered, err := read(strings.Replace(description("", ""), "a=msid:s0 a\r\n", "a=msid:s0 a\r\na=ssrc:4711 cname:c\r\n", 1), codec.Supported())
	if err != nil {
		t.Fatal(err)
	}
	carryOver(offered, sections)
	g.ears[0].meet(&sections[0])
	clip := testClip(t, video.VP8)
	// The pictures may come before the first sound, which may be of another source than was declared.
	for _, voice := range []uint32{4711, 815} {
		g.ears[0].source.CompareAndSwap(4711, voice)
		g.send(feed{1, 11, 0, video.VP8}, clip.Frames[:1])
		g.send(feed{2, 22, 0, video.VP8}, clip.Frames[:1])
		if s := g.Stats().Video; s[0].Source != voice || s[1].Source != 22 {
			t.Errorf("the camera is %d's, the screen %d's", s[0].Source, s[1].Source)
		}
	}
}

func TestWhichSectionIsAScreen(t *testing.T) {
	for name, tc := range map[string]struct {
		sections []string
		want     []bool
	}{
		"one":                    {[]string{""}, []bool{false}},
		"two":                    {[]string{"", ""}, []bool{false, true}},
		"three":                  {[]string{"", "", ""}, []bool{false, false, true}},
		"one that says so":       {[]string{"a=content:slides\r\n"}, []bool{true}},
		"the first says so":      {[]string{"a=content:speaker,slides\r\n", ""}, []bool{true, false}},
		"all are said not to be": {[]string{"a=content:main\r\n", "a=content:alt\r\n"}, []bool{false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			sections, err := read(description(tc.sections...), codec.Supported())
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, s := range sections {
				if s.kind == kindVideo {
					got = append(got, s.screen)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestASnapshotIsAKeyFrameThatIsAskedFor(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "")
		camera := feed{1, 11, 0, c}
		if _, err := g.Snapshot(t.Context(), 0); !errors.Is(err, ErrNoVideo) {
			t.Errorf("of a camera that is off: %v", err)
		}
		g.send(camera, clip.Frames[:5])
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.Snapshot(ended, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("without the time for it: %v", err)
		}
		taken := make(chan Snapshot)
		go func() {
			s, err := g.Snapshot(t.Context(), 0)
			if err != nil {
				t.Error(err)
			}
			taken <- s
		}()
		eventually(t, 10*time.Second, "somebody watches", func() bool {
			g.vision.mu.Lock()
			defer g.vision.mu.Unlock()
			return len(g.vision.watches) == 1
		})
		g.send(camera, clip.Frames[5:12])
		s := <-taken
		if s.Codec != c || s.Width != 178 || s.Height != 100 || !slices.Equal(numbers(t, clip, []video.Frame{{Codec: c, Data: s.Raw, Key: true}}), []int{10}) {
			t.Errorf("a snapshot in %s of %d by %d", s.Codec, s.Width, s.Height)
		}
		kind, file, ok := s.Picture()
		if ok != (c == video.VP8) {
			t.Fatalf("a picture: %v", ok)
		}
		if ok && (kind != "image/webp" || len(file)&1 != 0 || int(binary.LittleEndian.Uint32(file[4:])) != len(file)-8 || string(file[20:20+len(s.Raw)]) != string(s.Raw)) {
			t.Errorf("the picture, %s, begins with %q", kind, file[:24])
		}
	})
}

func TestVideoDoesNotAllocate(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{Echo: true}, "")
		g.w.keep = false
		g.WatchVideo(nothing{}, VideoFilter{})
		_, w := g.listener("")
		w.keep = false
		var packets [][]byte
		sequence := uint16(0)
		for _, f := range clip.Frames {
			var z video.Packetizer
			z.Begin(c, f.Data)
			for last := false; !last; sequence++ {
				var payload []byte
				payload, last = z.Next(nil)
				packets = append(packets, raw(feed{1, 11, 0, c}, sequence, uint32(f.At.Seconds()*video.ClockRate), last, payload))
			}
		}
		round := func() {
			for _, p := range packets {
				g.now = g.now.Add(time.Millisecond)
				g.s.Receive(1, p, g.now)
				binary.BigEndian.PutUint16(p[2:], binary.BigEndian.Uint16(p[2:])+uint16(len(packets)))
				binary.BigEndian.PutUint32(p[4:], binary.BigEndian.Uint32(p[4:])+2*video.ClockRate)
			}
		}
		round()
		if got := testing.AllocsPerRun(20, round); got != 0 {
			t.Errorf("%v allocations for %d packets that are echoed, watched and listened to", got, len(packets))
		}
	})
}

type nothing struct{}

func (nothing) VideoFrame(*VideoFrame) {}
