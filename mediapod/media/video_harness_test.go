// SPDX-License-Identifier: Apache-2.0

package media

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/transport"
	"github.com/callfleet/callfleet/mediapod/media/video"
)

// cable is a transport that keeps what is sent, and carries nothing.
type cable struct {
	mu    sync.Mutex
	sent  map[int][]transport.Packet
	asked map[int]int // for key frames, by section
	keep  bool
}

func (*cable) Answer(context.Context, string) (string, error) { return "", nil }
func (*cable) Trickle(sdp.Fragment) error                     { return nil }
func (*cable) Close()                                         {}
func (*cable) Restart(context.Context, sdp.Fragment) (sdp.Fragment, error) {
	return sdp.Fragment{}, nil
}

func (w *cable) Send(track int, p *transport.Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.keep {
		kept := *p
		kept.Payload = bytes.Clone(p.Payload)
		w.sent[track] = append(w.sent[track], kept)
	}
	return nil
}

func (w *cable) WantKeyFrame(track int, _ uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked[track]++
}

func newCable() *cable {
	return &cable{sent: map[int][]transport.Packet{}, asked: map[int]int{}, keep: true}
}

// frames puts together what was sent in a section.
func (w *cable) frames(t testing.TB, track int, c video.Codec) (all []video.Frame) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	a := video.NewAssembler(c, func(f *video.Frame) {
		kept := *f
		kept.Data = bytes.Clone(f.Data)
		all = append(all, kept)
	})
	for i := range w.sent[track] {
		p := &w.sent[track][i]
		if i > 0 && p.Sequence != w.sent[track][i-1].Sequence+1 {
			t.Errorf("section %d, packet %d: sequence %d follows %d", track, i, p.Sequence, w.sent[track][i-1].Sequence)
		}
		a.Push(p, time.Unix(0, 0))
	}
	return all
}

// staged is a call whose far side is a cable, and whose time is the test's.
type staged struct {
	*Call
	t        testing.TB
	registry *prometheus.Registry
	s        *session
	w        *cable
	now      time.Time
	sequence map[int]uint16
}

// description of a far side's answered offer: an audio section, and video sections as given, "" for one that is like any
// browser's.
func description(sections ...string) string {
	b := "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\na=msid:s0 a\r\n"
	for i, s := range sections {
		if s == "" {
			s = "a=sendrecv\r\n"
		}
		b += "m=video 9 UDP/TLS/RTP/SAVPF 96 102 105\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:102 H264/90000\r\na=rtpmap:105 H264/90000\r\n" +
			"a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\na=fmtp:105 packetization-mode=1;profile-level-id=64001f\r\n" +
			fmt.Sprintf("a=msid:s%d v\r\n", i) + s
	}
	return b
}

var payloadTypes = map[video.Codec]uint8{video.VP8: 96, video.H264: 102}

