// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"fmt"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
)

// api is set up per session, because the public address may have changed and
// because it holds what was negotiated.
func (b *backend) api(p *peer, video, tcp, client bool) (*webrtc.API, error) {
	s := webrtc.SettingEngine{LoggerFactory: b.logs, BufferFactory: p.buffer}
	s.SetICEUDPMux(sessionMux{b.mux, p})
	s.SetNet(b.net)
	// The pod's address is public, or mapped one to one, and known: ICE-lite (RFC
	// 8445 section 2.5) is made for that. It also never sends to an address because
	// an offer names it.
	s.SetLite(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	networks := []webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6}
	if tcp {
		networks = append(networks, webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6)
		s.SetICETCPMux(b.tcp)
	}
	s.SetNetworkTypes(networks)
	s.DisableActiveTCP(true)
	// The socket is bound to the pod's one address. If that is a loopback address,
	// as on a development cluster, it is the one to announce.
	s.SetIncludeLoopbackCandidate(true)
	patience := b.cfg.Patience
	s.SetICETimeouts(patience.Disconnected, patience.Failed, patience.Keepalive)
	// AES-GCM first: it is the cheaper and the newer (RFC 7714).
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	if !client {
		if err := s.SetAnsweringDTLSRole(webrtc.DTLSRoleServer); err != nil {
			return nil, fmt.Errorf("choosing the role in DTLS: %w", err)
		}
		// Only who has passed a check of ICE is heard, so that a cookie, which takes a round trip, would prove nothing new
		// (RFC 6347 section 4.2.1 has it against forged addresses).
		s.SetDTLSInsecureSkipHelloVerify(true)
		s.SetDTLSServerHelloMessageHook(p.keys.hello)
		s.SetDTLSKeyLogWriter(&p.keys)
	}
	// Without this a stream whose first packet has an unknown payload type, a key
	// pressed early, would never be delivered.
	s.SetFireOnTrackBeforeFirstRTP(true)

	bound, public := b.cfg.Addr.Addr(), b.cfg.PublicIP()
	if public != bound {
		if err := s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External:        []string{public.String()},
			Local:           bound.String(),
			AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode:            webrtc.ICEAddressRewriteReplace,
		}); err != nil {
			return nil, fmt.Errorf("announcing the public address: %w", err)
		}
	}

	m := &webrtc.MediaEngine{}
	for _, c := range append(b.audio(), telephoneEvents...) {
		if err := m.RegisterCodec(c, webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("registering %s: %w", c.MimeType, err)
		}
	}
	registry := &interceptor.Registry{}
	if video {
		if err := addVideo(m, registry); err != nil {
			return nil, err
		}
	}
	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(registry)), nil
}

// audio are the codecs as pion names them.
func (b *backend) audio() []webrtc.RTPCodecParameters {
	var all []webrtc.RTPCodecParameters
	for _, c := range b.cfg.Audio {
		all = append(all, codecParameters(c))
	}
	return all
}

func codecParameters(c codec.Codec) webrtc.RTPCodecParameters {
	channels := c.Channels
	if channels == 1 { // as pion has it of those that say nothing
		channels = 0
	}
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: c.MimeType, ClockRate: c.ClockRate, Channels: channels},
		PayloadType:        webrtc.PayloadType(c.PayloadType),
	}
}

// telephoneEvents are keys that are pressed (RFC 4733), in the clock of either kind of codec.
var telephoneEvents = []webrtc.RTPCodecParameters{
	{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 8000}, PayloadType: 126},
	{RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: "audio/telephone-event", ClockRate: 48000}, PayloadType: 110},
}

// videoCodecs are those of RFC 7742: VP8, and H.264 in the profiles that browsers offer.
var videoCodecs = func() []webrtc.RTPCodecParameters {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	video := func(mime, parameters string, pt webrtc.PayloadType) webrtc.RTPCodecParameters {
		return webrtc.RTPCodecParameters{
			RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 90000, SDPFmtpLine: parameters, RTCPFeedback: feedback},
			PayloadType:        pt,
		}
	}
	h264 := func(profile string) string {
		return "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=" + profile
	}
	return []webrtc.RTPCodecParameters{
		video(webrtc.MimeTypeH264, h264("42e01f"), 102),
		video(webrtc.MimeTypeH264, h264("42001f"), 103),
		video(webrtc.MimeTypeH264, h264("4d001f"), 104),
		video(webrtc.MimeTypeH264, h264("64001f"), 105),
		video(webrtc.MimeTypeVP8, "", 96),
	}
}()

// addVideo adds the codecs, and what repairs a picture.
func addVideo(m *webrtc.MediaEngine, registry *interceptor.Registry) error {
	for _, c := range videoCodecs {
		if err := m.RegisterCodec(c, webrtc.RTPCodecTypeVideo); err != nil {
			return fmt.Errorf("registering %s: %w", c.MimeType, err)
		}
	}
	// Bundled sections share a transport; a stream that no offer declares is told apart by this (RFC 8843 section 9.2).
	for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeAudio, webrtc.RTPCodecTypeVideo} {
		if err := m.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: sdp.SDESMidURI}, kind); err != nil {
			return fmt.Errorf("registering the mid extension: %w", err)
		}
	}
	generator, err := nack.NewGeneratorInterceptor()
	if err != nil {
		return fmt.Errorf("asking for lost packets again: %w", err)
	}
	responder, err := nack.NewResponderInterceptor()
	if err != nil {
		return fmt.Errorf("sending lost packets again: %w", err)
	}
	registry.Add(responder)
	registry.Add(generator)
	return nil
}
