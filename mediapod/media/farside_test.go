// SPDX-License-Identifier: Apache-2.0

package media

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
	"github.com/callfleet/callfleet/audio/codec"
)

// engineUnderTest is an engine being served, with what a far side needs to trust it.
type engineUnderTest struct {
	*Engine
	certificate atomic.Pointer[tls.Certificate]
	roots       atomic.Pointer[x509.CertPool]
	registry    *prometheus.Registry
	stop        func() // returns when Serve has
}

func serve(t testing.TB, change ...func(*Config)) *engineUnderTest {
	t.Helper()
	u := &engineUnderTest{registry: prometheus.NewRegistry()}
	u.renew(t)
	cfg := Config{
		BindAddr:       netip.MustParseAddr("127.0.0.1"),
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return u.certificate.Load(), nil },
		Log:            logr.Discard(), Registerer: u.registry,
	}
	for _, f := range change {
		f(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	u.Engine = e
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- e.Serve(ctx) }()
	var once sync.Once
	u.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-served; err != nil {
				t.Errorf("Serve: %v", err)
			}
		})
	}
	t.Cleanup(u.stop)
	return u
}

// renew replaces the TLS certificate with a new one of its own root.
func (u *engineUnderTest) renew(t testing.TB) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "media"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(127, 64, 3, 5), net.IPv6loopback}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	u.roots.Store(roots)
	u.certificate.Store(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
}

// request does one WHIP request on a connection of its own.
func (u *engineUnderTest) request(t testing.TB, method, url, body string, header map[string]string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	client := &http.Client{
		Timeout:   20 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: u.roots.Load()}, DisableKeepAlives: true},
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func (u *engineUnderTest) origin() string { return "https://" + u.Addr().String() }

// farSide is a WebRTC peer that speaks into a call and records what it hears.
type farSide struct {
	t         testing.TB
	u         *engineUnderTest
	pc        *webrtc.PeerConnection
	track     *webrtc.TrackLocalStaticRTP
	codec     codec.Codec
	token     string
	location  string
	etag      string
	connected chan struct{}
	next      rtp.Packet
	edit      func(offer string) string

	mu       sync.Mutex
	packets  []rtp.Packet
	arrivals []time.Time
}

func capability(c codec.Codec) webrtc.RTPCodecCapability {
	return webrtc.RTPCodecCapability{MimeType: c.MimeType, ClockRate: c.ClockRate, Channels: c.Channels &^ 1}
}

func quiet() *logging.DefaultLoggerFactory {
	return &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
}

func newFarSide(t testing.TB, u *engineUnderTest, codecs ...codec.Codec) *farSide {
	t.Helper()
	return newFarSideWith(t, u, func(*webrtc.SettingEngine) {}, codecs...)
}

// newFarSideWith is one with other settings.
func newFarSideWith(t testing.TB, u *engineUnderTest, set func(*webrtc.SettingEngine), codecs ...codec.Codec) *farSide {
	t.Helper()
	m := &webrtc.MediaEngine{}
	for _, c := range codecs {
		if err := m.RegisterCodec(webrtc.RTPCodecParameters{
			RTPCodecCapability: capability(c),
			PayloadType:        webrtc.PayloadType(c.PayloadType),
		}, webrtc.RTPCodecTypeAudio); err != nil {
			t.Fatal(err)
		}
	}
	s := webrtc.SettingEngine{LoggerFactory: quiet()}
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIPFilter(func(ip net.IP) bool { return ip.IsLoopback() })
	if addr := u.Addr().Addr(); addr.Is6() { // pion does not look for ::1 by itself
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
		if err != nil {
			t.Fatal(err)
		}
		mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn, Logger: quiet().NewLogger("mux")})
		t.Cleanup(func() { _ = mux.Close() })
		s.SetICEUDPMux(mux)
	}
	set(&s)
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithSettingEngine(s)).NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	f := &farSide{t: t, u: u, pc: pc, codec: codecs[0], connected: make(chan struct{})}
	// Both counters wrap within the first second.
	f.next.Header = rtp.Header{Version: 2, SequenceNumber: 65500, Timestamp: 4294960000}
	t.Cleanup(func() { _ = pc.Close() })
	f.track, err = webrtc.NewTrackLocalStaticRTP(capability(codecs[0]), "voice", "person")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pc.AddTrack(f.track); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		if s == webrtc.PeerConnectionStateConnected {
			once.Do(func() { close(f.connected) })
		}
	})
	pc.OnTrack(func(track *webrtc.TrackRemote, receiver *webrtc.RTPReceiver) {
		go func() { // pion answers sender reports only when they are read
			for buf := make([]byte, 1500); ; {
				if _, _, err := receiver.Read(buf); err != nil {
					return
				}
			}
		}()
		for {
			p, _, err := track.ReadRTP()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.packets = append(f.packets, *p)
			f.arrivals = append(f.arrivals, time.Now())
			f.mu.Unlock()
		}
	})
	return f
}

