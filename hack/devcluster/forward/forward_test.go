// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestTCPReachesTheBackendBothWays(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP), Backends: []netip.AddrPort{tcpServer(t, "a")}}
	apply(t, f, rule)

	conn := dialTCP(t, rule.Frontend.Addr)
	// More than fits into socket buffers, so both directions must run at once.
	payload := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	go func() {
		_, _ = conn.Write(payload)
		_ = conn.CloseWrite() // the server answers the end of input with its end
	}()
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	if want := append([]byte("a:"), payload...); !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back, want %d, the same", len(got), len(want))
	}
}

func TestTCPTriesTheNextBackend(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP), Backends: []netip.AddrPort{freePort(t, TCP), freePort(t, TCP), tcpServer(t, "alive")}}
	apply(t, f, rule)
	for range 10 {
		if got := exchangeTCP(t, rule.Frontend.Addr, "x"); got != "alive:x" {
			t.Fatalf("got %q", got)
		}
	}
}

func TestTCPSpreadsConnections(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP), Backends: []netip.AddrPort{tcpServer(t, "a"), tcpServer(t, "b")}}
	apply(t, f, rule)
	seen := map[string]int{}
	for range 64 {
		seen[exchangeTCP(t, rule.Frontend.Addr, "")]++
	}
	if seen["a:"] == 0 || seen["b:"] == 0 {
		t.Errorf("64 connections went to %v", seen)
	}
}

func TestTCPWithoutBackendIsRefused(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP)}
	apply(t, f, rule)
	conn, err := net.Dial("tcp", rule.Frontend.Addr.String())
	if err != nil {
		return // reset before the client even knew that it was connected
	}
	defer conn.Close()
	if n, err := io.Copy(io.Discard, conn); err == nil || n > 0 {
		t.Errorf("read %d bytes, %v; want a reset", n, err)
	}
}

func TestTCPConnectionsOutliveTheirRule(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP), Backends: []netip.AddrPort{tcpServer(t, "a")}}
	apply(t, f, rule)
	conn := dialTCP(t, rule.Frontend.Addr)
	readExactly(t, conn, "a:")

	moved := rule
	moved.Backends = []netip.AddrPort{tcpServer(t, "b")}
	apply(t, f, moved)
	if got := exchangeTCP(t, rule.Frontend.Addr, "x"); got != "b:x" {
		t.Errorf("a new connection got %q", got)
	}
	apply(t, f)
	if _, err := net.DialTimeout("tcp", rule.Frontend.Addr.String(), time.Second); err == nil {
		t.Error("the frontend is still open without its rule")
	}
	if _, err := io.WriteString(conn, "still"); err != nil {
		t.Fatal(err)
	}
	readExactly(t, conn, "still")
}

func TestTCPPassesABackendsEndOn(t *testing.T) {
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer backend.Close()
	go func() {
		conn, err := backend.Accept()
		if err == nil {
			_ = conn.(*net.TCPConn).SetLinger(0)
			conn.Close() // a crash
		}
	}()
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, TCP), Backends: []netip.AddrPort{netip.MustParseAddrPort(backend.Addr().String())}}
	apply(t, f, rule)
	conn, err := net.Dial("tcp", rule.Frontend.Addr.String())
	if err != nil {
		return // it heard of it while connecting
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var timeout net.Error
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("the client does not hear that the backend is gone: %v", err)
	}
}

func TestUDPClientsAreToldApartAndStay(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, UDP), Backends: []netip.AddrPort{udpServer(t, "a"), udpServer(t, "b")}}
	apply(t, f, rule)

	backends := map[string]int{}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for i := range 20 {
		wg.Go(func() {
			conn := dialUDP(t, rule.Frontend.Addr)
			first := ""
			for j := range 20 {
				message := fmt.Sprintf("client %d message %d", i, j)
				answer := exchangeUDP(t, conn, message)
				backend, text, _ := strings.Cut(answer, ":")
				if text != message {
					t.Errorf("client %d got the answer %q to %q", i, text, message)
				}
				if first == "" {
					first = backend
				}
				if backend != first {
					t.Errorf("client %d went from backend %s to %s", i, first, backend)
				}
			}
			mu.Lock()
			backends[first]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if len(backends) != 2 {
		t.Errorf("20 clients went to %v", backends)
	}
}

func TestUDPFollowsTheBackends(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, UDP)}
	apply(t, f, rule)
	conn := dialUDP(t, rule.Frontend.Addr)
	if _, err := io.WriteString(conn, "to nobody"); err != nil {
		t.Fatal(err)
	}
	rule.Backends = []netip.AddrPort{udpServer(t, "a")}
	apply(t, f, rule)
	for got := exchangeUDP(t, conn, "x"); got != "a:x"; got = exchangeUDP(t, conn, "x") {
		// The first datagram may have been looked at only after Apply.
		if got != "a:to nobody" || t.Failed() {
			t.Fatalf("got %q", got)
		}
		conn = dialUDP(t, rule.Frontend.Addr)
	}
	rule.Backends = []netip.AddrPort{udpServer(t, "b")}
	apply(t, f, rule)
	if got := exchangeUDP(t, conn, "y"); got != "b:y" {
		t.Errorf("after the backend is gone: %q", got)
	}
}

