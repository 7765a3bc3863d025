// SPDX-License-Identifier: Apache-2.0

package router

import (
	"container/list"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// maxConnections bounds the memory of connections: one with TLS takes about 40 KiB.
	maxConnections = 3000
	// maxHeader is twice what the service sends with a long token; net/http adds 4 KiB.
	maxHeader = 12 << 10
)

// NewServer returns the public server, with bounds on what a connection may take in time and memory. Give its listener
// through Listener.
func NewServer(handler http.Handler, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error), log logr.Logger) *Server {
	s := &Server{max: maxConnections, idle: list.New(), places: map[net.Conn]*list.Element{}}
	s.room = sync.NewCond(&s.mu)
	s.Server = http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 45 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader, ConnState: s.connState,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert},
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 128 << 10},
		// Whoever scans the port fails some handshake; that is not news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log.V(1)), slog.LevelInfo),
	}
	return s
}

// Server is an http.Server that holds no more than so many connections: when there is no room for a new one it closes the
// one that was idle longest, and if none is idle it lets new ones wait.
type Server struct {
	http.Server
	max int

	mu     sync.Mutex
	room   *sync.Cond
	open   int
	idle   *list.List // of net.Conn, idle longest first
	places map[net.Conn]*list.Element
}

// Listener bounds what the server accepts from another one.
func (s *Server) Listener(l net.Listener) net.Listener {
	return &boundedListener{Listener: l, server: s}
}

type boundedListener struct {
	net.Listener
	server *Server
}

func (l *boundedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.server.makeRoom()
	return &boundedConn{Conn: conn, server: l.server}, nil
}

type boundedConn struct {
	net.Conn
	server *Server
	once   sync.Once
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.server.closed)
	return err
}

// makeRoom waits for room for one more connection, and takes it.
func (s *Server) makeRoom() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open >= s.max {
		if longest := s.idle.Front(); longest != nil {
			conn := s.idle.Remove(longest).(net.Conn)
			delete(s.places, conn)
			s.mu.Unlock()
			_ = conn.Close()
			s.mu.Lock()
			continue
		}
		s.room.Wait()
	}
	s.open++
}

func (s *Server) closed() {
	s.mu.Lock()
	s.open--
	s.mu.Unlock()
	s.room.Signal()
}

// connState keeps the list of idle connections.
func (s *Server) connState(conn net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place := s.places[conn]; place != nil {
		s.idle.Remove(place)
		delete(s.places, conn)
	}
	if state == http.StateIdle {
		s.places[conn] = s.idle.PushBack(conn)
		s.room.Signal()
	}
}
