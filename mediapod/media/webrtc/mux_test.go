// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// fakeSocket is one whose packets come from a test, and which notes what is written.
type fakeSocket struct {
	net.PacketConn
	packets chan datagram
	ended   chan struct{}
	written []datagram
}

type datagram struct {
	raw  string
	addr netip.AddrPort
}

func newFakeSocket() *fakeSocket {
	return &fakeSocket{packets: make(chan datagram), ended: make(chan struct{})}
}

func (f *fakeSocket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-f.packets:
		return copy(b, d.raw), d.addr, nil
	case <-f.ended:
		return 0, netip.AddrPort{}, io.EOF
	}
}

func (f *fakeSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	f.written = append(f.written, datagram{string(b), to})
	return len(b), nil
}

func (f *fakeSocket) Close() error        { close(f.ended); return nil }
func (f *fakeSocket) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9} }

// come has a packet come in, and returns when the one before it is with its session.
func (f *fakeSocket) come(raw string, from netip.AddrPort) { f.packets <- datagram{raw, from} }

func openMux(t testing.TB) (*mux, *fakeSocket) {
	t.Helper()
	f := newFakeSocket()
	m := newMux(f)
	t.Cleanup(func() {
		select {
		case <-f.ended:
		default:
			_ = m.Close()
		}
	})
	return m, f
}

func session(t testing.TB, m *mux, name string) *muxConn {
	t.Helper()
	c, err := m.GetConn(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*muxConn)
}

// check is an ICE check for a session.
func check(t testing.TB, name string) string {
	t.Helper()
	m, err := stun.Build(stun.BindingRequest, stun.TransactionID, stun.NewUsername(name+":theirs"), stun.Fingerprint)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Raw)
}

// hears checks what a session is given next.
func (c *muxConn) hears(t testing.TB, want string) {
	t.Helper()
	b := make([]byte, maxDatagram)
	n, _, err := c.ReadFromAddrPort(b)
	if err != nil || string(b[:n]) != want {
		t.Errorf("session %s reads %q, %v, want %q", c.name, b[:n], err, want)
	}
}

func (c *muxConn) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

var (
	here    = netip.MustParseAddrPort("192.0.2.1:1000")
	there   = netip.MustParseAddrPort("192.0.2.2:1000")
	nowhere = netip.MustParseAddrPort("203.0.113.1:1")
)

func TestPacketsFindTheirSession(t *testing.T) {
	m, f := openMux(t)
	a, b := session(t, m, "a"), session(t, m, "b")
	f.come("nobody's", here)
	f.come(check(t, "unknown"), here)
	forA, forB := check(t, "a"), check(t, "b")
	f.come(forA, here)
	f.come(forB, there)
	a.hears(t, forA)
	b.hears(t, forB)
	f.come("too early", here) // ICE has not answered, so the address is not known to be right
	f.come("", nowhere)
	for c, addr := range map[*muxConn]netip.AddrPort{a: here, b: there} {
		if _, err := c.WriteToAddrPort([]byte("answer"), addr); err != nil {
			t.Fatal(err)
		}
	}
	f.come("to b", there)
	f.come("to a", netip.MustParseAddrPort("[::ffff:192.0.2.1]:1000")) // the same address, as a socket of the other family has it
	f.come("nobody's", nowhere)
	a.hears(t, "to a")
	b.hears(t, "to b")
}

// When ICE restarts, the same far side is another session's from the same address.
func TestARestartTakesTheAddressOver(t *testing.T) {
	m, f := openMux(t)
	old := session(t, m, "old")
	_, _ = old.WriteToAddrPort(nil, here)
	m.RemoveConnByUfrag("old")
	renewed, request := session(t, m, "new"), check(t, "new")
	f.come(request, here)
	renewed.hears(t, request)
	_, _ = renewed.WriteToAddrPort(nil, here)
	_, _ = old.WriteToAddrPort(nil, there) // it still says goodbye, which teaches nothing
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	f.come("mine", here)
	f.come("nobody's", there)
	f.come("mine too", here)
	renewed.hears(t, "mine")
	renewed.hears(t, "mine too")
}

func TestTheLastToWriteToAnAddressHasIt(t *testing.T) {
	m, f := openMux(t)
	a, b := session(t, m, "a"), session(t, m, "b")
	_, _ = a.WriteToAddrPort(nil, here)
	_, _ = b.WriteToAddrPort(nil, here)
	_ = a.Close()
	f.come("to b", here)
	b.hears(t, "to b")
}

