// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"math"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/wav"
	rtc "github.com/callfleet/callfleet/mediapod/media/webrtc"
)

func TestEchoIsHeard(t *testing.T) {
	for _, tc := range []struct {
		codec  codec.Codec
		sample string
	}{{codec.G722, "standup.wav"}, {codec.PCMU, "prompt.wav"}, {codec.PCMA, "prompt.wav"}} {
		c, spoken := tc.codec, recordingOf(t, tc.sample)
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			u := serve(t)
			var changes atomic.Int32
			call := newCall(t, u, CallOptions{ID: "echo", Behavior: Behavior{Echo: true}, OnChange: func() { changes.Add(1) }})
			if s := call.State(); s != StateNew {
				t.Errorf("state %s before the far side is there", s)
			}
			f := newFarSide(t, u, c).call(call)
			stalled := watchStalls(t)
			f.speak(spoken)
			eventually(t, 5*time.Second, "all packets echoed", func() bool { return f.count() >= len(spoken)/audio.FrameSamples })

			a := call.Stats().Audio
			t.Logf("%+v", a)
			want := uint64(len(spoken) / audio.FrameSamples)
			if a.Codec != c.Name || a.PacketsReceived != want || a.PacketsSent != want || a.PacketsLost != 0 {
				t.Errorf("stats %+v, want %d packets of %s both ways and none lost", a, want, c.Name)
			}
			if !a.Flowing || call.State() != StateConnected || changes.Load() < 2 {
				t.Errorf("flowing %v, state %s, %d changes; want a connection and a flow announced", a.Flowing, call.State(), changes.Load())
			}
			// Jitter, and with it the score, are the machine's where it stood still.
			if stalled.total() < 100*time.Millisecond && (a.MOS < 4 || a.JitterMs > 50) {
				t.Errorf("quality %+v", a)
			}
			if a.MOS < 1 || a.EnergyDB < -60 || time.Since(a.LastReceived) > 2*time.Second {
				t.Errorf("quality %+v", a)
			}
			r, err := measure.Compare(spoken, f.heard(), audio.SampleRate)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if r.Correlation < 0.9 || math.Abs(r.LevelDB) > 1 || r.LongestGap > 60*time.Millisecond {
				t.Errorf("heard %+v", r)
			}
			eventually(t, 5*time.Second, "flow seen to stop", func() bool { return !call.Stats().Audio.Flowing })
			if e := call.Stats().Audio.EnergyDB; e != silent {
				t.Errorf("energy %v with nothing coming in", e)
			}
		})
	}
}

func TestPlayIsHeard(t *testing.T) {
	t.Parallel()
	u := serve(t)
	spoken := recordingOf(t, "prompt.wav")
	var done atomic.Bool
	var call *Call
	ready := make(chan struct{})
	call = newCall(t, u, CallOptions{
		ID: "play", Behavior: Behavior{Play: &Play{Clip: wav.Clip{SampleRate: 16000, Samples: spoken}}},
		OnChange: func() {
			<-ready
			if call.Stats().Audio.PlaybackDone {
				done.Store(true)
			}
		},
	})
	close(ready)
	stalled := watchStalls(t)
	f := newFarSide(t, u, codec.G722, codec.PCMU).call(call)
	go f.speak(make([]int16, 4*audio.SampleRate)) // a silent meeting
	eventually(t, 2*time.Second, "flow while playing to a silent meeting", func() bool { return call.Stats().Audio.Flowing })
	if call.Stats().Audio.PlaybackDone {
		t.Error("playback done at once")
	}
	frames := (len(spoken) + audio.FrameSamples - 1) / audio.FrameSamples
	eventually(t, 6*time.Second, "playback announced as done", done.Load)
	eventually(t, 5*time.Second, "all of the clip received", func() bool { return f.count() >= frames })
	time.Sleep(100 * time.Millisecond) // and whatever may follow

	r, err := measure.Compare(spoken, f.heard(), audio.SampleRate)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	if r.Correlation < 0.9 || math.Abs(r.LevelDB) > 1 || r.LongestGap > 0 {
		t.Errorf("heard %+v", r)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.packets) != frames {
		var numbers []uint16
		for _, p := range f.packets {
			numbers = append(numbers, p.SequenceNumber-f.packets[0].SequenceNumber)
		}
		t.Errorf("%d packets, want %d and then silence: %v", len(f.packets), frames, numbers)
	}
	for i, p := range f.packets {
		if p.Marker != (i == 0) {
			t.Errorf("packet %d has marker %v", i, p.Marker)
		}
		// Relative to the first, which may be late itself: a late tick may delay a packet, never all after it. On its way
		// it is handed over several times, and each may meet a stall.
		due := f.arrivals[0].Add(time.Duration(i) * audio.FrameDuration)
		allowed := 60*time.Millisecond + 2*(stalled.before(f.arrivals[i])+stalled.before(f.arrivals[0]))
		if off := f.arrivals[i].Sub(due); off.Abs() > allowed {
			t.Errorf("packet %d came %v off its time, of which this machine accounts for %v", i, off, allowed)
		}
	}
}

