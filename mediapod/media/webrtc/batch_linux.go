// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
)

// batchSocket reads and writes many packets with one system call (recvmmsg, sendmmsg) while there are many. To be woken
// for each of them would cost more than all that is done with it: so they are left to gather for a tick, and what is to
// be sent meanwhile is sent at its end. With little traffic packets are read as they come and written at once.
//
// The socket is not among those that Go's runtime waits for: a packet would wake it although nobody waits. It is in a set
// of its own (epoll), with an interest in packets only while there are few, and it is that set that the runtime knows.
type batchSocket struct {
	fd    int
	local net.Addr
	log   logr.Logger
	set   *os.File
	wait  syscall.RawConn // of set

	// These belong to the one who reads.
	in      *batch
	got     int // packets in it
	next    int // of those, to be handed out
	traffic traffic
	due     time.Time          // the next tick
	arrived func(uintptr) bool // reads what has arrived; made once, for it is needed at every packet
	err     error              // arrived's

	mu      sync.Mutex // guards
	out     *batch
	queued  int  // packets in it
	collect bool // they wait for the end of the tick
	closed  bool
	dropped uint64 // since it was logged last
}

// newSocket takes a socket over.
func newSocket(conn *net.UDPConn, log logr.Logger) (socket, error) {
	s := &batchSocket{local: conn.LocalAddr(), log: log, fd: -1}
	if err := s.open(conn); err != nil {
		return nil, fmt.Errorf("taking the media port over: %w", err)
	}
	return s, conn.Close() // ours is a duplicate
}

func (s *batchSocket) open(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := raw.Control(func(fd uintptr) {
		s.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	}); err != nil || failed != nil {
		return errors.Join(err, failed)
	}
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err == nil {
		err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	}
	if err == nil {
		err = unix.SetNonblock(set, true) // which has os.NewFile make it known to the runtime
	}
	if err != nil {
		return errors.Join(err, unix.Close(s.fd))
	}
	s.set = os.NewFile(uintptr(set), "media port")
	if s.wait, err = s.set.SyscallConn(); err != nil {
		return errors.Join(err, s.set.Close(), unix.Close(s.fd))
	}
	v6 := !s.local.(*net.UDPAddr).AddrPort().Addr().Unmap().Is4()
	s.in, s.out = newBatch(v6), newBatch(v6)
	s.arrived = func(uintptr) bool {
		s.err = s.receive()
		return s.got > 0 || s.err != nil
	}
	return nil
}

// ReadFromAddrPort implements ice.AddrPortReaderWriter. As with any datagram, what b has no room for is lost.
func (s *batchSocket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		for s.next < s.got {
			raw, from, ok := s.in.received(s.next)
			s.next++
			if ok {
				return copy(b, raw), from, nil
			}
		}
		if err := patiently(s.log, s.fill); err != nil {
			return 0, netip.AddrPort{}, err
		}
	}
}

// fill reads what there is, and sends what has gathered.
func (s *batchSocket) fill() error {
	busy := s.traffic.busy
	if busy {
		// A batch that was full leaves no time to wait.
		if s.got < batchSize {
			now := time.Now()
			if s.due = s.due.Add(tick); now.After(s.due) {
				s.due = now // it fell behind, and does not make up for it
			}
			time.Sleep(s.due.Sub(now))
		}
		s.flush(true)
	}
	if err := s.read(!busy); err != nil {
		return err
	}
	now := time.Now()
	if s.traffic.saw(s.got, now); s.traffic.busy != busy {
		s.due = now
		s.flush(s.traffic.busy)
		return s.interest(s.traffic.busy)
	}
	return nil
}

// read reads a batch, and waits for its first packet if it may.
func (s *batchSocket) read(wait bool) error {
	s.got, s.next = 0, 0
	if !wait {
		return s.receive()
	}
	if err := s.wait.Read(s.arrived); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.closed {
			return net.ErrClosed
		}
		return err
	}
	return s.err
}

// receive does not wait.
func (s *batchSocket) receive() (err error) {
	s.mu.Lock() // so that the descriptor is ours still
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	s.got, err = s.in.receive(s.fd)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	return err
}

// interest has packets wake whoever waits, or not: when there are many, nobody does.
func (s *batchSocket) interest(busy bool) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN}
	if busy {
		e.Events = 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return net.ErrClosed
	}
	var err error
	if failed := s.wait.Control(func(set uintptr) { err = unix.EpollCtl(int(set), unix.EPOLL_CTL_MOD, s.fd, &e) }); failed != nil {
		return failed
	}
	return err
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s *batchSocket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, net.ErrClosed
	}
	if err := s.out.put(s.queued, b, to); err != nil {
		return 0, err
	}
	if s.queued++; s.collect && s.queued < batchSize {
		return len(b), nil
	}
	if err := s.sendLocked(); err != nil {
		return 0, err
	}
	return len(b), nil
}

// flush sends what has gathered, and says whether what comes next shall.
func (s *batchSocket) flush(collect bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.collect = collect
	if !s.closed && s.queued > 0 {
		_ = s.sendLocked() // who wrote is gone; it is logged
	}
}

// sendLocked sends all that is queued. A packet that cannot be sent is one that is lost on its way: nobody waits until
// there is room in the kernel, where the packets of all other calls would wait too.
func (s *batchSocket) sendLocked() (err error) {
	for from := 0; from < s.queued; {
		n, failed := s.out.send(s.fd, from, s.queued)
		switch {
		case failed == nil:
			from += n
			continue
		case errors.Is(failed, unix.EINTR):
			continue
		}
		from++ // the first is the one that failed
		err = failed
		if s.dropped++; s.dropped&(s.dropped-1) == 0 { // ever more seldom
			s.log.V(1).Info("sending from the media port failed", "error", failed.Error(), "packets", s.dropped)
		}
	}
	s.queued = 0
	return err
}

// Close implements net.PacketConn. What was written before it is sent.
func (s *batchSocket) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return net.ErrClosed
	}
	_ = s.sendLocked()
	s.closed = true
	err := unix.Close(s.fd)
	s.mu.Unlock()
	return errors.Join(err, s.set.Close())
}

// LocalAddr implements net.PacketConn.
func (s *batchSocket) LocalAddr() net.Addr { return s.local }

// ReadFrom implements net.PacketConn.
func (s *batchSocket) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := s.ReadFromAddrPort(b)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// WriteTo implements net.PacketConn.
func (s *batchSocket) WriteTo(b []byte, to net.Addr) (int, error) {
	a, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("%v is no UDP address", to)
	}
	return s.WriteToAddrPort(b, a.AddrPort())
}

// SetDeadline implements net.PacketConn. Reading ends with the socket alone, and writing never waits.
func (*batchSocket) SetDeadline(time.Time) error { return nil }

// SetReadDeadline implements net.PacketConn.
func (*batchSocket) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline implements net.PacketConn.
func (*batchSocket) SetWriteDeadline(time.Time) error { return nil }
