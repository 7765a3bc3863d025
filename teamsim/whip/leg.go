// SPDX-License-Identifier: Apache-2.0

// Package whip is the far side of a bot's media: it posts a WebRTC offer to the bot's WHIP resource
// (RFC 9725), as Teams' media processor would connect to the endpoint a blob names, and carries audio both ways.
package whip

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/teamsim/jitter"
)

// DefaultMediaTimeout is how long a leg may hear nothing from its peer, neither media nor connectivity checks,
// until it is lost. The real service's time-out is not documented; it is some seconds.
const DefaultMediaTimeout = 5 * time.Second

const (
	keepalive    = 500 * time.Millisecond
	audioLevel   = "urn:ietf:params:rtp-hdrext:ssrc-audio-level" // RFC 6464
	maxAnswer    = 64 << 10
	closeTimeout = 3 * time.Second
)

// Config says where a bot's media is.
type Config struct {
	MPURI string
	Token string
	HTTP  *http.Client
	// MediaTimeout is DefaultMediaTimeout when 0.
	MediaTimeout time.Duration
	Log          logr.Logger
}

// RefusedError is a media endpoint that was reached but did not take the offer.
type RefusedError struct {
	Status int
	Reply  string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the bot's media endpoint answered %d to the offer, want 201: %s", e.Status, e.Reply)
}

// Leg is one WebRTC connection to a bot.
type Leg struct {
	cfg      Config
	pc       *webrtc.PeerConnection
	out      *sendTrack
	in       *receiver
	network  *network
	resource string // of the WHIP session

	restarting sync.Mutex // guards
	etag       string     // of the ICE session

	connected chan struct{}
	lost      chan struct{}
	once      sync.Once
	onceLost  sync.Once
	closing   sync.Once
}

// Dial offers audio to the bot. It returns when the bot has answered; media may flow once Connected is closed.
func Dial(ctx context.Context, cfg Config) (*Leg, error) {
	if cfg.MediaTimeout == 0 {
		cfg.MediaTimeout = DefaultMediaTimeout
	}
	network, err := newNetwork()
	if err != nil {
		return nil, fmt.Errorf("list the network interfaces: %w", err)
	}
	api, err := newAPI(cfg.MediaTimeout, network)
	if err != nil {
		return nil, err
	}
	pc, err := api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, fmt.Errorf("make peer connection: %w", err)
	}
	l := &Leg{cfg: cfg, pc: pc, network: network, out: &sendTrack{}, in: &receiver{}, connected: make(chan struct{}), lost: make(chan struct{})}
	l.in.buffer = jitter.New(l.in.decode)
	pc.OnTrack(func(track *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
		go readRTCP(r)
		l.in.read(track)
	})
	pc.OnConnectionStateChange(l.stateChanged)
	if err := l.negotiate(ctx); err != nil {
		_ = pc.Close()
		return nil, err
	}
	return l, nil
}

// readRTCP lets the interceptors see the bot's reports, which they do only while somebody reads; without them the bot
// would never learn the round trip. It ends with the connection.
func readRTCP(from interface {
	Read([]byte) (int, interceptor.Attributes, error)
}) {
	buffer := make([]byte, 1500)
	for {
		if _, _, err := from.Read(buffer); err != nil {
			return
		}
	}
}

func newAPI(timeout time.Duration, network *network) (*webrtc.API, error) {
	media := &webrtc.MediaEngine{}
	for _, c := range codec.Supported() {
		err := media.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: c.MimeType, ClockRate: c.ClockRate, Channels: 0},
			PayloadType:        webrtc.PayloadType(c.PayloadType),
		}, webrtc.RTPCodecTypeAudio)
		if err != nil {
			return nil, fmt.Errorf("register %s: %w", c.Name, err)
		}
	}
	for _, k := range keyEvents {
		if err := media.RegisterCodec(k, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("register telephone events: %w", err)
		}
	}
	if err := media.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: audioLevel}, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register audio level: %w", err)
	}
	// Sender and receiver reports, from which the bot learns loss and round trip; audio needs nothing else.
	registry := &interceptor.Registry{}
	senderReports, err := report.NewSenderInterceptor()
	if err != nil {
		return nil, err
	}
	receiverReports, err := report.NewReceiverInterceptor()
	if err != nil {
		return nil, err
	}
	registry.Add(senderReports)
	registry.Add(receiverReports)

	// No mux: every leg has sockets of its own, as every real caller has.
	var settings webrtc.SettingEngine
	settings.SetNet(network)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetICETimeouts(timeout/2, timeout/2, min(keepalive, timeout/5))
	settings.SetIPFilter(func(ip net.IP) bool { return !ip.IsLinkLocalUnicast() })
	return webrtc.NewAPI(webrtc.WithMediaEngine(media), webrtc.WithInterceptorRegistry(registry), webrtc.WithSettingEngine(settings)), nil
}

