// SPDX-License-Identifier: Apache-2.0

package media

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

func TestVideoIsEchoed(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{Echo: true}, "", "")
		g.send(feed{1, 11, 0, c}, clip.Frames[3:20]) // up to the first key frame, nothing can be decoded
		g.send(feed{2, 22, 0, c}, clip.Frames)
		g.send(feed{1, 33, 0, c}, clip.Frames[10:]) // another source
		if diff := cmp.Diff(append(span(10, 20), span(10, 30)...), numbers(t, clip, g.w.frames(t, 1, c))); diff != "" {
			t.Errorf("of the camera (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(span(0, 30), numbers(t, clip, g.w.frames(t, 2, c))); diff != "" {
			t.Errorf("of the screen (-want +got):\n%s", diff)
		}
		if g.w.asked[1] == 0 {
			t.Error("no key frame was asked for in the beginning")
		}
		for _, p := range g.w.sent[1] {
			if p.PayloadType != payloadTypes[c] {
				t.Fatalf("payload type %d", p.PayloadType)
			}
		}
		before := g.w.asked[2]
		g.s.KeyFrameWanted(2)
		if g.w.asked[2] != before+1 {
			t.Error("that the far side wants a key frame of its echo is not passed on")
		}
		if s := g.Stats().Video[1]; s.FramesSent != 30 || s.PacketsSent == 0 || s.KeyFramesWanted != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAClipIsShownAtItsFrameRate(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "", "")
		camera := g.PlayVideo(clip, PlayVideoOptions{Loop: true})
		screen := g.PlayVideo(clip, PlayVideoOptions{Screen: true})
		for at := 0; at < 3000; at += 20 {
			g.run(20 * time.Millisecond)
			// What is sent is what is due: no frame is early, and none is later than a tick.
			begun := g.Stats().Video[0].FramesSent
			if want := float64(at)*15/1000 + 1; float64(begun) > want || float64(begun) < want-1.01 {
				t.Fatalf("after %d ms, %d frames are sent, want %.1f", at, begun, want)
			}
		}
		select {
		case <-screen.Done():
		default:
			t.Error("after 3 s, a clip of two is not over")
		}
		frames := g.w.frames(t, 1, c)
		if got := numbers(t, clip, frames); !slices.Equal(got[:44], append(span(0, 30), span(0, 14)...)) {
			t.Errorf("of the camera: %v", got)
		}
		if diff := cmp.Diff(span(0, 30), numbers(t, clip, g.w.frames(t, 2, c))); diff != "" || screen.Err() != nil {
			t.Errorf("of the screen: %v (-want +got):\n%s", screen.Err(), diff)
		}
		for i := 1; i < len(frames); i++ {
			if step := frames[i].Timestamp - frames[i-1].Timestamp; step < 5998 || step > 6002 {
				t.Errorf("the timestamp of frame %d is %d after the one before", i, step)
			}
		}
		camera.Stop()
		sent := len(g.w.sent[1])
		g.run(time.Second)
		if <-camera.Done(); len(g.w.sent[1]) != sent || camera.Err() != nil {
			t.Errorf("stopped, it goes on: %v", camera.Err())
		}
	})
}

func TestPacketsOfAFrameAreSpreadOverItsTime(t *testing.T) {
	big := &video.Clip{Codec: video.VP8, Duration: 200 * time.Millisecond,
		Frames: []video.ClipFrame{{Key: true, Data: make([]byte, 100*(video.MaxPayload-1)), Packets: 100}}}
	g := stage(t, Behavior{}, "")
	g.PlayVideo(big, PlayVideoOptions{})
	for tick := range 10 {
		g.run(20 * time.Millisecond)
		if sent := len(g.w.sent[1]); sent < 10*tick || sent > 10*tick+1 {
			t.Errorf("after tick %d, %d packets of 100 are sent", tick, sent)
		}
	}
}

func TestAClipGoesBackToAKeyFrameThatIsWanted(t *testing.T) {
	g := stage(t, Behavior{}, "")
	clip := testClip(t, video.VP8)
	g.PlayVideo(clip, PlayVideoOptions{})
	g.run(100 * time.Millisecond)
	g.s.KeyFrameWanted(1) // there has just been one
	g.run(900 * time.Millisecond)
	g.s.KeyFrameWanted(1)
	g.s.KeyFrameWanted(1)
	g.run(2 * time.Second)
	got := numbers(t, clip, g.w.frames(t, 1, video.VP8))
	if !slices.Equal(got, span(0, 30)) {
		t.Errorf("with a key frame that is 100 ms old, and one 333 ms: %v", got)
	}
	g.PlayVideo(clip, PlayVideoOptions{})
	g.run(580 * time.Millisecond)
	g.s.KeyFrameWanted(1)
	g.run(3 * time.Second)
	got = numbers(t, clip, g.w.frames(t, 1, video.VP8))[30:]
	if want := append(span(0, 9), span(0, 30)...); !slices.Equal(got, want) {
		t.Errorf("with one that is 580 ms old: %v, want %v", got, want)
	}
}

