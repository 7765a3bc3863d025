// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
)

// openBatch is a socket with room for all that a test sends, and a plain one that sends to it.
func openBatch(t testing.TB, ip string) (*batchSocket, *net.UDPConn) {
	t.Helper()
	listen := func() *net.UDPConn {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
		if err != nil {
			t.Skipf("no address %s here: %v", ip, err)
		}
		if err := conn.SetReadBuffer(2 << 20); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	s, err := newSocket(listen(), logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	peer := listen()
	t.Cleanup(func() { _ = peer.Close() })
	return s.(*batchSocket), peer
}

func (s *batchSocket) addr() netip.AddrPort { return s.local.(*net.UDPAddr).AddrPort() }

func addrOf(c *net.UDPConn) netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

func numbered(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// forceBusy has the socket gather from now on; it must not be read meanwhile.
func forceBusy(t testing.TB, s *batchSocket, busy bool) {
	t.Helper()
	s.traffic.busy, s.due = busy, time.Now()
	s.flush(busy)
	if err := s.interest(busy); err != nil {
		t.Fatal(err)
	}
}

func TestPacketsAreReadInOrderWhateverTheMode(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			s, peer := openBatch(t, ip)
			sent, buf := 0, make([]byte, 1500)
			// The mode is changed with packets on their way, and with more of them than a batch has.
			for round, n := range []int{1, 3, 200, 1, 64, 65, 128, 0, 150} {
				for range n {
					if _, err := peer.WriteToUDPAddrPort(numbered(sent), s.addr()); err != nil {
						t.Fatal(err)
					}
					sent++
				}
				forceBusy(t, s, round%2 == 1)
				for got := sent - n; got < sent; got++ {
					m, from, err := s.ReadFromAddrPort(buf)
					if err != nil || from != addrOf(peer) || m != 4 || int(binary.BigEndian.Uint32(buf)) != got {
						t.Fatalf("packet %d: read %x from %v, %v", got, buf[:m], from, err)
					}
				}
			}
		})
	}
}

func TestWhatIsWrittenArrivesInOrderWhateverTheMode(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			s, peer := openBatch(t, ip)
			sent, buf := 0, make([]byte, 1500)
			for round, n := range []int{1, 3, 200, 1, 64, 65, 128, 0, 150} {
				s.flush(round%2 == 1)
				for range n {
					if _, err := s.WriteToAddrPort(numbered(sent), addrOf(peer)); err != nil {
						t.Fatal(err)
					}
					sent++
				}
			}
			s.flush(false)
			for got := range sent {
				n, from, err := peer.ReadFromUDPAddrPort(buf)
				if err != nil || from != s.addr() || n != 4 || int(binary.BigEndian.Uint32(buf)) != got {
					t.Fatalf("packet %d: read %x from %v, %v", got, buf[:n], from, err)
				}
			}
		})
	}
}

// A single packet is neither waited with nor held back while there are few.
func TestAPacketIsNotHeldBackWhileThereAreFew(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	if _, err := s.WriteToAddrPort([]byte("x"), addrOf(peer)); err != nil {
		t.Fatal(err)
	}
	if s.queued != 0 {
		t.Error("it was queued")
	}
	if _, err := peer.WriteToUDPAddrPort([]byte("y"), s.addr()); err != nil {
		t.Fatal(err)
	}
	if n, _, err := s.ReadFromAddrPort(make([]byte, 10)); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if s.traffic.busy || s.collect {
		t.Error("one packet is taken for many")
	}
}

// Whoever reads is woken by a packet after the socket was busy, and sends what others write meanwhile.
func TestAReaderSendsWhatHasGathered(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	forceBusy(t, s, true)
	if _, err := s.WriteToAddrPort([]byte("gathered"), addrOf(peer)); err != nil {
		t.Fatal(err)
	}
	if s.queued != 1 {
		t.Fatal("it was not queued")
	}
	read := make(chan error, 1)
	go func() {
		_, _, err := s.ReadFromAddrPort(make([]byte, 10))
		read <- err
	}()
	buf := make([]byte, 100)
	if n, _, err := peer.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "gathered" {
		t.Fatalf("read %q, %v", buf[:n], err)
	}
	time.Sleep(50 * time.Millisecond) // most likely it has become quiet meanwhile; either way a packet is read
	if _, err := peer.WriteToUDPAddrPort([]byte("z"), s.addr()); err != nil {
		t.Fatal(err)
	}
	if err := <-read; err != nil {
		t.Fatal(err)
	}
}

func TestAShortBufferTakesWhatItHasRoomFor(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	for _, p := range []string{"long packet", "next"} {
		if _, err := peer.WriteToUDPAddrPort([]byte(p), s.addr()); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 4)
	for _, want := range []string{"long", "next"} {
		if n, _, err := s.ReadFromAddrPort(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("read %q, %v, want %q", buf[:n], err, want)
		}
	}
}

