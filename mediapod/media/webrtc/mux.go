// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/pion/stun/v4"
)

// mux tells the sessions apart that share the socket: by the address that packets come from and, as long as that is not
// known, by the user fragment in an ICE check (RFC 8445 section 7.3: it is that of whom the check is for). It is an
// ice.UDPMux, and does for one socket with one address what pion's does for any, without a goroutine for each session and
// with queues that end: what a session cannot keep up with is dropped, oldest first, rather than kept until it is of no use.
type mux struct {
	socket socket
	reader sync.WaitGroup

	mu     sync.Mutex // guards
	byName map[string]*muxConn
	byAddr map[netip.AddrPort]*muxConn
	closed bool

	free    freelist
	workers []*worker
	working sync.WaitGroup
	hired   atomic.Uint32
}

// newMux serves sessions from a socket until it is closed, which closes the socket.
func newMux(s socket) *mux {
	m := &mux{socket: s, byName: map[string]*muxConn{}, byAddr: map[netip.AddrPort]*muxConn{}}
	for range runtime.GOMAXPROCS(0) {
		w := newWorker(&m.free)
		m.workers = append(m.workers, w)
		m.working.Go(w.run)
	}
	m.reader.Go(m.read)
	return m
}

// read hands packets to their sessions. What belongs to none is dropped.
func (m *mux) read() {
	p := m.free.take()
	for {
		n, from, err := m.socket.ReadFromAddrPort(p.buf[:])
		if err != nil {
			return
		}
		p.n, p.from = n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		c := m.whose(p)
		if c == nil {
			continue
		}
		if c.short != nil {
			if track, ok := c.short.takes(p.buf[:p.n]); ok {
				p.conn, p.track = c, track
				p = c.worker.push(p)
				continue
			}
		}
		p = c.push(p)
	}
}

// whose is the session that a packet is for.
func (m *mux) whose(p *packet) *muxConn {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.byAddr[p.from]; c != nil {
		return c
	}
	if raw := p.buf[:p.n]; stun.IsMessage(raw) {
		return m.byName[string(fragment(raw))]
	}
	return nil
}

// fragment is the user fragment of whom a STUN message is for; nil if it does not say.
func fragment(raw []byte) []byte {
	message := stun.Message{Raw: raw}
	if message.Decode() != nil {
		return nil
	}
	user, err := message.Get(stun.AttrUsername)
	if err != nil {
		return nil
	}
	ours, _, _ := bytes.Cut(user, []byte(":"))
	return ours
}

// GetConn implements ice.UDPMux. The address is the one that GetListenAddresses tells: a session has one candidate.
func (m *mux) GetConn(fragment string, _ net.Addr) (net.PacketConn, error) {
	return m.open(fragment, nil, nil)
}

// open gives a session its share of the socket. What takes the shortcut, if there is one, is the worker's.
func (m *mux) open(fragment string, short shortened, w *worker) (net.PacketConn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, net.ErrClosed
	case m.byName[fragment] != nil:
		return nil, fmt.Errorf("the ICE user fragment %q is taken", fragment)
	}
	c := &muxConn{mux: m, name: fragment, short: short, worker: w}
	c.init(&m.free, maxWaiting)
	m.byName[fragment] = c
	return c, nil
}

// RemoveConnByUfrag implements ice.UDPMux. What was had from GetConn is still to be closed.
func (m *mux) RemoveConnByUfrag(fragment string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.byName[fragment]; c != nil {
		m.forgetLocked(c)
	}
}

// GetListenAddresses implements ice.UDPMux.
func (m *mux) GetListenAddresses() []net.Addr { return []net.Addr{m.socket.LocalAddr()} }

// Close implements ice.UDPMux. It returns when nothing is read any more.
func (m *mux) Close() error {
	m.mu.Lock()
	m.closed = true
	var all []*muxConn
	for _, c := range m.byName {
		all = append(all, c)
	}
	m.mu.Unlock()
	var failed []error
	for _, c := range all {
		failed = append(failed, c.Close())
	}
	failed = append(failed, m.socket.Close())
	m.reader.Wait()
	for _, w := range m.workers {
		w.close()
	}
	m.working.Wait()
	return errors.Join(failed...)
}

// worker is that of a new session.
func (m *mux) worker() *worker { return m.workers[int(m.hired.Add(1))%len(m.workers)] }

// sessionMux is the mux as a session's ICE sees it, before and after it restarts.
type sessionMux struct {
	*mux
	peer *peer
}

// GetConn implements ice.UDPMux.
func (m sessionMux) GetConn(fragment string, _ net.Addr) (net.PacketConn, error) {
	return m.open(fragment, m.peer, m.peer.short.worker)
}

// learn has packets from an address go to a session, whoever had them before: ICE has checked that it may.
func (m *mux) learn(c *muxConn, addr netip.AddrPort) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.byName[c.name] != c || m.byAddr[addr] == c { // it ends, or moves between addresses that are known
		return
	}
	m.byAddr[addr] = c
	if c.addrs = append(c.addrs, addr); len(c.addrs) > maxAddrs {
		if m.byAddr[c.addrs[0]] == c {
			delete(m.byAddr, c.addrs[0])
		}
		c.addrs = c.addrs[1:]
	}
}

func (m *mux) forget(c *muxConn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forgetLocked(c)
}

func (m *mux) forgetLocked(c *muxConn) {
	if m.byName[c.name] == c {
		delete(m.byName, c.name)
	}
	for _, addr := range c.addrs {
		if m.byAddr[addr] == c {
			delete(m.byAddr, addr)
		}
	}
	c.addrs = nil
}

// maxAddrs is how many addresses of a far side are known at a time. It has one, and others as it moves between networks.
const maxAddrs = 16