func TestAClipTakesThePlaceOfTheEcho(t *testing.T) {
	g := stage(t, Behavior{Echo: true}, "")
	clip := testClip(t, video.VP8)
	camera := feed{1, 11, 0, video.VP8}
	g.send(camera, clip.Frames[:5])
	p := g.PlayVideo(clip, PlayVideoOptions{})
	g.vision.tick(g.now)
	g.send(camera, clip.Frames[5:15]) // unseen
	p.Stop()
	g.send(camera, clip.Frames[15:])
	if diff := cmp.Diff(append(append(span(0, 5), 0), span(20, 30)...), numbers(t, clip, g.w.frames(t, 1, video.VP8))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAClipThatCannotBeShownSaysWhy(t *testing.T) {
	only := strings.NewReplacer("96 102 105", "96", "a=rtpmap:102 H264/90000\r\na=rtpmap:105 H264/90000\r\n", "")
	g := stage(t, Behavior{}, "")
	g.s.agreed.Store(agree(t, only.Replace(description(""))))
	g.vision.part(g.s)
	g.vision.connect(g.s)
	for name, tc := range map[string]struct {
		codec   video.Codec
		options PlayVideoOptions
		says    string
	}{
		"another codec": {video.H264, PlayVideoOptions{}, "does not take H264"},
		"no screen":     {video.VP8, PlayVideoOptions{Screen: true}, "no video of a screen"},
	} {
		t.Run(name, func(t *testing.T) {
			p := g.PlayVideo(testClip(t, tc.codec), tc.options)
			g.run(20 * time.Millisecond)
			if <-p.Done(); p.Err() == nil || !strings.Contains(p.Err().Error(), tc.says) {
				t.Errorf("%v", p.Err())
			}
		})
	}
	p := g.PlayVideo(testClip(t, video.VP8), PlayVideoOptions{Loop: true})
	q := g.PlayVideo(testClip(t, video.VP8), PlayVideoOptions{Loop: true})
	if <-p.Done(); p.Err() != nil {
		t.Errorf("replaced: %v", p.Err())
	}
	g.Close()
	if <-q.Done(); q.Err() != nil {
		t.Errorf("closed: %v", q.Err())
	}
	if <-g.PlayVideo(testClip(t, video.VP8), PlayVideoOptions{}).Done(); g.vision.shows[0] != nil {
		t.Error("a closed call shows something")
	}
}

// A far side that comes back sees a clip from a key frame on.
func TestAClipGoesOnWhenTheFarSideComesBack(t *testing.T) {
	g := stage(t, Behavior{}, "")
	clip := testClip(t, video.VP8)
	g.PlayVideo(clip, PlayVideoOptions{})
	g.run(900 * time.Millisecond)
	g.s.end()
	g.run(time.Second)
	g.connect("")
	g.run(3 * time.Second)
	if diff := cmp.Diff(span(10, 30), numbers(t, clip, g.w.frames(t, 1, video.VP8))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestListenersSeeWhoSpeaksAndTheScreen(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "", "", "")
		l, w := g.listener("a=sendonly\r\n", "a=sendonly\r\n")
		first, second, screen := feed{1, 11, 101, c}, feed{2, 22, 102, c}, feed{3, 33, 0, c}
		both := func(frames []video.ClipFrame) {
			g.send(first, frames)
			g.send(second, frames)
		}
		both(clip.Frames[:5])
		g.send(screen, clip.Frames[:8])
		asked := g.w.asked[2]
		g.SetSpeakers([]uint32{102})
		if g.w.asked[2] != asked+1 {
			t.Error("no key frame is asked for of who speaks now")
		}
		both(clip.Frames[5:12])
		l.KeyFrameWanted(2)
		if g.w.asked[3] == 0 {
			t.Error("a listener's wish for a key frame is not passed on")
		}
		if diff := cmp.Diff(append(span(0, 5), 10, 11), numbers(t, clip, w.frames(t, 1, c))); diff != "" {
			t.Errorf("cameras (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(span(0, 8), numbers(t, clip, w.frames(t, 2, c))); diff != "" {
			t.Errorf("the screen (-want +got):\n%s", diff)
		}
		n := len(w.sent[1])
		l.end()
		both(clip.Frames[12:])
		if len(w.sent[1]) != n || len(g.w.sent[1]) != 0 {
			t.Error("a listener who left, or the far side, is sent something")
		}
		_, sound := g.listener() // who takes no video
		both(clip.Frames)
		if len(sound.sent[1]) != 0 {
			t.Error("video is sent to who takes none")
		}
	})
}

func TestAListenerIsSentTheCodecUnderTheirOwnNumber(t *testing.T) {
	g := stage(t, Behavior{}, "")
	l, w := &listener{connection: newConnection(g.Call), who: "grace"}, newCable()
	l.transport = w
	l.agreed.Store(agree(t, strings.NewReplacer("96", "120", "102", "121", "105", "122").Replace(description(""))))
	g.mu.Lock()
	g.listeners[l.id] = l
	g.mu.Unlock()
	l.Connected()
	for c, want := range map[video.Codec]uint8{video.VP8: 120, video.H264: 121} {
		w.sent = map[int][]transport.Packet{}
		g.send(feed{1, uint32(want), 0, c}, testClip(t, c).Frames[:1])
		if len(w.sent[1]) == 0 || w.sent[1][0].PayloadType != want {
			t.Errorf("%s: %+v", c, w.sent[1])
		}
	}
}

func TestShowingAClipDoesNotAllocate(t *testing.T) {
	forVideoCodecs(t, func(t *testing.T, c video.Codec, clip *video.Clip) {
		g := stage(t, Behavior{}, "")
		g.w.keep = false
		g.PlayVideo(clip, PlayVideoOptions{Loop: true})
		g.run(time.Second)
		if got := testing.AllocsPerRun(10, func() { g.run(time.Second) }); got != 0 {
			t.Errorf("%v allocations a second", got)
		}
		if sent := g.Stats().Video[0].FramesSent; sent < 11*15 {
			t.Errorf("%d frames in 12 s", sent)
		}
	})
}
