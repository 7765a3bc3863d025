// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
)

// peer is the transport over a pion PeerConnection.
type peer struct {
	sink    sink
	pc      *webrtc.PeerConnection
	out     outTrack
	readers sync.WaitGroup

	// receiving keeps two streams of a far side, one of which replaces the other,
	// from overlapping. With one stream it is never waited for.
	receiving sync.Mutex

	mu    sync.Mutex // negotiation
	offer string
}

func (w *webRTC) dial(s sink) (transport, error) {
	api, err := w.api()
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{
		Certificates: []webrtc.Certificate{w.certificate},
		BundlePolicy: webrtc.BundlePolicyMaxBundle,
	})
	if err != nil {
		return nil, fmt.Errorf("making a peer connection: %w", err)
	}
	p := &peer{sink: s, pc: pc}
	if err := p.prepare(); err != nil {
		_ = pc.GracefulClose()
		return nil, err
	}
	return p, nil
}

// prepare sets up what goes out and what is listened to.
func (p *peer) prepare() error {
	transceiver, err := p.pc.AddTransceiverFromTrack(&p.out, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendrecv})
	if err != nil {
		return fmt.Errorf("adding the outgoing track: %w", err)
	}
	// The answer lists codecs in this order. Without payload types here it keeps
	// those of the offer.
	var preferred []webrtc.RTPCodecParameters
	for _, c := range codec.Supported() {
		params := codecParameters(c)
		params.PayloadType = 0
		preferred = append(preferred, params)
	}
	if err := transceiver.SetCodecPreferences(preferred); err != nil {
		return fmt.Errorf("ordering codecs: %w", err)
	}
	p.readers.Go(func() { p.readReports(transceiver.Sender().Read) })
	p.pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		if track.Kind() == webrtc.RTPCodecTypeAudio {
			p.readers.Go(func() { p.readReports(receiver.Read) })
			p.readers.Go(func() { p.readTrack(track) })
		}
	})
	p.pc.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		switch state {
		case webrtc.PeerConnectionStateConnected:
			p.sink.connected()
		case webrtc.PeerConnectionStateFailed:
			p.sink.gone("it has not been heard of for too long")
		case webrtc.PeerConnectionStateClosed:
			p.sink.gone("it closed the connection")
		}
	})
	return nil
}

func (p *peer) answer(ctx context.Context, offer string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, err := p.negotiate(ctx, offer)
	if err != nil {
		return "", err
	}
	p.offer = offer
	return answer, nil
}

// negotiate takes an offer and gathers the candidates of the answer.
func (p *peer) negotiate(ctx context.Context, offer string) (string, error) {
	if err := p.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", fmt.Errorf("%w: %w", errMalformed, err)
	}
	answer, err := p.pc.CreateAnswer(nil)
	if errors.Is(err, webrtc.ErrSenderWithNoCodecs) {
		return "", fmt.Errorf("%w: it has no audio codec that the bot speaks; offer G722, PCMU or PCMA", errUnacceptable)
	}
	if err != nil {
		return "", fmt.Errorf("%w: %w", errMalformed, err)
	}
	gathered := webrtc.GatheringCompletePromise(p.pc)
	if err := p.pc.SetLocalDescription(answer); err != nil {
		return "", fmt.Errorf("%w: %w", errMalformed, err)
	}
	select {
	case <-gathered:
		return p.pc.LocalDescription().SDP, nil
	case <-ctx.Done():
		return "", fmt.Errorf("gathering candidates: %w", ctx.Err())
	}
}

func (p *peer) trickle(f sdpFragment) error {
	for _, c := range f.candidates {
		// Candidates of kinds that are of no use here, TCP for one, are passed over.
		if err := p.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: c}); err != nil {
			return fmt.Errorf("%w: a candidate: %w", errMalformed, err)
		}
	}
	return nil
}

// restart gives pion the offer again with the far side's new credentials, which is
// how it knows that ICE restarts.
func (p *peer) restart(ctx context.Context, f sdpFragment) (sdpFragment, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	offer, err := withCredentials(p.offer, f)
	if err != nil {
		return sdpFragment{}, err
	}
	answer, err := p.negotiate(ctx, offer)
	if err != nil {
		return sdpFragment{}, fmt.Errorf("restarting ICE: %w", err)
	}
	p.offer = offer
	return parseFragment(answer)
}

// readTrack delivers what comes in until the stream ends.
func (p *peer) readTrack(track *webrtc.TrackRemote) {
	buf := make([]byte, 1500)
	for {
		n, _, err := track.Read(buf)
		if err != nil {
			// A payload type that was not negotiated is no end: telephone events come
			// on the same stream.
			if errors.Is(err, webrtc.ErrCodecNotFound) {
				continue
			}
			return
		}
		p.receiving.Lock()
		p.sink.receive(buf[:n], time.Now())
		p.receiving.Unlock()
	}
}

func (p *peer) send(out *packet) error {
	b := p.out.bound.Load()
	if b == nil {
		return errNotBound
	}
	b.header.Marker = out.marker
	b.header.PayloadType = out.payloadType
	b.header.SequenceNumber = out.sequence
	b.header.Timestamp = out.timestamp
	_, err := b.writer.WriteRTP(&b.header, out.payload)
	return err
}

func (p *peer) close() {
	_ = p.pc.GracefulClose()
	p.readers.Wait()
}

var errNotBound = errors.New("not connected yet")

// outTrack is our one stream. pion binds it once codecs are agreed on; then
// packets go to its writer directly.
type outTrack struct{ bound atomic.Pointer[bound] }

type bound struct {
	writer webrtc.TrackLocalWriter
	header rtp.Header
}

// Bind implements webrtc.TrackLocal.
func (t *outTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, ours := range codec.Supported() {
		for _, theirs := range c.CodecParameters() {
			if strings.EqualFold(theirs.MimeType, ours.MimeType) {
				t.bound.Store(&bound{writer: c.WriteStream(), header: rtp.Header{Version: 2, SSRC: uint32(c.SSRC())}})
				return theirs, nil
			}
		}
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// Unbind implements webrtc.TrackLocal.
func (t *outTrack) Unbind(webrtc.TrackLocalContext) error {
	t.bound.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (*outTrack) ID() string { return "audio" }

// RID implements webrtc.TrackLocal.
func (*outTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (*outTrack) StreamID() string { return "bot" }

// Kind implements webrtc.TrackLocal.
func (*outTrack) Kind() webrtc.RTPCodecType { return webrtc.RTPCodecTypeAudio }