// offer makes the local description, with all candidates.
func (l *Leg) offer(ctx context.Context, options *webrtc.OfferOptions) error {
	offer, err := l.pc.CreateOffer(options)
	if err != nil {
		return fmt.Errorf("make offer: %w", err)
	}
	gathered := webrtc.GatheringCompletePromise(l.pc)
	if err := l.pc.SetLocalDescription(offer); err != nil {
		return fmt.Errorf("set offer: %w", err)
	}
	select {
	case <-gathered:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (l *Leg) negotiate(ctx context.Context) error {
	audio, err := l.pc.AddTransceiverFromTrack(l.out, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendrecv})
	if err != nil {
		return fmt.Errorf("add audio: %w", err)
	}
	go readRTCP(audio.Sender())
	if err := l.offer(ctx, nil); err != nil {
		return err
	}
	answer, err := l.post(ctx, l.pc.LocalDescription().SDP)
	if err != nil {
		return err
	}
	if err := l.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		l.delete()
		return fmt.Errorf("the bot's answer cannot be used: %w", err)
	}
	return nil
}

// post sends the offer and checks the reply against RFC 9725 section 4.2.
func (l *Leg) post(ctx context.Context, offer string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.cfg.MPURI, bytes.NewReader([]byte(offer)))
	if err != nil {
		return "", fmt.Errorf("mpUri: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+l.cfg.Token)
	req.Header.Set("Content-Type", "application/sdp")
	req.Header.Set("Accept", "application/sdp")
	resp, err := l.cfg.HTTP.Do(req)
	if err != nil {
		return "", fmt.Errorf("cannot reach the bot's media endpoint: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return "", &RefusedError{Status: resp.StatusCode, Reply: string(body[:min(len(body), 200)])}
	}
	if t, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); t != "application/sdp" {
		return "", fmt.Errorf("the bot's media endpoint answered with content type %q, want application/sdp", t)
	}
	location, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || resp.Header.Get("Location") == "" {
		return "", fmt.Errorf("the bot's media endpoint gave no usable Location for the session")
	}
	l.resource, l.etag = req.URL.ResolveReference(location).String(), resp.Header.Get("ETag")
	return string(body), nil
}

func (l *Leg) stateChanged(state webrtc.PeerConnectionState) {
	l.cfg.Log.V(1).Info("media connection", "state", state.String())
	switch state {
	case webrtc.PeerConnectionStateConnected:
		l.once.Do(func() { close(l.connected) })
	case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
		l.onceLost.Do(func() { close(l.lost) })
	}
}

// Connected is closed once ICE and DTLS have succeeded.
func (l *Leg) Connected() <-chan struct{} { return l.connected }

// Lost is closed when the peer has gone: it closed DTLS, or was not heard of for the media timeout. It is
// closed after Close, too.
func (l *Leg) Lost() <-chan struct{} { return l.lost }

// ReadFrame takes the audio that is due from the bot now, and reports false for silence.
func (l *Leg) ReadFrame(frame *[audio.FrameSamples]int16) bool { return l.in.buffer.Pop(frame) }

// WriteFrame sends 20 ms of audio to the bot. Before the connection stands it does nothing.
func (l *Leg) WriteFrame(frame *[audio.FrameSamples]int16) { l.out.write(frame) }

// Close ends the WHIP session with a DELETE, best effort, and the connection.
func (l *Leg) Close() {
	l.closing.Do(func() {
		l.delete()
		_ = l.pc.Close()
		l.onceLost.Do(func() { close(l.lost) })
	})
}

func (l *Leg) delete() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, l.resource, nil)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+l.cfg.Token)
	resp, err := l.cfg.HTTP.Do(req)
	if err != nil {
		l.cfg.Log.V(1).Info("cannot end the WHIP session", "error", strings.ReplaceAll(err.Error(), l.resource, "…"))
		return
	}
	_ = resp.Body.Close()
}

// Stats is a snapshot of a leg.
type Stats struct {
	Connected                       bool
	Lost                            bool
	Codec                           string // what we send
	PacketsSent, PacketsReceived    uint64
	FramesLost, PacketsLate         uint64
	LastReceived                    time.Time
	ReceivedDBov                    float64 // level of the last packet decoded
	LevelExtensionSent, LevelsHeard bool    // RFC 6464 as negotiated, and seen from the bot
}

// Stats may be called at any time.
func (l *Leg) Stats() Stats {
	s := Stats{Connected: closed(l.connected), Lost: closed(l.lost)}
	l.out.stats(&s)
	l.in.stats(&s)
	return s
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