// offer makes an offer with all candidates.
func (f *farSide) offer(options *webrtc.OfferOptions) string {
	f.t.Helper()
	offer, err := f.pc.CreateOffer(options)
	if err != nil {
		f.t.Fatal(err)
	}
	gathered := webrtc.GatheringCompletePromise(f.pc)
	if err := f.pc.SetLocalDescription(offer); err != nil {
		f.t.Fatal(err)
	}
	<-gathered
	return f.pc.LocalDescription().SDP
}

func bearer(token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Content-Type": typeSDP}
}

// call POSTs the offer and waits until media can flow.
func (f *farSide) call(c *Call) *farSide {
	f.t.Helper()
	return f.callAt(c.Endpoint())
}

func (f *farSide) callAt(url, token string) *farSide {
	f.t.Helper()
	offer := f.offer(nil)
	if f.edit != nil {
		offer = f.edit(offer)
	}
	resp, answer := f.u.request(f.t, "POST", url, offer, bearer(token))
	if resp.StatusCode != http.StatusCreated {
		f.t.Fatalf("POST: %s: %s", resp.Status, answer)
	}
	f.token, f.location, f.etag = token, f.u.origin()+resp.Header.Get("Location"), resp.Header.Get("ETag")
	if err := f.pc.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer}); err != nil {
		f.t.Fatal(err)
	}
	f.waitConnected()
	return f
}

func (f *farSide) waitConnected() {
	f.t.Helper()
	select {
	case <-f.connected:
	case <-time.After(10 * time.Second):
		f.t.Fatal("no connection within 10 s")
	}
}

// speak sends samples in real time.
func (f *farSide) speak(samples []int16) {
	enc := f.codec.NewEncoder()
	begin := time.Now()
	p := &f.next
	p.Marker = true
	for i := 0; len(samples) >= audio.FrameSamples; i++ {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * audio.FrameDuration)))
		p.Payload = enc.Encode(nil, samples[:audio.FrameSamples])
		samples = samples[audio.FrameSamples:]
		p.Timestamp += f.codec.TimestampStep
		if len(p.Payload) == 0 {
			continue // a codec may have nothing to send
		}
		if err := f.track.WriteRTP(p); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			f.t.Errorf("sending: %v", err)
		}
		p.Marker = false
		p.SequenceNumber++
	}
}

// heard decodes what came in, each packet at the place its timestamp gives it, and
// silence where there is none.
func (f *farSide) heard() []int16 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.packets) == 0 {
		return nil
	}
	dec := f.codec.NewDecoder()
	first := f.packets[0].Timestamp
	var out []int16
	for _, p := range f.packets {
		at := int(int32(p.Timestamp-first)) / int(f.codec.TimestampStep/20) * audio.SampleRate / 1000
		if at < 0 {
			continue
		}
		pcm := dec.Decode(nil, p.Payload)
		if grow := at + len(pcm) - len(out); grow > 0 {
			out = append(out, make([]int16, grow)...)
		}
		copy(out[at:], pcm)
	}
	return out
}

func (f *farSide) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.packets)
}

var recordingOf = audiotest.Speech

// eventually polls until a condition holds.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func newCall(t testing.TB, u *engineUnderTest, o CallOptions) *Call {
	t.Helper()
	c, err := u.NewCall(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
