// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is more than what comes in a tick for a thousand calls: 50 packets.
const batchSize = 64

// batch is packets on their way between us and the kernel, in the kernel's terms.
type batch struct {
	v6      bool // the socket's family
	headers [batchSize]header
	vectors [batchSize]unix.Iovec
	// names has room for either family; an IPv4 address is laid out as in unix.RawSockaddrInet4.
	names   [batchSize]unix.RawSockaddrInet6
	packets [batchSize][maxDatagram]byte
}

// header is struct mmsghdr (recvmmsg(2)).
type header struct {
	unix.Msghdr
	length uint32
}

func newBatch(v6 bool) *batch {
	b := &batch{v6: v6}
	for i := range batchSize {
		b.vectors[i].Base = &b.packets[i][0]
		b.headers[i].Iov = &b.vectors[i]
		b.headers[i].SetIovlen(1)
		b.headers[i].Name = (*byte)(unsafe.Pointer(&b.names[i]))
	}
	return b
}

// receive reads as many packets as there are and have room. It does not wait, so the scheduler need not know of it.
func (b *batch) receive(fd int) (int, error) {
	for i := range b.headers {
		b.vectors[i].SetLen(maxDatagram)
		b.headers[i].Namelen = uint32(unsafe.Sizeof(b.names[i]))
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// received is a packet that was read; false if it is one that was cut off.
func (b *batch) received(i int) (raw []byte, from netip.AddrPort, ok bool) {
	h := &b.headers[i]
	return b.packets[i][:h.length], addrPort(&b.names[i]), h.Flags&unix.MSG_TRUNC == 0
}

// put queues a packet.
func (b *batch) put(i int, raw []byte, to netip.AddrPort) error {
	if len(raw) > maxDatagram {
		return fmt.Errorf("a packet of %d bytes is longer than %d", len(raw), maxDatagram)
	}
	n, err := setName(&b.names[i], to, b.v6)
	if err != nil {
		return err
	}
	copy(b.packets[i][:], raw)
	b.vectors[i].SetLen(len(raw))
	b.headers[i].Namelen = n
	return nil
}

// send gives packets from one on to the kernel, and returns how many it took: at least one, or it is the first that failed.
func (b *batch) send(fd, from, to int) (int, error) {
	n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.headers[from])), uintptr(to-from), unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	return int(n), nil
}

// addrPort reads an address of either family.
func addrPort(name *unix.RawSockaddrInet6) netip.AddrPort {
	// Ports are in the network's order, in the same place of both.
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
	if name.Family == unix.AF_INET {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port)
	}
	addr := netip.AddrFrom16(name.Addr)
	if name.Scope_id != 0 && addr.IsLinkLocalUnicast() {
		addr = addr.WithZone(strconv.FormatUint(uint64(name.Scope_id), 10))
	}
	return netip.AddrPortFrom(addr, port)
}

// setName writes an address for a socket of a family, and returns its length.
func setName(name *unix.RawSockaddrInet6, to netip.AddrPort, v6 bool) (uint32, error) {
	addr := to.Addr()
	if !v6 {
		if addr = addr.Unmap(); !addr.Is4() {
			return 0, fmt.Errorf("the media port is bound to an IPv4 address and cannot send to %s", to)
		}
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		v4.Family, v4.Addr = unix.AF_INET, addr.As4()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], to.Port())
		return unix.SizeofSockaddrInet4, nil
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: addr.As16()}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], to.Port())
	if zone := addr.Zone(); zone != "" {
		scope, err := scopeOf(zone)
		if err != nil {
			return 0, err
		}
		name.Scope_id = scope
	}
	return unix.SizeofSockaddrInet6, nil
}

// scopeOf is the number of an interface, by its number or name (RFC 4007 section 11).
func scopeOf(zone string) (uint32, error) {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("sending to zone %s: %w", zone, err)
	}
	return uint32(i.Index), nil
}