func TestAFragmentIsGivenOnce(t *testing.T) {
	m, _ := openMux(t)
	c := session(t, m, "a")
	if _, err := m.GetConn("a", nil); err == nil {
		t.Error("it was given twice")
	}
	_ = c.Close()
	session(t, m, "a")
}

func TestAnOldPacketMakesRoomForANewOne(t *testing.T) {
	m, f := openMux(t)
	c := session(t, m, "a")
	_, _ = c.WriteToAddrPort(nil, here)
	const over = 10
	for i := range maxWaiting + over {
		f.come(string(numberOf(i)), here)
	}
	f.come("", nowhere) // so that the last is there
	f.come("", nowhere)
	if n := c.waiting(); n != maxWaiting {
		t.Errorf("%d packets wait, want %d", n, maxWaiting)
	}
	for i := over; i < maxWaiting+over; i++ {
		c.hears(t, string(numberOf(i)))
	}
}

func numberOf(i int) []byte { return []byte{'n', byte(i), byte(i >> 8)} }

func TestClosingASessionEndsItsReading(t *testing.T) {
	m, f := openMux(t)
	c := session(t, m, "a")
	_, _ = c.WriteToAddrPort(nil, here)
	ended := make(chan error)
	go func() {
		_, _, err := c.ReadFromAddrPort(make([]byte, 10))
		ended <- err
	}()
	_ = c.Close()
	if err := <-ended; err != io.EOF {
		t.Errorf("it ended with %v, want EOF", err)
	}
	if _, err := c.WriteToAddrPort(nil, here); err != io.ErrClosedPipe {
		t.Errorf("writing says %v, want that the pipe is closed", err)
	}
	f.come("nobody's", here)
	f.come("nobody's", here)
	if n := c.waiting(); n != 0 || len(m.byAddr) != 0 || len(m.byName) != 0 {
		t.Errorf("it is still known: %d packets, %v, %v", n, m.byAddr, m.byName)
	}
}

func TestClosingTheMuxEndsAllSessions(t *testing.T) {
	m, f := openMux(t)
	c := session(t, m, "a")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.ReadFromAddrPort(make([]byte, 10)); err != io.EOF {
		t.Errorf("a session reads on: %v", err)
	}
	select {
	case <-f.ended:
	default:
		t.Error("the socket is open")
	}
	if _, err := m.GetConn("b", nil); err == nil {
		t.Error("there are sessions still")
	}
}

func TestAddressesOfAFarSideAreForgottenInTime(t *testing.T) {
	m, f := openMux(t)
	c := session(t, m, "a")
	for i := range 3 * maxAddrs {
		_, _ = c.WriteToAddrPort(nil, netip.AddrPortFrom(here.Addr(), uint16(1+i)))
		_, _ = c.WriteToAddrPort(nil, here)
	}
	if len(m.byAddr) != maxAddrs || len(c.addrs) != maxAddrs {
		t.Errorf("%d and %d are known, want %d", len(m.byAddr), len(c.addrs), maxAddrs)
	}
	f.come("old", netip.AddrPortFrom(here.Addr(), 1))
	f.come("new", netip.AddrPortFrom(here.Addr(), 3*maxAddrs))
	c.hears(t, "new")
}

func TestPassingAPacketOnAllocatesNothing(t *testing.T) {
	m, f := openMux(t)
	c := session(t, m, "a")
	f.written = make([]datagram, 0, 10)
	_, _ = c.WriteToAddrPort(nil, here)
	b := make([]byte, maxDatagram)
	d := datagram{"packet", here}
	pass := func() {
		f.packets <- d
		_, _, _ = c.ReadFromAddrPort(b)
		f.written = f.written[:0]
		_, _ = c.WriteToAddrPort(nil, here)
	}
	pass() // the first ones fill the list of free packets
	pass()
	if allocs := testing.AllocsPerRun(100, pass); allocs != 0 {
		t.Errorf("%v allocations a packet", allocs)
	}
}

func FuzzFragment(f *testing.F) {
	f.Add([]byte(check(f, "ours")))
	f.Add([]byte(check(f, "")))
	f.Add([]byte("\x00\x01\x00\x04\x21\x12\xA4\x42............\x00\x06\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !stun.IsMessage(raw) {
			return
		}
		message := stun.Message{Raw: append([]byte(nil), raw...)}
		known := fragment(raw)
		if message.Decode() != nil && known != nil {
			t.Errorf("a message that cannot be read is for %q", known)
		}
	})
}
