// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/mediapod/media/sdp"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// peer is the session over a pion PeerConnection.
type peer struct {
	backend *backend
	sink    transport.Sink
	readers sync.WaitGroup

	// Set by Answer, and not changed any more.
	pc     *webrtc.PeerConnection
	tracks []*track // by the number of their section
	mids   []string
	remote map[uint32]int
	local  map[uint32]int
	only   bool // there is one section: what no offer declares is of it

	// receiving keeps streams of a far side from overlapping. Audio comes in one goroutine, so it is never waited for.
	receiving sync.Mutex
	early     []early // what came before the session was ready; guarded by receiving
	started   bool    // the session is ready; guarded by receiving

	keys  keys
	short shortcut

	parts atomic.Int32 // of getting ready that are still to come

	following   sync.Mutex // guards
	followed    webrtc.PeerConnectionState
	reached     bool // ICE and DTLS stood once
	interrupted bool

	mu     sync.Mutex // negotiation
	offer  string
	closed bool

	due     time.Time  // of our next report; guarded by the backend's mutex
	hearing sync.Mutex // guards
	senders map[uint32]senderReport
}

// Answer implements transport.Session.
func (p *peer) Answer(ctx context.Context, offer string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return "", errClosed
	}
	sections, err := sdp.Parse(offer)
	if err != nil {
		return "", err
	}
	if err := p.dial(sections, offer); err != nil {
		return "", err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", sdp.ErrMalformed, err)
	}
	if err := p.addTracks(sections); err != nil {
		return "", err
	}
	answer, err := p.answer(ctx)
	if err != nil {
		return "", err
	}
	p.offer = offer
	p.backend.watch(p)
	return answer, nil
}

// dial makes the connection, knowing what is offered.
func (p *peer) dial(sections []sdp.Section, offer string) error {
	p.remote, p.local, p.senders = map[uint32]int{}, map[uint32]int{}, map[uint32]senderReport{}
	p.only = len(sections) == 1
	video := false
	for i, s := range sections {
		p.tracks, p.mids = append(p.tracks, &track{kind: s.Kind, id: s.Kind + strconv.Itoa(i)}), append(p.mids, s.MID)
		video = video || s.Kind == kindVideo
		for _, ssrc := range s.Sources {
			p.remote[ssrc] = i
		}
	}
	api, err := p.backend.api(p, video, mayNeedTCP(offer), wantsToServe(offer))
	if err != nil {
		return err
	}
	p.pc, err = api.NewPeerConnection(webrtc.Configuration{
		Certificates: []webrtc.Certificate{p.backend.certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
	if err != nil {
		return fmt.Errorf("making a peer connection: %w", err)
	}
	p.pc.OnTrack(p.read)
	p.parts.Store(1)
	p.pc.OnConnectionStateChange(func(webrtc.PeerConnectionState) { p.follow() })
	return nil
}

// follow tells the sink what became of the connection. pion tells each state in a goroutine of its own, so they may come in
// any order; what is told is how it stands now.
func (p *peer) follow() {
	p.following.Lock()
	defer p.following.Unlock()
	state := p.pc.ConnectionState()
	if state == p.followed {
		return
	}
	p.followed = state
	switch state {
	case webrtc.PeerConnectionStateConnected:
		switch {
		case !p.reached:
			p.reached = true
			p.progress()
		case p.interrupted:
			p.interrupted = false
			p.sink.Resumed()
		}
	case webrtc.PeerConnectionStateDisconnected, webrtc.PeerConnectionStateFailed:
		switch {
		case !p.reached && state == webrtc.PeerConnectionStateFailed:
			p.sink.Gone("it was answered and has not come")
		case p.reached && !p.interrupted:
			p.interrupted = true
			p.sink.Interrupted()
		}
	case webrtc.PeerConnectionStateClosed:
		p.sink.Gone("it closed the connection")
	}
}

// addTracks adds what we send: one audio track, in the first section of that kind, and one in each of video.
func (p *peer) addTracks(sections []sdp.Section) error {
	speaks := false
	for i, s := range sections {
		if s.Off || s.Kind != kindVideo && (s.Kind != kindAudio || speaks) {
			continue
		}
		speaks = speaks || s.Kind == kindAudio
		// pion gives a track to the first section of its kind that has none yet, and sections are in order.
		sender, err := p.pc.AddTrack(p.tracks[i])
		if err != nil {
			return fmt.Errorf("adding the outgoing track of section %d: %w", i, err)
		}
		for _, e := range sender.GetParameters().Encodings {
			p.local[uint32(e.SSRC)] = i
		}
		if s.Kind == kindVideo {
			p.readers.Go(func() { p.readReports(sender.Read, i) })
		} else if s.Direction != "sendonly" && s.Direction != "inactive" {
			p.parts.Add(1)
			p.readers.Go(func() { p.await(sender) })
		}
	}
	return p.prefer()
}

// prefer orders the audio codecs of the answer as we like them, whatever the offer prefers.
func (p *peer) prefer() error {
	for _, t := range p.pc.GetTransceivers() {
		if t.Kind() != webrtc.RTPCodecTypeAudio {
			continue
		}
		offered := t.Receiver().GetParameters().Codecs
		var preferred []webrtc.RTPCodecParameters
		for _, ours := range append(p.backend.audio(), telephoneEvents...) {
			for _, theirs := range offered {
				if strings.EqualFold(theirs.MimeType, ours.MimeType) && theirs.ClockRate == ours.ClockRate {
					preferred = append(preferred, theirs)
				}
			}
		}
		if len(preferred) == 0 {
			continue // which the answer says
		}
		if err := t.SetCodecPreferences(preferred); err != nil {
			return fmt.Errorf("ordering codecs: %w", err)
		}
	}
	return nil
}

// answer gathers the candidates of an answer.
func (p *peer) answer(ctx context.Context) (string, error) {
	answer, err := p.pc.CreateAnswer(nil)
	if errors.Is(err, webrtc.ErrSenderWithNoCodecs) {
		return "", fmt.Errorf("%w: it has no codec in one of its sections that the bot speaks", transport.ErrUnacceptable)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", sdp.ErrMalformed, err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("%w: %w", sdp.ErrMalformed, err)
	}
	select {
	case <-gathered:
		return p.pc.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", fmt.Errorf("gathering candidates: %w", ctx.Err())
	}
}

// Trickle implements transport.Session.
func (p *peer) Trickle(f sdp.Fragment) error {
	for _, c := range f.Candidates {
		// Candidates of kinds that are of no use here are passed over.
		if err := p.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c}); err != nil {
			return fmt.Errorf("%w: a candidate: %w", sdp.ErrMalformed, err)
		}
	}
	return nil
}

// Restart gives pion the offer again with the far side's new credentials, which is
// how it knows that ICE restarts.
func (p *peer) Restart(ctx context.Context, f sdp.Fragment) (sdp.Fragment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offer, err := sdp.WithCredentials(p.offer, f)
	if err != nil {
		return sdp.Fragment{}, err
	}
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return sdp.Fragment{}, fmt.Errorf("%w: %w", sdp.ErrMalformed, err)
	}
	answer, err := p.answer(ctx)
	if err != nil {
		return sdp.Fragment{}, fmt.Errorf("restarting ICE: %w", err)
	}
	p.offer = offer
	return sdp.ParseFragment(answer)
}

