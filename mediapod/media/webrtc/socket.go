// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/go-logr/logr"
	"github.com/pion/ice/v4"
)

// socket is the UDP socket as pion's mux sees it. The mux gives up for good at
// the first error it reads, and with it would every call; so only the end of the
// socket gets through. That it implements ice.AddrPortReaderWriter spares the
// packet path an allocation for every address.
type socket interface {
	net.PacketConn
	ice.AddrPortReaderWriter
}

// patiently reads until there is something or the socket has ended, whatever goes wrong: such as the kernel being out of
// buffers, or on Windows a datagram that is larger than any of ours.
func patiently(log logr.Logger, read func() error) error {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := read()
		switch {
		case err == nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return io.EOF
		}
		log.Error(err, "Reading from the media port failed; trying again")
		time.Sleep(pause)
	}
}

// plainSocket moves one packet with one system call, on systems where there is nothing better.
type plainSocket struct {
	*net.UDPConn
	log logr.Logger
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (s plainSocket) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	err = patiently(s.log, func() (err error) {
		n, from, err = s.UDPConn.ReadFromUDPAddrPort(b)
		return err
	})
	return n, from, err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s plainSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.UDPConn.WriteToUDPAddrPort(b, to)
}
