// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// counter is a sink that counts what it is given.
type counter struct {
	transport.Sink
	received atomic.Int64
	stands   chan struct{}
}

func (c *counter) Receive(int, []byte, time.Time)                { c.received.Add(1) }
func (c *counter) Reception(int) (r transport.Reception, _ bool) { return r, false }
func (c *counter) Connected()                                    { close(c.stands) }
func (c *counter) Gone(string)                                   {}

// listening is a backend with ports of its own.
func listening(t *testing.T) *backend {
	t.Helper()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := udp.LocalAddr().(*net.UDPAddr).AddrPort()
	b, err := New(Config{
		UDP: udp, TCP: tcp, Addr: addr, PublicIP: func() netip.Addr { return addr.Addr() }, Audio: []codec.Codec{codec.PCMU},
		Patience: Patience{Disconnected: time.Hour, Failed: time.Hour, Keepalive: time.Second}, Log: logr.Discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b.(*backend)
}

// peerOfPion is a far side with a track to speak on.
func peerOfPion(t *testing.T) (*webrtc.PeerConnection, *webrtc.TrackLocalStaticRTP) {
	t.Helper()
	s := webrtc.SettingEngine{LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}}
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	m := &webrtc.MediaEngine{}
	if err := m.RegisterCodec(codecParameters(codec.PCMU), webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = pc.Close() })
	track, err := webrtc.NewTrackLocalStaticRTP(codecParameters(codec.PCMU).RTPCodecCapability, "voice", "person")
	if err == nil {
		_, err = pc.AddTrack(track)
	}
	if err != nil {
		t.Fatal(err)
	}
	return pc, track
}

// The shortcut is open with whoever lets us be DTLS's server, which is everybody but those who insist on it.
func TestTheShortcutIsOpen(t *testing.T) {
	for setup, open := range map[string]bool{"actpass": true, "passive": false} {
		t.Run(setup, func(t *testing.T) {
			sink := &counter{stands: make(chan struct{})}
			session, err := listening(t).Open(sink)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			pc, track := peerOfPion(t)
			offer, err := pc.CreateOffer(nil)
			if err != nil {
				t.Fatal(err)
			}
			gathered := webrtc.GatheringCompletePromise(pc)
			if err := pc.SetLocalDescription(offer); err != nil {
				t.Fatal(err)
			}
			<-gathered
			sdp := strings.ReplaceAll(pc.LocalDescription().SDP, "a=setup:actpass", "a=setup:"+setup)
			answer, err := session.Answer(context.Background(), sdp)
			if err != nil {
				t.Fatal(err)
			}
			if err := pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
				t.Fatal(err)
			}
			<-sink.stands
			// What is said before the far side's own end stands is not sent; what comes before ours does is delivered when it does.
			const some = maxEarly + 40
			for i := uint16(0); sink.received.Load() < some; i++ {
				if err := track.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: i}, Payload: []byte("sound")}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond)
			}
			p := session.(*peer)
			p.receiving.Lock()
			defer p.receiving.Unlock()
			if got := p.short.open.Load(); got != open {
				t.Errorf("open %v, want %v", got, open)
			} else if open && p.short.tracks[0].last-p.short.tracks[0].first < 20 {
				t.Errorf("what came by the shortcut is %+v, of %d packets", p.short.tracks[0], sink.received.Load())
			}
		})
	}
}
