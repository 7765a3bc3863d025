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

func TestPlayingOnTime(t *testing.T) {
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	tests := map[string]struct {
		ticks []time.Duration // since the beginning
		want  []int           // packets sent at each
	}{
		"every 20 ms":                 {[]time.Duration{0, ms(20), ms(40), ms(60)}, []int{1, 1, 1, 1}},
		"ticks come late":             {[]time.Duration{0, ms(25), ms(59), ms(61)}, []int{1, 1, 1, 1}},
		"ticks come too often":        {[]time.Duration{0, ms(5), ms(10), ms(15), ms(20)}, []int{1, 0, 0, 0, 1}},
		"the first was late":          {[]time.Duration{0, ms(19), ms(41), ms(59), ms(80)}, []int{1, 1, 1, 1, 1}},
		"one tick is missing":         {[]time.Duration{0, ms(40), ms(60)}, []int{1, 2, 1}},
		"the process stood still":     {[]time.Duration{0, ms(200), ms(220), ms(240), ms(260), ms(280), ms(300)}, []int{1, 3, 3, 3, 3, 2, 1}},
		"the clock was set backward":  {[]time.Duration{0, ms(20), -ms(500), ms(40)}, []int{1, 1, 0, 1}},
		"it stood still for too long": {[]time.Duration{0, 5 * time.Second, 5*time.Second + ms(20)}, []int{1, 1, 1}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			s, null := fakeSession(Behavior{Play: &Play{Clip: ramp(16000), Loop: true}})
			begin := time.Unix(5000, 0)
			for i, at := range tc.ticks {
				before := null.sent
				if s.call.tick(begin.Add(at)) {
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
	s, null := fakeSession(Behavior{Play: &Play{Clip: ramp(4 * audio.FrameSamples)}})
	begin := time.Unix(5000, 0)
	for _, at := range []time.Duration{0, 20 * time.Millisecond, 500 * time.Millisecond} {
		s.call.tick(begin.Add(at))
	}
	if null.sent != 4 {
		t.Errorf("%d packets of a clip of four", null.sent)
	}
}

// An hour of ticks that are all a little late is as long as an hour.
func TestPlayingDoesNotDrift(t *testing.T) {
	s, null := fakeSession(Behavior{Play: &Play{Clip: ramp(500), Loop: true}})
	begin := time.Unix(5000, 0)
	for at := time.Duration(0); at < time.Hour; at += 23 * time.Millisecond {
		s.call.tick(begin.Add(at))
	}
	if want := int(time.Hour / audio.FrameDuration); null.sent < want-2 || null.sent > want {
		t.Errorf("%d packets in an hour, want %d", null.sent, want)
	}
}

// What is said after a pause is at its time, in a stream that goes on.
func TestAPauseIsInTheTimestamps(t *testing.T) {
	s, null := fakeSession(Behavior{})
	c := s.call
	now := time.Unix(5000, 0)
	c.Play(clip(t, 640), PlayOptions{})
	c.tick(now)
	first := null.packet
	if !first.Marker || first.PayloadType != 9 || first.Sequence >= 1<<15+1 {
		t.Errorf("first packet %+v", first)
	}
	if !c.tick(now.Add(20 * time.Millisecond)) {
		t.Error("ticked for nothing")
	}
	second := null.packet
	if second.Marker || second.Sequence != first.Sequence+1 || second.Timestamp != first.Timestamp+160 {
		t.Errorf("second packet %+v after %+v", second, first)
	}
	c.Play(clip(t, 320), PlayOptions{})
	c.tick(now.Add(time.Minute))
	third := null.packet
	if !third.Marker || third.Sequence != second.Sequence+1 || third.Timestamp != first.Timestamp+60*8000 || null.sent != 3 {
		t.Errorf("a minute later %+v after %+v", third, first)
	}
}

// ticker is a tap that keeps what it gets.
type keeper struct{ frames []Frame }

func (k *keeper) Tap(f *Frame) {
	keep := func(pcm []int16) []int16 {
		if pcm == nil {
			return nil
		}
		return append([]int16(nil), pcm...)
	}
	frame := Frame{At: f.At, Heard: keep(f.Heard), HeardAt: f.HeardAt, Said: keep(f.Said)}
	for _, v := range f.Voices {
		frame.Voices = append(frame.Voices, Voice{Source: v.Source, PCM: keep(v.PCM)})
	}
	k.frames = append(k.frames, frame)
}

func TestATapHearsBothSides(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	c, tap := s.call, &keeper{}
	c.AddTap(tap)
	p := c.Play(clip(t, 320*30), PlayOptions{})
	receive := stream(s, format{codec.G722, 9})
	now := time.Unix(6000, 0)
	for range 50 {
		receive()
		if c.tick(now) {
			t.Fatal("not ticked although there is a tap")
		}
		now = now.Add(audio.FrameDuration)
	}
	c.RemoveTap(tap)
	if !c.tick(now) || len(tap.frames) != 50 || p.End() != Finished {
		t.Errorf("%d frames, playback %d", len(tap.frames), p.End())
	}
	heard, said := 0, 0
	for i, f := range tap.frames {
		if want := time.Unix(6000, 0).Add(time.Duration(i) * audio.FrameDuration); !f.At.Equal(want) {
			t.Errorf("frame %d is of %v, want %v", i, f.At, want)
		}
		if f.Heard != nil {
			heard++
		}
		if f.Said != nil {
			said++
		}
	}
	if heard < 45 || said != 30 {
		t.Errorf("heard in %d frames, said in %d", heard, said)
	}
}

func TestVoicesAreToldApart(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	c, tap := s.call, &keeper{}
	main := section{number: 0, kind: kindAudio, formats: []format{{Codec: codec.PCMU}}}
	apart := section{number: 2, kind: kindAudio, formats: []format{{Codec: codec.PCMU}}}
	s.agreed.Store(&agreement{main: &main, sections: []section{main, {number: 1, kind: kindVideo}, apart}})
	c.ears[1].formats.Store(&apart)
	c.AddTap(tap)
	enc := codec.PCMU.NewEncoder()
	now := time.Unix(7000, 0)
	for i := range 20 {
		raw := []byte{0x81, 0, 0, byte(i), 0, 0, byte(i * 160 >> 8), byte(i * 160), 0, 0, 0, 9, 0, 0, 0x12, 0x34} // one contributing source
		s.Receive(2, append(raw, enc.Encode(nil, ramp(320).Samples)...), now)
		c.tick(now)
		now = now.Add(audio.FrameDuration)
	}
	last := tap.frames[len(tap.frames)-1]
	if last.Heard != nil || len(last.Voices) != 1 || last.Voices[0].Source != 0x1234 || audio.Energy(last.Voices[0].PCM) == 0 {
		t.Errorf("heard %v, voices %+v", last.Heard != nil, last.Voices)
	}
}

func TestASilentClipIsNoFlow(t *testing.T) {
	for name, want := range map[string]bool{"silence": false, "sound": true} {
		t.Run(name, func(t *testing.T) {
			recording := wav.Clip{SampleRate: 16000, Samples: make([]int16, 16000)}
			if want {
				recording.Samples = ramp(16000).Samples
			}
			s, _ := fakeSession(Behavior{Play: &Play{Clip: recording, Loop: true}})
			c := s.call
			c.state = StateConnected
			begin := time.Now()
			c.tick(begin)
			quiet := transport.Packet{PayloadType: 9, Payload: codec.G722.NewEncoder().Encode(nil, make([]int16, 320))}
			c.ears[0].hear(&quiet, &format{codec.G722, 9}, false, 172, begin)
			if got := c.statsAt(begin).Audio.Flowing; got != want {
				t.Errorf("flowing is %v", got)
			}
		})
	}
}

func BenchmarkTick(b *testing.B) {
	for _, f := range []codec.Codec{codec.G722, codec.PCMU} {
		for name, tapped := range map[string]bool{"speaking": false, "speaking and hearing": true} {
			b.Run(f.Name+" "+name, func(b *testing.B) {
				step := ticking(f, tapped)
				b.ReportAllocs()
				for b.Loop() {
					step()
				}
			})
		}
	}
}

// ticking is a call in which a step is 20 ms.
func ticking(c codec.Codec, tapped bool) func() {
	s, _ := fakeSession(Behavior{Play: &Play{Clip: ramp(100000), Loop: true}})
	main := section{kind: kindAudio, formats: []format{{Codec: c, payloadType: c.PayloadType}}}
	s.agreed.Store(&agreement{main: &main, sections: []section{main}})
	s.call.ears[0].formats.Store(&main)
	if tapped {
		s.call.AddTap(nobody{})
	}
	receive := stream(s, main.formats[0])
	now := time.Unix(0, 0)
	return func() {
		receive()
		s.call.tick(now)
		now = now.Add(audio.FrameDuration)
	}
}

type nobody struct{}

func (nobody) Tap(*Frame) {}

func TestTicksAllocateNothing(t *testing.T) {
	for _, c := range []codec.Codec{codec.G722, codec.PCMU} {
		step := ticking(c, true)
		for range 100 {
			step()
		}
		if n := testing.AllocsPerRun(200, step); n != 0 {
			t.Errorf("%s: %v allocations for 20 ms", c.Name, n)
		}
	}
}
