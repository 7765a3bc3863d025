// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/media/video"
)

func TestSheddingFollowsTheHealth(t *testing.T) {
	times := func(n int, h Health) (all []Health) {
		for range n {
			all = append(all, h)
		}
		return all
	}
	then := func(all ...[]Health) (joined []Health) {
		for _, x := range all {
			joined = append(joined, x...)
		}
		return joined
	}
	overloaded := func(n int) []Health { return times(n, Overloaded) }
	for name, tc := range map[string]struct {
		looks []Health
		want  Shedding
	}{
		"much to do":                        {times(100, HeavilyLoaded), ShedNothing},
		"too much":                          {overloaded(1), ShedCameras},
		"without cameras it is enough":      {then(overloaded(3), times(5, HeavilyLoaded)), ShedCameras},
		"without cameras it is too much":    {overloaded(4), ShedVideo},
		"too much for long":                 {overloaded(100), ShedVideo},
		"better for a moment":               {then(overloaded(9), times(9, Normal)), ShedVideo},
		"better, and worse again":           {then(overloaded(9), times(9, Normal), overloaded(1), times(9, Normal)), ShedVideo},
		"better":                            {then(overloaded(9), times(10, HeavilyLoaded)), ShedCameras},
		"cameras wait until it is well":     {then(overloaded(9), times(100, HeavilyLoaded)), ShedCameras},
		"well":                              {then(overloaded(9), times(20, Normal)), ShedNothing},
		"well, with much to do in between":  {then(overloaded(9), times(19, Normal), times(1, HeavilyLoaded), times(9, Normal)), ShedCameras},
		"too much while screens are back":   {then(overloaded(9), times(10, Normal), overloaded(3)), ShedVideo},
		"too much, and then a while longer": {then(overloaded(3), times(1, HeavilyLoaded), overloaded(2)), ShedCameras},
	} {
		t.Run(name, func(t *testing.T) {
			var s shedder
			for _, h := range tc.looks {
				s.look(h)
			}
			if s.step != tc.want {
				t.Errorf("without %v, want %v", s.step, tc.want)
			}
		})
	}
}

// An overloaded process does without cameras, then without screens, and never without sound; and takes both back.
func TestAnOverloadedProcessShedsVideoAndNoSound(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		changes := 0
		g := stage(t, Behavior{Echo: true}, "a=content:main\r\na=sendrecv\r\n", "a=content:slides\r\na=sendrecv\r\n")
		g.onChange = func() { changes++ }
		l, viewer := g.listener("a=content:main\r\na=sendonly\r\n", "a=content:slides\r\na=sendonly\r\n")
		defer g.dismiss(l)
		var a audience
		g.WatchVideo(&a, VideoFilter{})

		pressed := load{cpu: 0.2}
		g.engine.doctor.standIn = func() load { return pressed }
		looks := func(n int) {
			for range n {
				g.now = g.now.Add(time.Second)
				g.engine.doctor.look(g.now, 0)
			}
			g.notice(g.now)
		}
		camera, screen := feed{1, 11, 0, c}, feed{2, 22, 0, c}
		var sequence uint16
		// Both sides' frames as they were seen by who watches, by the far side, and by who listens in.
		step := func(what string, wantCamera, wantScreen bool) {
			t.Helper()
			a.seen = nil
			for _, w := range []*cable{g.w, viewer} {
				clear(w.sent)
				clear(w.asked)
			}
			sound := g.Stats().Audio.PacketsSent
			for range 50 {
				sequence++
				g.s.Receive(0, append([]byte{0x80, 0, byte(sequence >> 8), byte(sequence)}, make([]byte, 168)...), g.now)
			}
			if got := g.Stats().Audio.PacketsSent - sound; got != 50 {
				t.Errorf("%s: %d packets of sound of 50 went back", what, got)
			}
			before := g.Stats().Video
			g.send(camera, clip.Frames)
			g.send(screen, clip.Frames)
			for i, want := range []bool{wantCamera, wantScreen} {
				var all []int
				if want {
					all = span(0, 30)
				}
				stats := g.Stats().Video[i]
				if stats.Shed == want || stats.PacketsReceived-before[i].PacketsReceived < 30 {
					t.Errorf("%s, track %d: %+v", what, i, stats)
				}
				if diff := cmp.Diff(all, numbers(t, clip, a.of(i))); diff != "" {
					t.Errorf("%s: who watches track %d saw (-want +got):\n%s", what, i, diff)
				}
				for who, w := range map[string]*cable{"the far side": g.w, "who listens in": viewer} {
					if diff := cmp.Diff(all, numbers(t, clip, w.frames(t, i+1, c))); diff != "" {
						t.Errorf("%s: %s was shown of track %d (-want +got):\n%s", what, who, i, diff)
					}
				}
				if !want && g.w.asked[i+1] > 0 {
					t.Errorf("%s: a key frame of track %d is asked for, which is shed", what, i)
				}
			}
			u := &engineUnderTest{registry: g.registry}
			for kind, want := range map[string]bool{"cameras": wantCamera, "screens": wantScreen} {
				if got := counter(t, u, "callfleet_media_video_shed", "kind", kind) == 0; got != want {
					t.Errorf("%s: the metric of %s says otherwise", what, kind)
				}
			}
		}
		looks(1)
		step("at ease", true, true)
		pressed = load{cpu: 0.99}
		looks(2*looksBeforeItIsWorse - 1)
		step("with much to do", true, true)
		looks(1)
		step("overloaded", false, true)
		if _, err := g.Snapshot(context.Background(), 0); !errors.Is(err, ErrVideoShed) {
			t.Errorf("a picture of a camera: %v", err)
		}
		looks(looksBeforeItIsWorse)
		step("still overloaded", false, false)
		if changes < 2 {
			t.Errorf("%d changes were told", changes)
		}
		pressed = load{cpu: 0.2}
		looks(looksBeforeVideoReturns)
		if g.w.asked[2] == 0 {
			t.Error("no key frame of the screen was asked for when it came back")
		}
		step("at ease for a while", false, true)
		looks(looksBeforeVideoReturns)
		step("at ease again", true, true)
	})
}

// A clip that is shown stops at the end of a frame, and goes on with a key frame where it was.
func TestAClipIsHeldBackWhileCamerasAreShed(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "")
		p := g.PlayVideo(clip, PlayVideoOptions{})
		g.run(time.Second) // 15 of 30 frames
		g.vision.look(g.now, ShedCameras)
		g.run(200 * time.Millisecond) // for the rest of a frame
		sent := len(g.w.sent[1])
		g.run(10 * time.Second)
		if got := len(g.w.sent[1]); got != sent {
			t.Errorf("%d packets were sent while cameras are shed", got-sent)
		}
		g.vision.look(g.now, ShedNothing)
		g.run(3 * time.Second)
		select {
		case <-p.Done():
		default:
			t.Error("it did not go on to its end")
		}
		got := numbers(t, clip, g.w.frames(t, 1, c))
		if diff := cmp.Diff(append(span(0, 16), span(10, 30)...), got); diff != "" && cmp.Diff(append(span(0, 15), span(10, 30)...), got) != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
	})
}