func stage(t testing.TB, behavior Behavior, sections ...string) *staged {
	t.Helper()
	g := &staged{t: t, registry: prometheus.NewRegistry(), now: time.Now(), sequence: map[int]uint16{}}
	e, err := New(Config{
		BindAddr:       netip.MustParseAddr("127.0.0.1"),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil },
		Log:            logr.Discard(), Registerer: g.registry,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	if g.Call, err = e.NewCall(CallOptions{ID: "staged", Behavior: behavior}); err != nil {
		t.Fatal(err)
	}
	g.connect(sections...)
	return g
}

func agree(t testing.TB, description string) *agreement {
	t.Helper()
	sections, err := read(description, codec.Supported())
	if err != nil {
		t.Fatal(err)
	}
	return &agreement{main: first(sections), sections: sections}
}

// connect has a far side come.
func (g *staged) connect(sections ...string) {
	g.s, g.w = &session{connection: newConnection(g.Call)}, newCable()
	g.s.transport = g.w
	g.s.agreed.Store(agree(g.t, description(sections...)))
	g.mu.Lock()
	g.session = g.s
	g.mu.Unlock()
	g.vision.agree(g.s.agreed.Load())
	g.s.Connected()
}

// listener has somebody listen in.
func (g *staged) listener(sections ...string) (*listener, *cable) {
	l, w := &listener{connection: newConnection(g.Call), who: "grace"}, newCable()
	l.transport = w
	l.agreed.Store(agree(g.t, description(sections...)))
	g.mu.Lock()
	g.listeners[l.id] = l
	g.mu.Unlock()
	l.Connected()
	return l, w
}

// feed is what a far side sends in a section.
type feed struct {
	track  int // the section's number
	ssrc   uint32
	source uint32
	codec  video.Codec
}

func raw(s feed, sequence uint16, timestamp uint32, marker bool, payload []byte) []byte {
	be := binary.BigEndian
	b := []byte{0x80, payloadTypes[s.codec]}
	if s.source != 0 {
		b[0] |= 1
	}
	if marker {
		b[1] |= 0x80
	}
	b = be.AppendUint32(be.AppendUint32(be.AppendUint16(b, sequence), timestamp), s.ssrc)
	if s.source != 0 {
		b = be.AppendUint32(b, s.source)
	}
	return append(b, payload...)
}

// send sends frames at their times, but for the packets to lose, counted from the first one's.
func (g *staged) send(s feed, frames []video.ClipFrame, lose ...int) {
	n := 0
	for i, f := range frames {
		if i > 0 {
			g.now = g.now.Add(f.At - frames[i-1].At)
		}
		var z video.Packetizer
		z.Begin(s.codec, f.Data)
		for last := false; !last; n++ {
			var payload []byte
			payload, last = z.Next(nil)
			lost := false
			for _, l := range lose {
				lost = lost || l == n
			}
			if !lost {
				g.s.Receive(s.track, raw(s, g.sequence[s.track], uint32(f.At.Seconds()*video.ClockRate), last, payload), g.now)
			}
			g.sequence[s.track]++
		}
	}
	g.now = g.now.Add(time.Second / 15)
}

// run ticks the clock.
func (g *staged) run(d time.Duration) {
	for end := g.now.Add(d); g.now.Before(end); g.now = g.now.Add(20 * time.Millisecond) {
		g.vision.tick(g.now)
	}
}

// testClip is two seconds at 15 frames a second of 178 by 100 pixels, a key frame every ten.
func testClip(t testing.TB, c video.Codec) *video.Clip {
	t.Helper()
	f, err := os.Open("../recording/matroska/testdata/testsrc." + map[video.Codec]string{video.VP8: "ivf", video.H264: "h264"}[c])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	clip, err := video.ReadClip(f, 0)
	if err != nil {
		t.Fatal(err)
	}
	return clip
}

// numbers are which of the clip's frames were seen, told by their pictures alone: access units may lack delimiters.
func numbers(t testing.TB, clip *video.Clip, frames []video.Frame) (all []int) {
	t.Helper()
	tail := func(b []byte) string { return string(b[max(len(b)-40, 0):]) }
	for _, f := range frames {
		found := -1
		for i, x := range clip.Frames {
			if tail(x.Data) == tail(f.Data) && x.Key == f.Key {
				found = i
			}
		}
		if found < 0 {
			t.Errorf("a frame of %d bytes is none of the clip's", len(f.Data))
		}
		all = append(all, found)
	}
	return all
}

func span(from, to int) (s []int) {
	for ; from < to; from++ {
		s = append(s, from)
	}
	return s
}

// audience keeps the frames it is given.
type audience struct{ seen []VideoFrame }

func (a *audience) VideoFrame(f *VideoFrame) {
	kept := *f
	kept.Data = bytes.Clone(f.Data)
	a.seen = append(a.seen, kept)
}

func (a *audience) of(track int) (frames []video.Frame) {
	for _, f := range a.seen {
		if f.Track == track {
			frames = append(frames, f.Frame)
		}
	}
	return frames
}

func forVideoCodecs(t *testing.T, do func(t *testing.T, c video.Codec, clip *video.Clip)) {
	for _, c := range []video.Codec{video.VP8, video.H264} {
		t.Run(strings.ToLower(string(c)), func(t *testing.T) { do(t, c, testClip(t, c)) })
	}
}
