// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

// dialTimeout is how long a backend may take to accept; it is on this host.
const dialTimeout = 2 * time.Second

func (f *Forwarder) listenTCP(key Frontend, fe *frontend) error {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(key.Addr))
	if err != nil {
		return err
	}
	fe.listener = l
	go f.acceptTCP(l, key, fe)
	return nil
}

func (f *Forwarder) acceptTCP(l *net.TCPListener, key Frontend, fe *frontend) {
	for {
		conn, err := l.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.cfg.Log.V(1).Info("cannot accept a connection", "frontend", key.String(), "error", err.Error())
			time.Sleep(10 * time.Millisecond) // out of file descriptors, mostly
			continue
		}
		go f.serveTCP(conn, key, fe)
	}
}

func (f *Forwarder) serveTCP(client *net.TCPConn, key Frontend, fe *frontend) {
	defer client.Close()
	backend, err := dialAny(fe)
	if err != nil {
		f.cfg.Log.V(1).Info("connection refused", "frontend", key.String(), "reason", err.Error())
		_ = client.SetLinger(0) // a reset, which is what a refusal looks like by now
		return
	}
	defer backend.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		pipe(backend, client)
	}()
	pipe(client, backend)
	<-done
}

// dialAny tries the backends in random order until one accepts.
func dialAny(fe *frontend) (*net.TCPConn, error) {
	err := errors.New("there is no ready pod")
	var tried []netip.AddrPort
	for {
		backend, ok := fe.pick(tried)
		if !ok {
			return nil, err
		}
		conn, dialErr := net.DialTimeout("tcp", backend.String(), dialTimeout)
		if dialErr == nil {
			return conn.(*net.TCPConn), nil
		}
		err = dialErr
		tried = append(tried, backend)
	}
}

// pipe copies one direction and passes the end of it on, so that a connection
// can be closed half. The kernel moves the bytes (splice) where it can.
func pipe(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		// One side broke: the other must hear of it, even if it only listens.
		_ = to.SetLinger(0)
		to.Close()
		from.Close()
		return
	}
	_ = to.CloseWrite()
}
