// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/srtp/v3"
	"github.com/pion/stun/v4"
	"golang.org/x/sys/unix"

	"github.com/callfleet/callfleet/audio/codec"
)

// farSide is the other end of a call: it does ICE and DTLS as any peer, and then only what costs little. Each has a socket
// of its own, as far sides do.
type farSide struct {
	conn     *net.UDPConn // until it is set up
	local    netip.AddrPort
	remote   netip.AddrPort
	fd       int
	ufrag    string
	pwd      string
	username string
	integral stun.MessageIntegrity // of the remote side's password

	keys bool // it has any

	// Nil for a raw echo.
	out, in *srtp.Context
}

// exchange is signalling: an offer for an answer.
type exchange func(ctx context.Context, offer string) (answer string, err error)

func newFarSide(ip netip.Addr) (*farSide, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	if err != nil {
		return nil, err
	}
	return &farSide{
		conn: conn, local: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
		ufrag: rand.Text()[:8], pwd: rand.Text(),
	}, nil
}

// connect sets a call up.
func (f *farSide) connect(ctx context.Context, identity *tls.Certificate, c codec.Codec, x exchange) error {
	answer, err := x(ctx, f.offer(identity, c))
	if err != nil {
		return fmt.Errorf("signalling: %w", err)
	}
	passive, err := f.read(answer)
	if err != nil {
		return fmt.Errorf("the answer: %w", err)
	}
	if err := f.check(); err != nil {
		return fmt.Errorf("ICE: %w", err)
	}
	if err := f.secure(ctx, identity, passive); err != nil {
		return fmt.Errorf("DTLS: %w", err)
	}
	return f.detach()
}

// offer is one audio section with one codec and one candidate.
func (f *farSide) offer(identity *tls.Certificate, c codec.Codec) string {
	var print []string
	for _, b := range sha256.Sum256(identity.Certificate[0]) {
		print = append(print, fmt.Sprintf("%02X", b))
	}
	rate := fmt.Sprintf("%s/%d", c.Name, c.ClockRate)
	if c.Channels > 1 {
		rate += fmt.Sprintf("/%d", c.Channels)
	}
	types, maps := "", ""
	if f.keys {
		types, maps = fmt.Sprintf(" %d", keysPayloadType), fmt.Sprintf("\r\na=rtpmap:%d telephone-event/%d", keysPayloadType, c.ClockRate)
	}
	return strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0",
		fmt.Sprintf("m=audio 9 UDP/TLS/RTP/SAVPF %d%s", c.PayloadType, types), "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendrecv", "a=rtcp-mux",
		"a=ice-ufrag:" + f.ufrag, "a=ice-pwd:" + f.pwd,
		"a=fingerprint:sha-256 " + strings.Join(print, ":"), "a=setup:actpass",
		fmt.Sprintf("a=rtpmap:%d %s", c.PayloadType, rate) + maps,
		fmt.Sprintf("a=ssrc:%d cname:bench", f.ssrc()),
		fmt.Sprintf("a=candidate:1 1 udp 2130706431 %s %d typ host", f.local.Addr(), f.local.Port()), "a=end-of-candidates", "",
	}, "\r\n")
}

// ssrc tells far sides apart by their ports.
func (f *farSide) ssrc() uint32 { return 0xBE000000 | uint32(f.local.Port()) }

// read takes from an answer what is needed of it.
func (f *farSide) read(answer string) (passive bool, err error) {
	var ufrag, pwd string
	for line := range strings.Lines(answer) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		switch key {
		case "a=ice-ufrag":
			ufrag = value
		case "a=ice-pwd":
			pwd = value
		case "a=setup":
			passive = value == "passive"
		case "a=candidate":
			// RFC 8839 section 5.1: foundation, component, transport, priority, address, port.
			fields := strings.Fields(value)
			if f.remote.IsValid() || len(fields) < 6 || !strings.EqualFold(fields[2], "udp") {
				continue
			}
			if f.remote, err = netip.ParseAddrPort(fields[4] + ":" + fields[5]); err != nil {
				return false, err
			}
		}
	}
	if !f.remote.IsValid() || ufrag == "" || pwd == "" {
		return false, errors.New("it has no UDP candidate, or no ICE credentials")
	}
	f.username, f.integral = ufrag+":"+f.ufrag, stun.NewShortTermIntegrity(pwd)
	return passive, nil
}

// binding is a connectivity check that nominates its pair; later, a sign of consent (RFC 7675).
func (f *farSide) binding() ([]byte, error) {
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(f.username),
		ice.UseCandidate(), ice.AttrControlling(f.ssrc()), ice.PriorityAttr(2130706431), f.integral, stun.Fingerprint)
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}