func TestLoopGoesOn(t *testing.T) {
	t.Parallel()
	u := serve(t)
	clip := wav.Clip{SampleRate: 8000, Samples: make([]int16, 1000)} // 125 ms
	for i := range clip.Samples {
		clip.Samples[i] = int16(10000 * math.Sin(float64(i)/5))
	}
	call := newCall(t, u, CallOptions{ID: "loop", Behavior: Behavior{Play: &Play{Clip: clip, Loop: true}}})
	f := newFarSide(t, u, codec.PCMU).call(call)
	eventually(t, 3*time.Second, "a clip of six packets makes forty", func() bool { return f.count() >= 40 })
	if call.Stats().Audio.PlaybackDone {
		t.Error("a loop is done")
	}
	for i, s := 0, f.heard(); i+160 <= len(s); i += 160 {
		if i > 320 && audio.DBov(audio.Energy(s[i:i+160]), 160) < -40 {
			t.Fatalf("a loop is silent at %d ms", i/16)
		}
	}
}

func TestListenSendsNothing(t *testing.T) {
	t.Parallel()
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "listen"})
	f := newFarSide(t, u, codec.G722).call(call)
	f.speak(recordingOf(t, "prompt.wav"))
	eventually(t, time.Second, "flow", func() bool { return call.Stats().Audio.Flowing })
	if a := call.Stats().Audio; a.PacketsSent != 0 || f.count() != 0 || a.PacketsReceived == 0 {
		t.Errorf("listening sent %d packets, %d arrived, %d were heard", a.PacketsSent, f.count(), a.PacketsReceived)
	}
}

// Not every far side declares its SSRC in the offer, and RFC 9143 does not ask it to.
func TestAnUndeclaredSourceIsHeard(t *testing.T) {
	t.Parallel()
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "undeclared", Behavior: Behavior{Echo: true}})
	f := newFarSide(t, u, codec.G722)
	f.edit = func(offer string) string { return regexp.MustCompile(`a=ssrc[^\n]*\n`).ReplaceAllString(offer, "") }
	f.call(call)
	f.speak(recordingOf(t, "prompt.wav")[:16000])
	eventually(t, 5*time.Second, "an echo", func() bool { return f.count() > 40 })
	if !call.Stats().Audio.Flowing {
		t.Errorf("stats %+v", call.Stats().Audio)
	}
}

func TestSilenceDoesNotFlow(t *testing.T) {
	t.Parallel()
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "silence", Behavior: Behavior{Echo: true}})
	f := newFarSide(t, u, codec.G722).call(call)
	f.speak(make([]int16, audio.SampleRate))
	eventually(t, time.Second, "packets", func() bool { return call.Stats().Audio.PacketsReceived > 40 })
	if a := call.Stats().Audio; a.Flowing || a.EnergyDB > -60 {
		t.Errorf("silence is reported as a flow: %+v", a)
	}
}

func TestRoundTripIsMeasured(t *testing.T) {
	t.Parallel()
	stalled := watchStalls(t)
	u := serve(t)
	call := newCall(t, u, CallOptions{ID: "rtt", Behavior: Behavior{Echo: true}})
	f := newFarSide(t, u, codec.PCMU).call(call)
	stop := make(chan struct{})
	spoken := recordingOf(t, "prompt.wav")
	go func() {
		defer close(stop)
		f.speak(append(spoken, spoken...))
	}()
	// Reports go both ways once a second or so; the far side's second knows ours.
	eventually(t, 8*time.Second, "a round trip", func() bool { return call.Stats().Audio.RoundTripMs > 0 })
	if rtt := call.Stats().Audio.RoundTripMs; rtt > 500+float64(stalled.total().Milliseconds()) || rtt < 0 {
		t.Errorf("round trip %v ms on loopback, and this process stood still for %v", rtt, stalled.total())
	}
	<-stop
}

