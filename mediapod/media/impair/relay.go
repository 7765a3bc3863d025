// SPDX-License-Identifier: Apache-2.0

package impair

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// maxDatagram is more than any path carries of a media packet.
const maxDatagram = 2048

// Relay stands between two UDP sockets, in real time: what is sent to its Addr goes
// on to the far side, and what the far side answers goes back to whoever sent last,
// each direction over a bad network of its own.
type Relay struct {
	near, far  *net.UDPConn
	client     atomic.Pointer[netip.AddrPort]
	began      time.Time
	goroutines sync.WaitGroup
	stop       chan struct{}
	stopped    sync.Once
}

// NewRelay listens on a port of the loopback interface. forth is the network to
// the far side, back the one from it.
func NewRelay(far netip.AddrPort, forth, back Config) (*Relay, error) {
	near, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		return nil, fmt.Errorf("listen for what the relay is to carry: %w", err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(far))
	if err != nil {
		near.Close()
		return nil, fmt.Errorf("open the relay's socket to %v: %w", far, err)
	}
	r := &Relay{near: near, far: conn, began: time.Now(), stop: make(chan struct{})}
	r.carry(forth, func(b []byte) (int, error) {
		n, from, err := near.ReadFromUDPAddrPort(b)
		if err == nil {
			r.client.Store(&from)
		}
		return n, err
	}, func(b []byte) {
		_, _ = conn.Write(b) // a socket that is not there is a lost packet
	})
	r.carry(back, conn.Read, func(b []byte) {
		if to := r.client.Load(); to != nil {
			_, _ = near.WriteToUDPAddrPort(b, *to)
		}
	})
	return r, nil
}

// Addr is where to send what the far side is to get.
func (r *Relay) Addr() netip.AddrPort {
	return r.near.LocalAddr().(*net.UDPAddr).AddrPort()
}

// Close ends the relay; what is on its way is lost.
func (r *Relay) Close() {
	r.stopped.Do(func() {
		close(r.stop)
		r.near.Close()
		r.far.Close()
	})
	r.goroutines.Wait()
}

// carry takes datagrams from read to write, each at its time.
func (r *Relay) carry(c Config, read func([]byte) (int, error), write func([]byte)) {
	link := NewLink[[]byte](c)
	var mu sync.Mutex // of link
	sent := make(chan struct{}, 1)

	r.goroutines.Go(func() {
		buffer := make([]byte, maxDatagram)
		for {
			n, err := read(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				continue // such as that nobody listened to what was sent before
			}
			mu.Lock()
			link.Send(append([]byte(nil), buffer[:n]...), time.Since(r.began))
			mu.Unlock()
			select {
			case sent <- struct{}{}:
			default:
			}
		}
	})

	r.goroutines.Go(func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-sent:
			case <-timer.C:
			case <-r.stop:
				return
			}
			mu.Lock()
			for datagram, _, ok := link.Receive(time.Since(r.began)); ok; datagram, _, ok = link.Receive(time.Since(r.began)) {
				write(datagram)
			}
			if next, ok := link.Next(); ok {
				timer.Reset(next - time.Since(r.began))
			}
			mu.Unlock()
		}
	})
}
