// SPDX-License-Identifier: Apache-2.0

package router

import (
	"container/list"
	"context"
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
	// quietFor is how long a sender may at least take its time, however many others want in: an answer just written has to leave.
	quietFor = 100 * time.Millisecond
)

// NewServer returns the public server, with bounds on what a connection may take in time and memory. Give its listener
// through Listener.
func NewServer(handler http.Handler, cert func(*tls.ClientHelloInfo) (*tls.Certificate, error), log logr.Logger) *Server {
	s := &Server{max: maxConnections, quiet: list.New()}
	s.room = sync.NewCond(&s.mu)
	s.Server = http.Server{
		Handler: s.watching(handler), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: 45 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeader, ConnContext: withConn,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert},
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 128 << 10},
		// Whoever scans the port fails some handshake; that is not news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(log.V(1)), slog.LevelInfo),
	}
	return s
}

// Server is an http.Server that holds no more than so many connections. When there is no room for a new one it closes the one
// that has been quiet longest: those with no request in the handler, because it is idle, or its sender takes its time with the
// handshake, the header, or the body of a request that was refused. Sending slowly therefore keeps nobody out, from however
// many addresses. Only while all connections have a request in the handler, whose lanes bound how long, do new ones wait.
type Server struct {
	http.Server
	max int

	mu    sync.Mutex
	room  *sync.Cond
	open  int
	quiet *list.List // of *boundedConn, quiet longest first
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
	c := &boundedConn{Conn: conn, server: l.server}
	l.server.makeRoom(c)
	return c, nil
}

type boundedConn struct {
	net.Conn
	server *Server

	// Of the server's lock.
	requests int           // in the handler
	place    *list.Element // among the quiet; nil: not there
	since    time.Time     // it is
	closed   bool
}

func (c *boundedConn) Close() error {
	err := c.Conn.Close()
	c.server.closed(c)
	return err
}

// makeRoom waits for room for one more connection, and takes it.
func (s *Server) makeRoom(c *boundedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.open >= s.max {
		longest := s.quiet.Front()
		if longest == nil {
			s.room.Wait()
			continue
		}
		victim := longest.Value.(*boundedConn)
		if early := quietFor - time.Since(victim.since); early > 0 {
			again := time.AfterFunc(early, s.room.Signal)
			s.room.Wait()
			again.Stop()
			continue
		}
		s.mu.Unlock()
		_ = victim.Close()
		s.mu.Lock()
	}
	s.open++
	s.isQuiet(c)
}

func (s *Server) closed(c *boundedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	s.open--
	s.isBusy(c)
	s.room.Signal()
}

func (s *Server) isQuiet(c *boundedConn) {
	c.place, c.since = s.quiet.PushBack(c), time.Now()
	s.room.Signal()
}

func (s *Server) isBusy(c *boundedConn) {
	if c.place != nil {
		s.quiet.Remove(c.place)
		c.place = nil
	}
}

type connKey struct{}

// withConn lets requests find their connection.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// watching notes which connections have a request in the handler, of HTTP/2 perhaps several.
func (s *Server) watching(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, ok := r.Context().Value(connKey{}).(*boundedConn); ok {
			s.began(c)
			defer s.ended(c)
		}
		handler.ServeHTTP(w, r)
	})
}

func (s *Server) began(c *boundedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.requests++
	s.isBusy(c)
}

func (s *Server) ended(c *boundedConn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.requests--; c.requests == 0 && !c.closed {
		s.isQuiet(c)
	}
}