func TestAPacketThatIsTooLongIsLeftOut(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	for _, p := range [][]byte{make([]byte, maxDatagram+1), []byte("next")} {
		if _, err := peer.WriteToUDPAddrPort(p, s.addr()); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 8192)
	if n, _, err := s.ReadFromAddrPort(buf); err != nil || string(buf[:n]) != "next" {
		t.Errorf("read %d bytes, %v, want the next packet", n, err)
	}
	if _, err := s.WriteToAddrPort(make([]byte, maxDatagram+1), addrOf(peer)); err == nil {
		t.Error("and is written without a word")
	}
}

// An address that the kernel refuses costs its own packet, and no other of the same batch.
func TestAPacketThatCannotBeSentTakesNoOtherWithIt(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	s.flush(true)
	refused := netip.AddrPortFrom(addrOf(peer).Addr(), 0) // no packet can have this port
	for i, to := range []netip.AddrPort{addrOf(peer), refused, addrOf(peer), refused, refused, addrOf(peer)} {
		if _, err := s.WriteToAddrPort(numbered(i), to); err != nil {
			t.Fatal(err)
		}
	}
	s.flush(true)
	buf := make([]byte, 10)
	for _, want := range []uint32{0, 2, 5} {
		if _, _, err := peer.ReadFromUDPAddrPort(buf); err != nil || binary.BigEndian.Uint32(buf) != want {
			t.Errorf("read %x, %v, want %d", buf[:4], err, want)
		}
	}
	if s.dropped != 3 {
		t.Errorf("%d were counted as dropped, want 3", s.dropped)
	}
	s.flush(false)
	if _, err := s.WriteToAddrPort(numbered(1), refused); !errors.Is(err, unix.EINVAL) {
		t.Errorf("written at once the refusal is %v, want it said", err)
	}
	if _, err := s.WriteToAddrPort(numbered(1), netip.MustParseAddrPort("[2001:db8::1]:9")); err == nil {
		t.Error("an address of another family is taken")
	}
}

func TestClosingEndsReadingAndSendsWhatIsLeft(t *testing.T) {
	for _, busy := range []bool{false, true} {
		s, peer := openBatch(t, "127.0.0.1")
		forceBusy(t, s, busy)
		read := make(chan error, 1)
		go func() {
			_, _, err := s.ReadFromAddrPort(make([]byte, 10))
			read <- err
		}()
		time.Sleep(5 * time.Millisecond) // most likely it waits now; either way it ends
		s.flush(true)
		if _, err := s.WriteToAddrPort([]byte("farewell"), addrOf(peer)); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := <-read; err != io.EOF {
			t.Errorf("reading ended with %v, want EOF, the only end that the mux takes quietly", err)
		}
		buf := make([]byte, 20)
		if n, _, err := peer.ReadFromUDPAddrPort(buf); err != nil || string(buf[:n]) != "farewell" {
			t.Errorf("read %q, %v", buf[:n], err)
		}
		if _, err := s.WriteToAddrPort([]byte("x"), addrOf(peer)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing to a closed socket: %v", err)
		}
		if err := s.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closing again: %v", err)
		}
	}
}

// Everybody writes at once while the mode changes under them, and nothing is lost or torn.
func TestManyWriteAtOnce(t *testing.T) {
	s, peer := openBatch(t, "127.0.0.1")
	const writers, each = 4, 200
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				if _, err := s.WriteToAddrPort(numbered(w*each+i), addrOf(peer)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 50 {
		s.flush(i%2 == 0)
	}
	writing.Wait()
	s.flush(false)
	next, buf := [writers]int{}, make([]byte, 10)
	for range writers * each {
		if n, _, err := peer.ReadFromUDPAddrPort(buf); n != 4 || err != nil {
			t.Fatal(n, err)
		}
		w, i := int(binary.BigEndian.Uint32(buf))/each, int(binary.BigEndian.Uint32(buf))%each
		if i != next[w] {
			t.Fatalf("packet %d of writer %d came in the place of %d", i, w, next[w])
		}
		next[w]++
	}
}

func TestMovingAPacketAllocatesNothing(t *testing.T) {
	for _, busy := range []bool{false, true} {
		s, _ := openBatch(t, "127.0.0.1")
		buf, p, to := make([]byte, 1500), []byte("packet"), s.addr() // to itself
		allocs := testing.AllocsPerRun(50, func() {
			forceMode(s, busy)
			for range 10 {
				_, _ = s.WriteToAddrPort(p, to)
			}
			forceMode(s, busy)
			for range 10 {
				_, _, _ = s.ReadFromAddrPort(buf)
			}
		})
		if allocs != 0 {
			t.Errorf("busy %v: %v allocations for ten packets there and back", busy, allocs)
		}
	}
}

// forceMode is forceBusy without what waiting takes: there is always something to read.
func forceMode(s *batchSocket, busy bool) {
	s.traffic = traffic{busy: busy, began: s.traffic.began}
	s.flush(busy)
}