func TestUDPCarriesTheLargestDatagram(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, UDP), Backends: []netip.AddrPort{udpServer(t, "")}}
	apply(t, f, rule)
	conn := dialUDP(t, rule.Frontend.Addr)
	message := strings.Repeat("x", maxDatagram-1) // the server puts a colon before it
	if got := exchangeUDP(t, conn, message); got != ":"+message {
		t.Errorf("%d bytes came back, want %d", len(got), len(message)+1)
	}
}

func TestUDPForgetsIdleClients(t *testing.T) {
	f := newForwarder(t, Config{UDPIdle: 50 * time.Millisecond})
	rule := Rule{Frontend: frontendOf(t, UDP), Backends: []netip.AddrPort{udpServer(t, "a")}}
	apply(t, f, rule)
	conn := dialUDP(t, rule.Frontend.Addr)
	exchangeUDP(t, conn, "x")
	u := f.open[rule.Frontend].listener.(*udpFrontend)
	deadline := time.Now().Add(10 * time.Second)
	for {
		u.mu.Lock()
		n := len(u.flows)
		u.mu.Unlock()
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d flows are still known", n)
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got := exchangeUDP(t, conn, "again"); got != "a:again" {
		t.Errorf("after a pause: %q", got)
	}
}

func TestUDPPumpDoesNotAllocate(t *testing.T) {
	f := newForwarder(t, Config{})
	rule := Rule{Frontend: frontendOf(t, UDP), Backends: []netip.AddrPort{udpServer(t, "")}}
	apply(t, f, rule)
	conn := dialUDP(t, rule.Frontend.Addr)
	message, answer := bytes.Repeat([]byte("x"), 172), make([]byte, 2048) // 20 ms of G.722 in RTP
	round := func() {
		if _, err := conn.Write(message); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(answer); err != nil {
			t.Fatal(err)
		}
	}
	round() // opens the flow
	// All goroutines count, so this has the test's own server in it too.
	if n := testing.AllocsPerRun(500, round); n >= 1 {
		t.Errorf("%v allocations for a datagram and its answer", n)
	}
}

func TestAddressesInUseAreReportedOnceAndTriedAgain(t *testing.T) {
	occupied, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var failures []string
	f := newForwarder(t, Config{Failed: func(r Rule, err error) { failures = append(failures, r.For) }})
	rule := Rule{
		Frontend: Frontend{TCP, netip.MustParseAddrPort(occupied.Addr().String())},
		Backends: []netip.AddrPort{tcpServer(t, "a")}, For: "service voice/reception",
	}
	other := Rule{Frontend: frontendOf(t, TCP), Backends: rule.Backends}
	for range 3 {
		if err := f.Apply([]Rule{rule, other}); err == nil || !strings.Contains(err.Error(), "service voice/reception") {
			t.Errorf("error = %v, want one that names the service", err)
		}
	}
	if len(failures) != 1 {
		t.Errorf("reported %d times, want once", len(failures))
	}
	if got := exchangeTCP(t, other.Frontend.Addr, "x"); got != "a:x" {
		t.Errorf("the other rule suffers: %q", got)
	}
	occupied.Close()
	apply(t, f, rule, other)
	if got := exchangeTCP(t, rule.Frontend.Addr, "x"); got != "a:x" {
		t.Errorf("got %q", got)
	}
}

func newForwarder(t *testing.T, c Config) *Forwarder {
	t.Helper()
	f := New(c)
	t.Cleanup(f.Close)
	return f
}

func apply(t *testing.T, f *Forwarder, rules ...Rule) {
	t.Helper()
	if err := f.Apply(rules); err != nil {
		t.Fatal(err)
	}
}

func frontendOf(t *testing.T, n Network) Frontend { return Frontend{n, freePort(t, n)} }

func freePort(t *testing.T, n Network) netip.AddrPort {
	t.Helper()
	if n == UDP {
		conn, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return netip.MustParseAddrPort(conn.LocalAddr().String())
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String())
}

// tcpServer greets with its name and a colon and then echoes.
func tcpServer(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.WriteString(conn, name+":")
				_, _ = io.Copy(conn, conn)
			}()
		}
	}()
	return netip.MustParseAddrPort(l.Addr().String())
}

// udpServer answers each datagram with its name, a colon and the datagram.
func udpServer(t *testing.T, name string) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadBuffer(socketBuffer)
	t.Cleanup(func() { conn.Close() })
	go func() {
		prefix := copy(make([]byte, len(name)+1), name+":")
		buf := make([]byte, prefix+maxDatagram)
		copy(buf, name+":")
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf[prefix:])
			if err != nil {
				return
			}
			_, _ = conn.WriteToUDPAddrPort(buf[:prefix+n], from)
		}
	}()
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func dialTCP(t *testing.T, a netip.AddrPort) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", a.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func exchangeTCP(t *testing.T, a netip.AddrPort, message string) string {
	t.Helper()
	conn := dialTCP(t, a)
	if _, err := io.WriteString(conn, message); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(got)
}

func readExactly(t *testing.T, r io.Reader, want string) {
	t.Helper()
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(r, buf); err != nil || string(buf) != want {
		t.Fatalf("read %q, %v; want %q", buf, err, want)
	}
}

func dialUDP(t *testing.T, a netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(a))
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

func exchangeUDP(t *testing.T, conn *net.UDPConn, message string) string {
	t.Helper()
	if _, err := io.WriteString(conn, message); err != nil {
		t.Error(err)
	}
	buf := make([]byte, maxDatagram)
	n, err := conn.Read(buf)
	if err != nil {
		t.Error(err)
	}
	return string(buf[:n])
}