// check checks the one pair there is until it is answered.
func (f *farSide) check() error {
	buf := make([]byte, 1500)
	for range 100 {
		request, err := f.binding()
		if err != nil {
			return err
		}
		if _, err := f.conn.WriteToUDPAddrPort(request, f.remote); err != nil {
			return err
		}
		if err := f.conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			return err
		}
		n, err := f.conn.Read(buf)
		if err == nil && stun.IsMessage(buf[:n]) {
			m := stun.Message{Raw: buf[:n]}
			if m.Decode() == nil && m.Type == stun.BindingSuccess {
				return f.conn.SetReadDeadline(time.Time{})
			}
		} else if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return errors.New("no check was answered within 10 s")
}

// insist goes on checking.
func (f *farSide) insist(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
		if request, err := f.binding(); err == nil {
			_, _ = f.conn.WriteToUDPAddrPort(request, f.remote) // the handshake fails too if this does
		}
	}
}

// agree answers a check of the other side's, which one that is not ICE-lite needs.
func (f *farSide) agree(raw []byte) {
	m := &stun.Message{Raw: raw}
	if m.Decode() != nil || m.Type != stun.BindingRequest {
		return
	}
	answer, err := stun.Build(m, stun.BindingSuccess, &stun.XORMappedAddress{IP: f.remote.Addr().AsSlice(), Port: int(f.remote.Port())},
		stun.NewShortTermIntegrity(f.pwd), stun.Fingerprint)
	if err == nil {
		_, _ = f.conn.WriteToUDPAddrPort(answer.Raw, f.remote)
	}
}

// secure does the handshake and derives the keys.
func (f *farSide) secure(ctx context.Context, identity *tls.Certificate, client bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// What is measured is not whom the keys are agreed on with: the fingerprint is not compared.
	cfg := &dtls.Config{
		Certificates: []tls.Certificate{*identity}, InsecureSkipVerify: true, ClientAuth: dtls.RequireAnyClientCert,
		SRTPProtectionProfiles: []dtls.SRTPProtectionProfile{dtls.SRTP_AEAD_AES_128_GCM},
		ExtendedMasterSecret:   dtls.RequireExtendedMasterSecret,
	}
	dial := dtls.Server
	if client {
		dial = dtls.Client
	}
	handshakes := &handshakeConn{UDPConn: f.conn, side: f}
	conn, err := dial(handshakes, net.UDPAddrFromAddrPort(f.remote), cfg)
	if err == nil {
		// Some take a check that came before they had our candidate for nothing, so it is not the last.
		stop := make(chan struct{})
		go f.insist(stop)
		err = conn.HandshakeContext(ctx)
		close(stop)
	}
	if err != nil {
		return err
	}
	handshakes.over.Store(true)
	s, ok := conn.ConnectionState()
	if !ok {
		return errors.New("there is no state after the handshake")
	}
	keys := srtp.Config{Profile: srtp.ProtectionProfileAeadAes128Gcm}
	if err := keys.ExtractSessionKeysFromDTLS(&s, client); err != nil {
		return err
	}
	if f.out, err = srtp.CreateContext(keys.Keys.LocalMasterKey, keys.Keys.LocalMasterSalt, keys.Profile); err != nil {
		return err
	}
	f.in, err = srtp.CreateContext(keys.Keys.RemoteMasterKey, keys.Keys.RemoteMasterSalt, keys.Profile)
	return err
}

// detach takes the socket out of Go's hands: from here on it is read when it is convenient, and nobody is woken by it.
func (f *farSide) detach() error {
	raw, err := f.conn.SyscallConn()
	if err != nil {
		return err
	}
	to := &unix.SockaddrInet4{Port: int(f.remote.Port()), Addr: f.remote.Addr().As4()}
	var failed error
	err = raw.Control(func(fd uintptr) {
		if f.fd, failed = unix.Dup(int(fd)); failed == nil {
			failed = errors.Join(unix.Connect(f.fd, to), unix.SetsockoptInt(f.fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1))
		}
	})
	return errors.Join(err, failed, f.conn.Close())
}

// handshakeConn lets only DTLS through (RFC 7983: the first byte is from 20 to 63), and nothing out once it is over.
type handshakeConn struct {
	*net.UDPConn
	side *farSide
	over atomic.Bool
}

// ReadFrom implements net.PacketConn.
func (c *handshakeConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := c.UDPConn.ReadFrom(b)
		if err != nil || n > 0 && b[0] >= 20 && b[0] <= 63 {
			return n, from, err
		}
		if stun.IsMessage(b[:n]) {
			c.side.agree(append([]byte(nil), b[:n]...))
		}
	}
}

// WriteTo implements net.PacketConn.
func (c *handshakeConn) WriteTo(b []byte, to net.Addr) (int, error) {
	if c.over.Load() {
		return len(b), nil // a farewell, for which it is too early
	}
	return c.UDPConn.WriteTo(b, to)
}
