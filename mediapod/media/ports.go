// SPDX-License-Identifier: Apache-2.0

package media

import (
	"bufio"
	"errors"
	"net"
	"sync"
	"time"
)

// firstByteWithin is how long a connection may take to say what it is. HTTP gives its headers as long.
const firstByteWithin = 5 * time.Second

// handshake is the first byte of TLS: the content type of a record (RFC 8446 section 5.1).
const handshake = 22

// split is the engine's TCP port, on which two protocols are spoken: TLS, for WHIP, and ICE (RFC 6544), whose packets have
// their length before them (RFC 4571 section 2). The first byte tells them apart: of TLS it is 22, while of ICE it is the
// upper half of the length of a STUN message, which at 22 would be longer than 5631 bytes; ICE's checks are some hundred.
// A pod has one TCP port, whose number is that of its UDP port, so one port is all that a firewall need let through.
type split struct {
	from     net.Listener
	tls, ice *branch
	accepts  sync.WaitGroup
	done     chan struct{}
	closing  sync.Once
}

// newSplit accepts connections until it is closed, which closes the listener.
func newSplit(from net.Listener) *split {
	s := &split{from: from, done: make(chan struct{})}
	s.tls, s.ice = &branch{split: s, conns: make(chan net.Conn)}, &branch{split: s, conns: make(chan net.Conn)}
	s.accepts.Go(s.accept)
	return s
}

func (s *split) accept() {
	for pause := time.Millisecond; ; {
		conn, err := s.from.Accept()
		switch {
		case err == nil:
			pause = time.Millisecond
			s.accepts.Go(func() { s.sort(conn) })
		case errors.Is(err, net.ErrClosed):
			s.close()
			return
		default: // such as no file descriptor being left; it passes
			select {
			case <-time.After(pause):
				pause = min(2*pause, time.Second)
			case <-s.done:
				return
			}
		}
	}
}

// sort waits for the first byte of a connection and hands it to whom it is for.
func (s *split) sort(conn net.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(firstByteWithin)) // before the one that ends it all
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-s.done:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	}()
	sorted := &sortedConn{Conn: conn, first: bufio.NewReaderSize(conn, 16)}
	first, err := sorted.first.Peek(1)
	if err != nil {
		_ = conn.Close()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	to := s.ice
	if first[0] == handshake {
		to = s.tls
	}
	select {
	case to.conns <- sorted:
	case <-to.split.done:
		_ = conn.Close()
	}
}

// close ends both branches and returns when nothing runs any more.
func (s *split) close() error {
	err := net.ErrClosed
	s.closing.Do(func() {
		close(s.done)
		err = s.from.Close()
	})
	return err
}

// branch is the listener of one of the two.
type branch struct {
	split *split
	conns chan net.Conn
}

// Accept implements net.Listener.
func (b *branch) Accept() (net.Conn, error) {
	select {
	case conn := <-b.conns:
		return conn, nil
	case <-b.split.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. One port, one end: it closes both branches.
func (b *branch) Close() error { return b.split.close() }

// Addr implements net.Listener.
func (b *branch) Addr() net.Addr { return b.split.from.Addr() }

// sortedConn is a connection of which the first byte was looked at.
type sortedConn struct {
	net.Conn
	first *bufio.Reader // nil once it is empty
}

// Read implements net.Conn.
func (c *sortedConn) Read(b []byte) (int, error) {
	if c.first == nil {
		return c.Conn.Read(b)
	}
	n, err := c.first.Read(b[:min(len(b), c.first.Buffered())])
	if c.first.Buffered() == 0 {
		c.first = nil
	}
	return n, err
}
