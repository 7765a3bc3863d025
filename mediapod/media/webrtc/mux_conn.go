// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// maxWaiting is how many packets of a session may wait to be read: five seconds of audio, or a key frame of video and
// more. Nobody would want to hear what is older.
const maxWaiting = 256

// muxConn is a session's share of the socket. One goroutine reads it.
type muxConn struct {
	mux    *mux
	name   string                         // the user fragment
	short  shortened                      // nil if there is no shortcut
	worker *worker                        // of the shortcut
	addrs  []netip.AddrPort               // known to be the far side's; guarded by the mux's mutex
	last   atomic.Pointer[netip.AddrPort] // of those, where it was written to last
	over   atomic.Bool

	queue
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (c *muxConn) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	p := c.one()
	if p == nil {
		return 0, netip.AddrPort{}, io.EOF
	}
	n, from := copy(b, p.buf[:p.n]), p.from
	c.free.give(p)
	return n, from, nil
}

// WriteToAddrPort implements ice.AddrPortReaderWriter. Where ICE writes to, the far side is: from there it is heard.
func (c *muxConn) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if c.over.Load() {
		return 0, io.ErrClosedPipe // by which pion knows the end
	}
	if last := c.last.Load(); last == nil || *last != to {
		known := to
		c.last.Store(&known)
		c.mux.learn(c, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()))
	}
	return c.mux.socket.WriteToAddrPort(b, to)
}

// Close implements net.PacketConn. It ends reading.
func (c *muxConn) Close() error {
	c.over.Store(true)
	c.mux.forget(c)
	c.queue.close()
	for p := c.all(); p != nil; {
		next := p.next
		p.next = nil
		c.free.give(p)
		p = next
	}
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *muxConn) LocalAddr() net.Addr { return c.mux.socket.LocalAddr() }

// ReadFrom implements net.PacketConn.
func (c *muxConn) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (c *muxConn) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("%v is no UDP address", to)
	}
	return c.WriteToAddrPort(b, a.AddrPort())
}

// SetDeadline implements net.PacketConn. Reading ends by closing alone, and writing does not wait.
func (*muxConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (*muxConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (*muxConn) SetWriteDeadline(time.Time) error { return nil }

// packet is one on its way to a session.
type packet struct {
	next  *packet
	conn  *muxConn // of whose session it is, and
	track int      // of which of its tracks, if it takes the shortcut
	from  netip.AddrPort
	n     int
	buf   [maxDatagram]byte
}

// maxDatagram is room for any that comes through an Ethernet.
const maxDatagram = 2048

// freelist keeps packets that were read for those to come. It holds what a moment's backlog took, up to a limit, and is not
// emptied by a collection as a sync.Pool is, after which every packet would allocate anew.
type freelist struct {
	mu    sync.Mutex
	first *packet
	count int
}

// maxFree is what comes in 10 ms for 500 calls.
const maxFree = 256

func (f *freelist) take() *packet {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.first
	if p == nil {
		return &packet{}
	}
	f.first, p.next = p.next, nil
	f.count--
	return p
}

func (f *freelist) give(p *packet) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count < maxFree {
		p.conn = nil
		p.next, f.first = f.first, p
		f.count++
	}
}
