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

// socket is the UDP socket as the mux sees it. The mux serves every call, so nothing
// that goes wrong with one packet gets through to it: a read fails only when the
// socket has ended, with io.EOF. That it implements ice.AddrPortReaderWriter spares the
// packet path an allocation for every address.
type socket interface {
	net.PacketConn
	ice.AddrPortReaderWriter
}

// patiently reads until there is something or the socket has ended, whatever goes wrong: such as the kernel being out of
// buffers.
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
	// buf has room for any datagram: one that had not would be an error on Windows, which anybody could cause. It belongs
	// to the one who reads.
	buf *[1 << 16]byte
}

func newPlainSocket(conn *net.UDPConn, log logr.Logger) plainSocket {
	return plainSocket{conn, log, new([1 << 16]byte)}
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter. What b has no room for is lost.
func (s plainSocket) ReadFromAddrPort(b []byte) (n int, from netip.AddrPort, err error) {
	err = patiently(s.log, func() (err error) {
		n, from, err = s.UDPConn.ReadFromUDPAddrPort(s.buf[:])
		return err
	})
	return copy(b, s.buf[:n]), from, err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s plainSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.UDPConn.WriteToUDPAddrPort(b, to)
}
