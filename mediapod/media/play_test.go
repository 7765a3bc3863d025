// SPDX-License-Identifier: Apache-2.0

package media

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

func clipOf(samples int) wav.Clip {
	c := wav.Clip{SampleRate: 16000, Samples: make([]int16, samples)}
	for i := range c.Samples {
		c.Samples[i] = int16(i%2000 - 1000)
	}
	return c
}

func TestPlayingOnTime(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	tests := map[string]struct {
		ticks []time.Duration // since the beginning
		want  []int           // packets sent at each
	}{
		"every 20 ms":                {[]time.Duration{0, ms(20), ms(40), ms(60)}, []int{1, 1, 1, 1}},
		"ticks come late":            {[]time.Duration{ms(3), ms(25), ms(59), ms(61)}, []int{1, 1, 1, 1}},
		"ticks come too often":       {[]time.Duration{0, ms(5), ms(10), ms(15), ms(20)}, []int{1, 0, 0, 0, 1}},
		"one tick is missing":        {[]time.Duration{0, ms(40), ms(60)}, []int{1, 2, 1}},
		"the process stood still":    {[]time.Duration{0, ms(200), ms(220), ms(240), ms(260), ms(280), ms(300)}, []int{1, 3, 3, 3, 3, 2, 1}},
		"the clock was set backward": {[]time.Duration{0, ms(20), -ms(500), ms(40)}, []int{1, 1, 0, 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, null := fakeSession(Behavior{Play: &Play{Clip: clipOf(16000), Loop: true}})
			begin := time.Unix(5000, 0)
			s.call.player.begin(format{codec.PCMU, 0}, begin)
			for i, at := range tc.ticks {
				before := null.sent
				if s.speak(begin.Add(at)) {
					t.Fatal("finished")
				}
				if got := null.sent - before; got != tc.want[i] {
					t.Errorf("tick %d at %v sent %d packets, want %d", i, at, got, tc.want[i])
				}
			}
		})
	}
}

// A burst that catches up with a stall ends where the clip does.
func TestABurstEndsWithTheClip(t *testing.T) {
	s, null := fakeSession(Behavior{Play: &Play{Clip: clipOf(4 * audio.FrameSamples)}})
	begin := time.Unix(5000, 0)
	s.call.player.begin(format{codec.PCMU, 0}, begin)
	for _, at := range []time.Duration{0, 20 * time.Millisecond, time.Second} {
		s.speak(begin.Add(at))
	}
	if null.sent != 4 {
		t.Errorf("%d packets of a clip of four", null.sent)
	}
}

// An hour of ticks that are all a little late is as long as an hour.
func TestPlayingDoesNotDrift(t *testing.T) {
	s, null := fakeSession(Behavior{Play: &Play{Clip: clipOf(500), Loop: true}})
	begin := time.Unix(5000, 0)
	s.call.player.begin(format{codec.PCMU, 0}, begin)
	for at := time.Duration(0); at < time.Hour; at += 23 * time.Millisecond {
		s.speak(begin.Add(at))
	}
	if want := int(time.Hour / audio.FrameDuration); null.sent < want-2 || null.sent > want {
		t.Errorf("%d packets in an hour, want %d", null.sent, want)
	}
}

func TestPackets(t *testing.T) {
	pl, err := newPlayer(Play{Clip: clipOf(700)})
	if err != nil {
		t.Fatal(err)
	}
	pl.begin(format{codec.PCMU, 96}, time.Now())
	first := *pl.next(false)
	if !first.Marker || first.PayloadType != 96 || first.Sequence >= 1<<15 || len(first.Payload) != codec.PayloadBytes {
		t.Errorf("first packet %+v", first)
	}
	second := *pl.next(false)
	if second.Marker || second.Sequence != first.Sequence+1 || second.Timestamp != first.Timestamp+160 {
		t.Errorf("second packet %+v after %+v", second, first)
	}
	if pl.done.Load() {
		t.Error("done before the rest")
	}
	if third := pl.next(false); len(third.Payload) != codec.PayloadBytes {
		t.Errorf("the rest makes a packet of %d bytes", len(third.Payload))
	}
	if !pl.done.Load() || pl.due(time.Now().Add(time.Hour)) != 0 {
		t.Error("not done after the rest")
	}
}

func TestFrames(t *testing.T) {
	for name, tc := range map[string]struct {
		samples int
		loop    bool
		frames  int // until done; or to look at, in a loop
	}{
		"less than a frame":         {100, false, 1},
		"just a frame":              {320, false, 1},
		"a frame and a sample":      {321, false, 2},
		"three frames":              {960, false, 3},
		"a loop shorter than frame": {7, true, 20},
		"a loop of a frame":         {320, true, 20},
		"a loop of 1.3 frames":      {420, true, 20},
	} {
		t.Run(name, func(t *testing.T) {
			clip := clipOf(tc.samples)
			pl, err := newPlayer(Play{Clip: clip, Loop: tc.loop})
			if err != nil {
				t.Fatal(err)
			}
			var got []int16
			for range tc.frames {
				if pl.done.Load() {
					t.Fatalf("done after %d samples", len(got))
				}
				frame := pl.frame()
				if len(frame) != audio.FrameSamples {
					t.Fatalf("a frame of %d samples", len(frame))
				}
				got = append(got, frame...)
			}
			if pl.done.Load() == tc.loop {
				t.Errorf("done is %v", pl.done.Load())
			}
			for i, v := range got {
				want := clip.Samples[i%tc.samples]
				if !tc.loop && i >= tc.samples {
					want = 0
				}
				if v != want {
					t.Fatalf("sample %d is %d, want %d", i, v, want)
				}
			}
		})
	}
}

func TestASilentClipIsNoFlow(t *testing.T) {
	for name, want := range map[string]bool{"silence": false, "sound": true} {
		t.Run(name, func(t *testing.T) {
			clip := wav.Clip{SampleRate: 16000, Samples: make([]int16, 16000)}
			if want {
				clip.Samples = clipOf(16000).Samples
			}
			s, _ := fakeSession(Behavior{Play: &Play{Clip: clip, Loop: true}})
			c := s.call
			c.state = StateConnected
			begin := time.Now()
			c.player.begin(format{codec.G722, 9}, begin)
			s.speak(begin)
			quiet := transport.Packet{PayloadType: 9, Payload: codec.G722.NewEncoder().Encode(nil, make([]int16, 320))}
			c.in.take(&quiet, &format{codec.G722, 9}, 172, begin)
			if got := c.statsAt(begin).Audio.Flowing; got != want {
				t.Errorf("flowing is %v", got)
			}
		})
	}
}

func BenchmarkPacketising(b *testing.B) {
	for _, f := range []format{{codec.G722, 9}, {codec.PCMU, 0}} {
		b.Run(f.Name, func(b *testing.B) {
			s, _ := fakeSession(Behavior{Play: &Play{Clip: clipOf(100000), Loop: true}})
			now := time.Unix(0, 0)
			s.call.player.begin(f, now)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(audio.FrameDuration)
				s.speak(now)
			}
		})
	}
}

func TestPacketisingAllocatesNothing(t *testing.T) {
	s, _ := fakeSession(Behavior{Play: &Play{Clip: clipOf(1000), Loop: true}})
	now := time.Unix(0, 0)
	s.call.player.begin(format{codec.G722, 9}, now)
	if n := testing.AllocsPerRun(200, func() {
		now = now.Add(audio.FrameDuration)
		s.speak(now)
	}); n != 0 {
		t.Errorf("%v allocations for a packet", n)
	}
}
