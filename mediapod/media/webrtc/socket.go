// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
)

// muxSocket is the UDP socket as pion's mux sees it. The mux gives up for good at
// the first error it reads, and with it would every call; so only the end of the
// socket gets through. It implements ice.AddrPortReaderWriter, which spares the
// packet path an allocation for every address.
type muxSocket struct {
	*net.UDPConn
	log logr.Logger
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (s muxSocket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		n, from, err := s.UDPConn.ReadFromUDPAddrPort(b)
		switch {
		case err == nil:
			return n, from, nil
		case errors.Is(err, net.ErrClosed):
			return 0, netip.AddrPort{}, io.EOF
		}
		// Such as the kernel being out of buffers, or on Windows a datagram that is
		// larger than any of ours.
		s.log.Error(err, "Reading from the media port failed; trying again")
		time.Sleep(pause)
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s muxSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.UDPConn.WriteToUDPAddrPort(b, to)
}
