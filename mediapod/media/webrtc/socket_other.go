// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package webrtc

import (
	"net"

	"github.com/go-logr/logr"
)

// newSocket takes a socket over.
func newSocket(conn *net.UDPConn, log logr.Logger) (socket, error) {
	return newPlainSocket(conn, log), nil
}
