// SPDX-License-Identifier: Apache-2.0

package media

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
)

// webRTC makes transports of pion/webrtc, all on one UDP port.
type webRTC struct {
	engine      *Engine
	mux         ice.UDPMux
	certificate webrtc.Certificate
	logs        pionLogs
}

func newWebRTC(e *Engine) (dial, error) {
	certificate, err := dtlsCertificate()
	if err != nil {
		return nil, fmt.Errorf("making the DTLS certificate: %w", err)
	}
	logs := pionLogs{e.log.WithName("webrtc")}
	w := &webRTC{
		engine: e, certificate: certificate, logs: logs,
		mux: ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: muxSocket{e.sockets.udp, e.log}, Logger: logs.NewLogger("mux")}),
	}
	return w.dial, nil
}

// dtlsCertificate is made once and shared by all calls: the far side knows it by
// its fingerprint in the answer (RFC 8122), so it certifies nothing, and a key of
// its own for each call would cost time and add nothing. It outlives the process.
func dtlsCertificate() (webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return webrtc.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return webrtc.Certificate{}, err
	}
	now := time.Now()
	certificate, err := webrtc.NewCertificate(key, x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "WebRTC"},
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.AddDate(10, 0, 0),
	})
	if err != nil {
		return webrtc.Certificate{}, err
	}
	return *certificate, nil
}

// api is set up per session, because the public address may have changed and
// because it holds what was negotiated.
func (w *webRTC) api() (*webrtc.API, error) {
	s := webrtc.SettingEngine{LoggerFactory: w.logs}
	s.SetICEUDPMux(w.mux)
	// The pod's address is public, or mapped one to one, and known: ICE-lite (RFC
	// 8445 section 2.5) is made for that. It also never sends to an address because
	// an offer names it.
	s.SetLite(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	// The socket is bound to the pod's one address. If that is a loopback address,
	// as on a development cluster, it is the one to announce.
	s.SetIncludeLoopbackCandidate(true)
	p := w.engine.cfg.patience
	s.SetICETimeouts(p.disconnected, p.failed, p.keepalive)
	// AES-GCM first: it is the cheaper and the newer (RFC 7714).
	s.SetSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80)
	// Without this a stream whose first packet has an unknown payload type, a key
	// pressed early, would never be delivered.
	s.SetFireOnTrackBeforeFirstRTP(true)

	bound, pub := w.engine.sockets.addr.Addr(), w.engine.public.Load()
	if pub.ip != bound {
		if err := s.SetICEAddressRewriteRules(webrtc.ICEAddressRewriteRule{
			External:        []string{pub.ip.String()},
			Local:           bound.String(),
			AsCandidateType: webrtc.ICECandidateTypeHost,
			Mode:            webrtc.ICEAddressRewriteReplace,
		}); err != nil {
			return nil, fmt.Errorf("announcing the public address: %w", err)
		}
	}

	m := &webrtc.MediaEngine{}
	for _, c := range codec.Supported() {
		if err := m.RegisterCodec(codecParameters(c), webrtc.RTPCodecTypeAudio); err != nil {
			return nil, fmt.Errorf("registering %s: %w", c.Name, err)
		}
	}

	// Sender and receiver reports are all that audio needs.
	reports := &interceptor.Registry{}
	receiver, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(w.logs))
	if err != nil {
		return nil, err
	}
	sender, err := report.NewSenderInterceptor(report.WithSenderLoggerFactory(w.logs))
	if err != nil {
		return nil, err
	}
	reports.Add(receiver)
	reports.Add(sender)

	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(reports)), nil
}

func codecParameters(c codec.Codec) webrtc.RTPCodecParameters {
	return webrtc.RTPCodecParameters{
		RTPCodecCapability: webrtc.RTPCodecCapability{MimeType: c.MimeType, ClockRate: c.ClockRate},
		PayloadType:        webrtc.PayloadType(c.PayloadType),
	}
}