func TestLostPeer(t *testing.T) {
	tests := map[string]func(*farSide){
		"it closes": func(f *farSide) { _ = f.pc.Close() },
		"it sends DELETE": func(f *farSide) {
			if resp, body := f.u.request(f.t, "DELETE", f.location, "", bearer(f.token)); resp.StatusCode != 200 {
				f.t.Errorf("DELETE: %s: %s", resp.Status, body)
			}
		},
	}
	for name, lose := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := serve(t, func(c *Config) {
				c.patience = rtc.Patience{Disconnected: 500 * time.Millisecond, Failed: 500 * time.Millisecond, Keepalive: 200 * time.Millisecond}
			})
			lost := make(chan struct{}, 100)
			call := newCall(t, u, CallOptions{ID: "lost", OnChange: func() { lost <- struct{}{} }})
			f := newFarSide(t, u, codec.G722).call(call)
			eventually(t, time.Second, "connected", func() bool { return call.State() == StateConnected })
			for len(lost) > 0 {
				<-lost
			}
			lose(f)
			eventually(t, 10*time.Second, "lost", func() bool { return call.State() == StateLost })
			select {
			case <-lost:
			case <-time.After(time.Second):
				t.Error("OnChange was not called")
			}
			// Another may come in its place.
			g := newFarSide(t, u, codec.G722).call(call)
			eventually(t, time.Second, "connected again", func() bool { return call.State() == StateConnected })
			g.speak(recordingOf(t, "prompt.wav")[:16000])
			eventually(t, time.Second, "flow again", func() bool { return call.Stats().Audio.Flowing })
		})
	}
}

// A far side that is answered and never comes makes room for another.
func TestAFarSideThatNeverComes(t *testing.T) {
	t.Parallel()
	u := serve(t, func(c *Config) {
		c.patience = rtc.Patience{Disconnected: 300 * time.Millisecond, Failed: 300 * time.Millisecond, Keepalive: 100 * time.Millisecond}
	})
	call := newCall(t, u, CallOptions{ID: "awaited"})
	url, token := call.Endpoint()
	offer := newFarSide(t, u, codec.G722).offer(nil)
	if resp, body := u.request(t, "POST", url, offer, bearer(token)); resp.StatusCode != 201 {
		t.Fatalf("POST: %s: %s", resp.Status, body)
	}
	eventually(t, 10*time.Second, "given up", func() bool { return call.State() == StateLost })
	newFarSide(t, u, codec.G722).call(call)
	eventually(t, time.Second, "connected", func() bool { return call.State() == StateConnected })
}

// Close is for good, at whatever point it comes.
func TestCloseWhileConnecting(t *testing.T) {
	t.Parallel()
	u := serve(t)
	offer := newFarSide(t, u, codec.G722).offer(nil)
	for i := range 20 {
		call := newCall(t, u, CallOptions{ID: fmt.Sprintf("closing-%d", i)})
		url, token := call.Endpoint()
		var wg sync.WaitGroup
		wg.Go(func() {
			resp, body := u.request(t, "POST", url, offer, bearer(token))
			if resp.StatusCode >= 500 {
				t.Errorf("POST while closing: %s: %s", resp.Status, body)
			}
		})
		time.Sleep(time.Duration(i) * 500 * time.Microsecond)
		call.Close()
		call.Close()
		wg.Wait()
		if s := call.State(); s != StateClosed {
			t.Errorf("state %s after Close", s)
		}
	}
}

func TestTwentyCallsAtOnce(t *testing.T) {
	t.Parallel()
	u := serve(t)
	spoken := recordingOf(t, "prompt.wav")[:24000]
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			call := newCall(t, u, CallOptions{ID: fmt.Sprintf("call-%d", i), Behavior: Behavior{Echo: true}})
			f := newFarSide(t, u, codec.Supported()[i%3]).call(call)
			f.speak(spoken)
			eventually(t, 15*time.Second, "all echoed", func() bool { return f.count() >= len(spoken)/audio.FrameSamples })
			r, err := measure.Compare(spoken, f.heard(), audio.SampleRate)
			if err != nil || r.Correlation < 0.9 || r.LongestGap > 60*time.Millisecond {
				t.Errorf("call %d heard %+v, %v", i, r, err)
			}
			call.Close()
			if s := call.State(); s != StateClosed {
				t.Errorf("state %s after Close", s)
			}
		})
	}
	wg.Wait()
}
