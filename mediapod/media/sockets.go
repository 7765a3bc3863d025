// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"net"
	"net/netip"
)

// sockets are the engine's TCP listener and UDP socket, on the same number.
type sockets struct {
	addr netip.AddrPort
	tcp  *split
	udp  *net.UDPConn
}

// socketBuffer is what is asked of the kernel for the UDP socket, which carries all
// calls: a tenth of a second of 500 calls, at some 700 bytes a packet as the
// kernel counts. It may grant less.
const socketBuffer = 2 << 20

// listen opens both. With port zero it looks for a number that is free for both.
func listen(addr netip.Addr, port uint16) (*sockets, error) {
	const attempts = 20
	var last error
	for range attempts {
		tcp, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, port)))
		if err != nil {
			return nil, fmt.Errorf("TCP port %s: %w", netip.AddrPortFrom(addr, port), err)
		}
		bound := netip.AddrPortFrom(addr, tcp.Addr().(*net.TCPAddr).AddrPort().Port())
		udp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(bound))
		if err == nil {
			_ = udp.SetReadBuffer(socketBuffer)
			_ = udp.SetWriteBuffer(socketBuffer)
			return &sockets{addr: bound, tcp: newSplit(tcp), udp: udp}, nil
		}
		_ = tcp.Close()
		if last = fmt.Errorf("UDP port %s: %w", bound, err); port != 0 {
			return nil, last
		}
	}
	return nil, last
}

func (s *sockets) close() {
	_ = s.tcp.close()
	s.tcp.accepts.Wait()
	_ = s.udp.Close()
}
