// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/sdp"
	rtc "github.com/callfleet/callfleet/mediapod/media/webrtc"
)

// networkCable is a far side's way to the network, which can be cut.
type networkCable struct {
	net.PacketConn
	cut atomic.Bool
}

func (c *networkCable) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.PacketConn.ReadFrom(b)
		if err != nil || !c.cut.Load() {
			return n, from, err
		}
	}
}

func (c *networkCable) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.cut.Load() {
		return len(b), nil
	}
	return c.PacketConn.WriteTo(b, to)
}

// onCable has a far side use one socket, and never give up by itself.
func onCable(t *testing.T, s *webrtc.SettingEngine) *networkCable {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	c := &networkCable{PacketConn: conn}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: c, Logger: quiet().NewLogger("mux")})
	t.Cleanup(func() { _ = mux.Close() })
	s.SetICEUDPMux(mux)
	s.SetICETimeouts(time.Hour, time.Hour, 100*time.Millisecond)
	return c
}

// impatient is an engine that soon notes that nothing comes.
func impatient(c *Config) {
	c.patience = rtc.Patience{Disconnected: 500 * time.Millisecond, Failed: 500 * time.Millisecond, Keepalive: 200 * time.Millisecond}
}

// A far side of which nothing comes any more is waited for. It may be heard again as if nothing had been, restart ICE when
// the old path has been given up, or come anew; each time the audio goes on.
func TestAnInterruptedConnectionGoesOn(t *testing.T) {
	const givenUp = 2 * time.Second // by ICE: a second of silence, and another to note it
	for name, tc := range map[string]struct {
		away time.Duration
		back func(t *testing.T, f *farSide, call *Call) *farSide
		same bool // it is the session that there was
	}{
		"the path comes back":                  {0, func(_ *testing.T, f *farSide, _ *Call) *farSide { return f }, true},
		"ICE is restarted":                     {0, restarted, true},
		"ICE is restarted after it was failed": {givenUp, restarted, true},
		"another offer is made": {givenUp, func(t *testing.T, f *farSide, call *Call) *farSide {
			return newFarSide(t, f.u, codec.G722).call(call)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := serve(t, impatient)
			var changes atomic.Int32
			call := newCall(t, u, CallOptions{ID: "interrupted", Behavior: Behavior{Echo: true}, OnChange: func() { changes.Add(1) }})
			var cable *networkCable
			f := newFarSideWith(t, u, func(s *webrtc.SettingEngine) { cable = onCable(t, s) }, codec.G722).call(call)
			spoken := recordingOf(t, "prompt.wav")
			f.speak(spoken[:8000])
			eventually(t, 5*time.Second, "connected, and flowing", func() bool { return call.State() == StateConnected && call.Stats().Audio.Flowing })
			before := changes.Load()

			cable.cut.Store(true)
			eventually(t, 10*time.Second, "interrupted", func() bool { return call.State() == StateInterrupted })
			if changes.Load() == before {
				t.Error("the owner of the call was not told")
			}
			if call.Stats().Audio.Flowing {
				t.Error("media is said to flow")
			}
			time.Sleep(tc.away)
			if s := call.State(); s != StateInterrupted {
				t.Fatalf("the call is %s while it waits", s)
			}
			session := call.session
			cable.cut.Store(false)
			f = tc.back(t, f, call)
			heard := f.count()
			eventually(t, 10*time.Second, "audio again", func() bool {
				f.speak(spoken[8000:11200])
				return f.count() > heard+5 && call.State() == StateConnected && call.Stats().Audio.Flowing
			})
			if same := call.session == session; same != tc.same {
				t.Errorf("it is the session that there was: %v, want %v", same, tc.same)
			}
			call.Close()
			if s := call.State(); s != StateClosed {
				t.Errorf("state %s after Close", s)
			}
		})
	}
}

// restarted restarts ICE as RFC 9725 section 4.3.3 has it.
func restarted(t *testing.T, f *farSide, _ *Call) *farSide {
	offer := f.offer(&webrtc.OfferOptions{ICERestart: true})
	parsed, err := sdp.ParseFragment(offer)
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]string{"Authorization": "Bearer " + f.token, "Content-Type": typeFragment, "If-Match": "*"}
	resp, body := f.u.request(t, "PATCH", f.location, strings.Replace(parsed.String(), "a=ice-lite\r\n", "", 1), header)
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != typeFragment {
		t.Fatalf("%s: %s", resp.Status, body)
	}
	if tag := resp.Header.Get("ETag"); tag == f.etag || tag == "" {
		t.Errorf("ETag %q after the restart, %q before", tag, f.etag)
	}
	fresh, err := sdp.ParseFragment(body)
	if err != nil || len(fresh.Candidates) == 0 {
		t.Fatalf("answer %q, %v", body, err)
	}
	answer, err := sdp.WithCredentials(f.pc.RemoteDescription().SDP, fresh)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		t.Fatal(err)
	}
	return f
}

// Nobody waits for a listener: the place is for another.
func TestAListenerOfWhomNothingComesIsLetGo(t *testing.T) {
	t.Parallel()
	u := serve(t, impatient)
	call := newCall(t, u, CallOptions{ID: "unheard", Authorize: func(context.Context, string) (string, error) { return "grace", nil }})
	var cable *networkCable
	newFarSideWith(t, u, func(s *webrtc.SettingEngine) { cable = onCable(t, s) }, codec.G722).callAt(call.ListenURL(), "token")
	eventually(t, 5*time.Second, "listening", func() bool { return call.Listeners() == 1 })
	cable.cut.Store(true)
	eventually(t, 10*time.Second, "let go", func() bool {
		call.mu.Lock()
		defer call.mu.Unlock()
		return call.Listeners() == 0 && len(call.listeners) == 0
	})
}
