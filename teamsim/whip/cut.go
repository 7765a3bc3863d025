// SPDX-License-Identifier: Apache-2.0

package whip

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

// network opens a leg's sockets, and can cut their way to the bot.
type network struct {
	*stdnet.Net

	mu      sync.Mutex
	sockets []*socket
}

func newNetwork() (*network, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, err
	}
	return &network{Net: n}, nil
}

// ListenUDP implements transport.Net.
func (n *network) ListenUDP(kind string, addr *net.UDPAddr) (transport.UDPConn, error) {
	conn, err := net.ListenUDP(kind, addr)
	if err != nil {
		return nil, err
	}
	s := &socket{UDPConn: conn}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sockets = append(n.sockets, s)
	return s, nil
}

// cut loses what the sockets that there are send. Those to come are on another network.
func (n *network) cut(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.sockets {
		s.cut.Store(on)
	}
}

// socket hears at all times, and is heard while it is not cut.
type socket struct {
	*net.UDPConn
	cut atomic.Bool
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter, which spares an allocation for every packet.
func (s *socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.UDPConn.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s *socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if s.cut.Load() {
		return len(b), nil
	}
	return s.UDPConn.WriteToUDPAddrPort(b, to)
}

// WriteTo implements net.PacketConn.
func (s *socket) WriteTo(b []byte, to net.Addr) (int, error) {
	if s.cut.Load() {
		return len(b), nil
	}
	return s.UDPConn.WriteTo(b, to)
}
