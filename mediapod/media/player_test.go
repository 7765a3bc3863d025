// SPDX-License-Identifier: Apache-2.0

package media

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
)

// ramp is a recording in which every sample tells its place.
func ramp(samples int) wav.Clip {
	c := wav.Clip{SampleRate: 16000, Samples: make([]int16, samples)}
	for i := range c.Samples {
		c.Samples[i] = int16(i%2000 - 1000)
	}
	return c
}

func clip(t testing.TB, samples int) *Clip {
	t.Helper()
	c, err := NewClip(ramp(samples))
	if err != nil {
		t.Fatal(err)
	}
	return c
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
			s, _ := fakeSession(Behavior{})
			p := s.call.Play(clip(t, tc.samples), PlayOptions{Loop: tc.loop})
			var got []int16
			frame := make([]int16, audio.FrameSamples)
			for range tc.frames {
				if !s.call.voice.player.frame(frame) {
					t.Fatalf("done after %d samples", len(got))
				}
				got = append(got, frame...)
			}
			if s.call.voice.player.frame(frame) != tc.loop {
				t.Errorf("it goes on: %v", !tc.loop)
			}
			if want := map[bool]PlaybackEnd{true: Playing, false: Finished}[tc.loop]; p.End() != want {
				t.Errorf("end %d, want %d", p.End(), want)
			}
			for i, v := range got {
				want := ramp(tc.samples).Samples[i%tc.samples]
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

func TestClipsFollowEachOther(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	c := s.call
	long, loop, last := c.Play(clip(t, 5*320), PlayOptions{}), c.Play(clip(t, 320), PlayOptions{Loop: true}), c.Play(clip(t, 640), PlayOptions{})
	frame := make([]int16, audio.FrameSamples)
	play := func(n int) {
		for range n {
			c.voice.player.frame(frame)
		}
	}
	play(3)
	if long.Played() != 60*time.Millisecond || loop.Played() != 0 {
		t.Errorf("%v and %v played", long.Played(), loop.Played())
	}
	play(12)
	if long.End() != Finished || loop.Played() != 200*time.Millisecond || loop.End() != Playing {
		t.Errorf("the first is %d, the loop %d after %v", long.End(), loop.End(), loop.Played())
	}
	if c.Stats().Audio.PlaybackDone {
		t.Error("done in a loop")
	}
	loop.Stop()
	play(2)
	if loop.End() != Stopped || last.End() != Finished || !c.Stats().Audio.PlaybackDone {
		t.Errorf("the loop is %d, the last %d", loop.End(), last.End())
	}
	select {
	case <-last.Done():
	default:
		t.Error("nobody is told")
	}
}

func TestWhoSpeaksInterrupts(t *testing.T) {
	for name, tc := range map[string]struct {
		bargeIn bool
		want    PlaybackEnd
	}{"what may be": {true, Interrupted}, "not what may not": {false, Playing}} {
		t.Run(name, func(t *testing.T) {
			s, _ := fakeSession(Behavior{})
			c := s.call
			first, second := c.Play(clip(t, 3200), PlayOptions{BargeIn: tc.bargeIn}), c.Play(clip(t, 3200), PlayOptions{})
			frame := make([]int16, audio.FrameSamples)
			c.voice.player.frame(frame)
			c.voice.player.interrupt()
			if first.End() != tc.want || second.End() != tc.want || first.Played() != audio.FrameDuration {
				t.Errorf("the first is %d after %v, the second %d; want %d", first.End(), first.Played(), second.End(), tc.want)
			}
		})
	}
}

func TestACallThatEndsStopsWhatItPlays(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	p := s.call.Play(clip(t, 3200), PlayOptions{Loop: true})
	s.call.Close()
	if p.End() != Stopped || s.call.Play(clip(t, 320), PlayOptions{}).End() != Stopped {
		t.Errorf("it is %d", p.End())
	}
}

// TestAMutedClipPlaysOnUnheard: as with a microphone that is muted, packets keep coming with nothing in them, and the
// clip goes on where it would be.
func TestAMutedClipPlaysOnUnheard(t *testing.T) {
	s, null := fakeSession(Behavior{Play: &Play{Clip: ramp(3 * 320)}})
	begin := time.Now()
	s.call.SetMuted(true)
	s.call.tick(begin)
	quiet := codec.G722.NewEncoder().Encode(nil, silence[:])
	if string(null.last) != string(quiet) {
		t.Error("a muted packet is not silent")
	}
	s.call.SetMuted(false)
	s.call.tick(begin.Add(audio.FrameDuration))
	if string(null.last) == string(quiet) {
		t.Error("silent although not muted")
	}
	if got := s.call.voice.player.queue[0].Played(); got != 2*audio.FrameDuration {
		t.Errorf("%v played", got)
	}
}
