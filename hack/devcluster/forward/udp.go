// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxDatagram is the largest UDP payload over IPv4: 65535 - 20 - 8.
const maxDatagram = 65507

// socketBuffer takes a burst of video without loss. The kernel caps it at
// net.core.rmem_max, which is fine.
const socketBuffer = 1 << 20

// udpFrontend has one socket of its own for each client, connected to that
// client's backend: so the backend can tell clients apart, and a client stays
// with its backend.
type udpFrontend struct {
	*frontend
	conn *net.UDPConn
	idle time.Duration

	mu     sync.Mutex
	flows  map[netip.AddrPort]*udpFlow
	closed bool
}

type udpFlow struct {
	client   netip.AddrPort
	backend  netip.AddrPort
	upstream *net.UDPConn
	lastSeen atomic.Int64 // unix nanoseconds of the last datagram either way
}

func (f *Forwarder) listenUDP(key Frontend, fe *frontend) error {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(key.Addr))
	if err != nil {
		return err
	}
	_ = conn.SetReadBuffer(socketBuffer)
	_ = conn.SetWriteBuffer(socketBuffer)
	u := &udpFrontend{frontend: fe, conn: conn, idle: f.cfg.UDPIdle, flows: map[netip.AddrPort]*udpFlow{}}
	fe.listener, fe.changed = u, u.dropGoneBackends
	go u.pump()
	return nil
}

// pump carries datagrams from clients to backends. It does not allocate,
// except for a client's first datagram.
func (u *udpFrontend) pump() {
	buf := make([]byte, maxDatagram)
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer: not this datagram's fault
		}
		flow := u.flow(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if flow == nil {
			continue // nobody to take it; UDP does not promise anything
		}
		flow.lastSeen.Store(time.Now().UnixNano())
		_, _ = flow.upstream.Write(buf[:n])
	}
}

// flow returns the flow of a client and opens one for a new client.
func (u *udpFrontend) flow(client netip.AddrPort) *udpFlow {
	u.mu.Lock()
	defer u.mu.Unlock()
	if flow, ok := u.flows[client]; ok {
		return flow
	}
	backend, ok := u.pick(nil)
	if !ok || u.closed {
		return nil
	}
	upstream, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(backend))
	if err != nil {
		return nil
	}
	_ = upstream.SetReadBuffer(socketBuffer)
	flow := &udpFlow{client: client, backend: backend, upstream: upstream}
	flow.lastSeen.Store(time.Now().UnixNano())
	u.flows[client] = flow
	go u.answer(flow)
	return flow
}

// answer carries datagrams from a backend back to its client, until the flow
// is idle or closed.
func (u *udpFrontend) answer(flow *udpFlow) {
	defer u.forget(flow)
	buf := make([]byte, maxDatagram)
	deadline := time.Time{}
	for {
		// Moving the deadline costs a lock in the runtime, so it is not done
		// for every datagram.
		if now := time.Now(); deadline.Sub(now) < u.idle/2 {
			deadline = now.Add(u.idle)
			_ = flow.upstream.SetReadDeadline(deadline)
		}
		n, err := flow.upstream.Read(buf)
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			quiet := time.Since(time.Unix(0, flow.lastSeen.Load()))
			if quiet >= u.idle {
				return
			}
			deadline = time.Time{}
			continue
		default:
			continue // "connection refused" while the backend is not there yet
		}
		flow.lastSeen.Store(time.Now().UnixNano())
		_, _ = u.conn.WriteToUDPAddrPort(buf[:n], flow.client)
	}
}

func (u *udpFrontend) forget(flow *udpFlow) {
	u.mu.Lock()
	defer u.mu.Unlock()
	flow.upstream.Close()
	if u.flows[flow.client] == flow {
		delete(u.flows, flow.client)
	}
}

// dropGoneBackends ends the flows to pods that are no longer behind the
// frontend; their clients get a new backend with their next datagram.
func (u *udpFrontend) dropGoneBackends() {
	backends := *u.backends.Load()
	u.mu.Lock()
	defer u.mu.Unlock()
	for client, flow := range u.flows {
		if !slices.Contains(backends, flow.backend) {
			flow.upstream.Close()
			delete(u.flows, client)
		}
	}
}

// Close ends the frontend and all its flows.
func (u *udpFrontend) Close() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for client, flow := range u.flows {
		flow.upstream.Close()
		delete(u.flows, client)
	}
	return u.conn.Close()
}
