// SPDX-License-Identifier: Apache-2.0

// Package webrtc carries the media engine's packets with pion/webrtc: ICE on one UDP port, DTLS-SRTP, and RTCP.
//
// Audio takes the short way. pion would hand a packet through four buffers and as many goroutines, and count it with
// interceptors of its own; here the packet is decrypted when it was read, and goes to the sink (shortcut.go), or at least
// from within the goroutine that decrypted it (tap.go), and reports are made of what the engine counts anyway (reports.go).
// Video, which needs retransmission, takes pion's way.
package webrtc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// Config is what the backend needs to know.
type Config struct {
	// UDP is the one socket. New takes it over, and Close closes it.
	UDP *net.UDPConn
	// TCP has the connections of far sides that UDP does not reach (RFC 6544), on the port of the same number. New takes it
	// over, and Close closes it.
	TCP net.Listener
	// Addr is where it is bound.
	Addr netip.AddrPort
	// PublicIP is announced in candidates instead of Addr's. It is asked at every offer.
	PublicIP func() netip.Addr
	// Audio are the codecs to agree on, best first.
	Audio []codec.Codec
	// Patience is how long ICE bears silence: keepalives and audio both break it.
	Patience Patience
	Log      logr.Logger
}

// Patience is how long ICE bears silence.
type Patience struct {
	Disconnected time.Duration // until it is noted
	Failed       time.Duration // from there until the far side is given up
	Keepalive    time.Duration // between our own signs of life
}

// backend makes peers.
type backend struct {
	cfg         Config
	mux         *mux
	certificate webrtc.Certificate
	logs        pionLogs
	tcp         *ice.TCPMuxDefault
	net         *oneAddress

	stop    chan struct{}
	reports sync.WaitGroup
	mu      sync.Mutex
	peers   map[*peer]struct{}
}

// New makes a backend.
func New(cfg Config) (transport.Backend, error) {
	certificate, err := dtlsCertificate()
	if err != nil {
		return nil, fmt.Errorf("making the DTLS certificate: %w", err)
	}
	socket, err := newSocket(cfg.UDP, cfg.Log)
	if err != nil {
		return nil, err
	}
	shared, err := newOneAddress(cfg.Addr.Addr())
	if err != nil {
		return nil, errors.Join(err, socket.Close())
	}
	b := &backend{
		cfg: cfg, certificate: certificate, logs: pionLogs{cfg.Log.WithName("webrtc")}, net: shared,
		stop: make(chan struct{}), peers: map[*peer]struct{}{}, mux: newMux(socket),
	}
	b.tcp = newTCPMux(cfg.TCP, b.logs)
	b.reports.Go(b.report)
	return b, nil
}

// Open implements transport.Backend.
func (b *backend) Open(s transport.Sink) (transport.Session, error) {
	return &peer{backend: b, sink: s, short: shortcut{worker: b.mux.worker(), every: b.cfg.Patience.Disconnected / 5}}, nil
}

// Close implements transport.Backend.
func (b *backend) Close() {
	close(b.stop)
	b.reports.Wait()
	_ = b.tcp.Close()
	_ = b.mux.Close()
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