// read reads a stream that does not come through a tap.
func (p *peer) read(remote *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
	i, ok := p.section(receiver)
	if !ok || p.tapped(uint32(remote.SSRC()), i) {
		return
	}
	p.readers.Go(func() { p.readReports(receiver.Read, i) })
	p.readers.Go(func() { p.readTrack(remote, i) })
}

// section is the number of the section that a stream is of.
func (p *peer) section(receiver *webrtc.RTPReceiver) (int, bool) {
	if p.only {
		return 0, true
	}
	for _, t := range p.pc.GetTransceivers() {
		if t.Receiver() == receiver {
			i := slices.Index(p.mids, t.Mid())
			return i, i >= 0
		}
	}
	return 0, false
}

// readTrack delivers what comes in until the stream ends.
func (p *peer) readTrack(remote *webrtc.TrackRemote, i int) {
	buf := make([]byte, maxPacket)
	for {
		n, _, err := remote.Read(buf)
		if err != nil {
			// A payload type that was not negotiated is no end: it may come among others.
			if errors.Is(err, webrtc.ErrCodecNotFound) {
				continue
			}
			return
		}
		p.deliver(i, buf[:n])
	}
}

func (p *peer) deliver(i int, raw []byte) {
	p.receiving.Lock()
	defer p.receiving.Unlock()
	p.deliverLocked(i, raw)
}

func (p *peer) deliverLocked(i int, raw []byte) {
	now := time.Now()
	switch {
	case p.started:
		p.sink.Receive(i, raw, now)
	case len(p.early) < maxEarly:
		p.early = append(p.early, early{i, slices.Clone(raw), now})
	}
}

// Send implements transport.Session.
func (p *peer) Send(i int, out *transport.Packet) error {
	if i >= len(p.tracks) {
		return errNotBound
	}
	return p.tracks[i].send(out)
}

// WantKeyFrame implements transport.Session.
func (p *peer) WantKeyFrame(_ int, ssrc uint32) {
	_ = p.pc.WriteRTCP([]rtcp.Packet{&rtcp.PictureLossIndication{MediaSSRC: ssrc}})
}

// Close implements transport.Session.
func (p *peer) Close() {
	p.mu.Lock()
	p.closed = true
	pc := p.pc
	p.mu.Unlock()
	p.backend.forget(p)
	if pc != nil {
		_ = pc.GracefulClose()
	}
	p.closeShortcut()
	p.readers.Wait()
}

// early is a packet that came before an answer to it could be sent.
type early struct {
	track int
	raw   []byte
	at    time.Time
}

// maxEarly is a second and a quarter of audio.
const maxEarly = 64

// await waits until what is sent goes out: pion says that it is connected before that, and drops until then what it is
// given. Its RTCP reader waits for the same; what it would read a tap takes.
func (p *peer) await(sender *webrtc.RTPSender) {
	_, _, _ = sender.Read(make([]byte, maxPacket))
	p.mu.Lock()
	closed := p.closed
	p.mu.Unlock()
	if !closed {
		p.progress()
	}
}

// progress counts the parts of getting ready. With the last, the far side is there, and what it said meanwhile is heard.
func (p *peer) progress() {
	if p.parts.Add(-1) != 0 {
		return
	}
	p.sink.Connected()
	p.receiving.Lock()
	defer p.receiving.Unlock()
	p.started = true
	for _, e := range p.early {
		p.sink.Receive(e.track, e.raw, e.at)
	}
	p.early = nil
	p.openShortcutLocked()
}

// maxPacket is above any datagram that comes through an Ethernet.
const maxPacket = 1500

var (
	errNotBound = errors.New("not connected yet")
	errClosed   = errors.New("the session is closed")
)
