// SPDX-License-Identifier: Apache-2.0

//go:build linux

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
)

// load speaks on all calls in real time and hears what comes back. The calls are spread evenly over a frame's time, as
// they are in the world. It is one loop: a packet is sent when its time has come, and what has arrived on that call is
// read at the same time; the kernel has noted when it did. So it takes two system calls for a packet each way, and it
// is never woken by what the server does.
type load struct {
	calls    []*caller
	payloads [][]byte
	codec    codec.Codec
	began    time.Time
	sent     int // over all calls
	rx       receiver
	packet   []byte
	sealed   []byte
	heard    heard
	measured bool
	walked   *walked // nil: nobody walks through menus
}

// caller is a far side on the move.
type caller struct {
	*farSide
	sequence  uint16
	last      int64 // arrival, ns
	first     uint16
	highest   uint16
	any       bool
	received  int
	unordered int
	consent   time.Time
	walker    *walker // nil: it speaks all the time
}

// heard is what a measurement saw.
type heard struct {
	sent, received, expected int
	forged                   int
	pacing, lateness         histogram
}

// loss is the share of packets that did not come, by their numbers; of what was sent, if nothing came.
func (h *heard) loss() float64 {
	if h.expected == 0 {
		return 1
	}
	return max(0, 1-float64(h.received)/float64(h.expected))
}

func newLoad(sides []*farSide, c codec.Codec) *load {
	l := &load{codec: c, payloads: payloads(c), packet: make([]byte, 0, 1500), sealed: make([]byte, 1500)}
	for i, s := range sides {
		l.calls = append(l.calls, &caller{farSide: s, consent: time.Now().Add(time.Duration(i%100) * 20 * time.Millisecond)})
	}
	l.rx.init()
	return l
}

func (l *load) close() {
	for _, c := range l.calls {
		_ = unix.Close(c.fd)
	}
}

// walk has the callers walk through menus from now on.
func (l *load) walk() {
	l.walked = &walked{}
	for i, c := range l.calls {
		c.walker = newWalker(l.walked, i, time.Now())
	}
}

// run speaks for a while, and counts if it is to be measured. It goes on where it was.
func (l *load) run(ctx context.Context, length time.Duration, measure bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	step := audio.FrameDuration / time.Duration(len(l.calls))
	if l.sent == 0 {
		l.began = time.Now()
	}
	l.heard, l.measured = heard{}, measure
	if l.walked != nil {
		*l.walked = walked{}
	}
	for _, c := range l.calls {
		c.any, c.received, c.last = false, 0, 0
	}
	for end := time.Now().Add(length); ctx.Err() == nil; l.sent++ {
		due := l.began.Add(time.Duration(l.sent/len(l.calls))*audio.FrameDuration + time.Duration(l.sent%len(l.calls))*step)
		now := time.Now()
		if wait := due.Sub(now); wait > 0 {
			pause := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&pause, nil)
			now = time.Now()
		}
		if now.After(end) {
			break
		}
		l.heard.lateness.add(now.Sub(due))
		c := l.calls[l.sent%len(l.calls)]
		if err := l.hear(c); err != nil {
			return err
		}
		if err := l.speak(c, now); err != nil {
			return err
		}
	}
	for _, c := range l.calls {
		if c.any {
			l.heard.expected += int(c.highest-c.first) + 1
		}
		l.heard.received += c.received
	}
	return ctx.Err()
}

// speak sends a packet, and now and then a sign of consent.
func (l *load) speak(c *caller, now time.Time) error {
	payload := l.payloads[int(c.sequence)%len(l.payloads)]
	be := binary.BigEndian
	kind, timestamp := l.codec.PayloadType, uint32(c.sequence)*l.codec.TimestampStep
	if c.walker != nil {
		if key, ok := c.walker.press(timestamp, now); ok {
			kind, timestamp, payload = keysPayloadType, key.Timestamp, key.Payload[:]
			if key.Marker {
				kind |= 0x80
			}
		}
	}
	p := append(l.packet[:0], 0x80, kind)
	p = be.AppendUint16(p, c.sequence)
	p = be.AppendUint32(p, timestamp)
	p = be.AppendUint32(p, c.ssrc())
	p = append(p, payload...)
	c.sequence++
	if c.out != nil {
		var err error
		if p, err = c.out.EncryptRTP(l.sealed, p, nil); err != nil {
			return fmt.Errorf("encrypting: %w", err)
		}
	}
	if err := send(c.fd, p); err != nil {
		return err
	}
	l.heard.sent++
	if c.out == nil || now.Before(c.consent) {
		return nil
	}
	c.consent = now.Add(2 * time.Second)
	request, err := c.binding()
	if err != nil {
		return err
	}
	return send(c.fd, request)
}

// send does not wait: a socket that is full has lost a packet.
func send(fd int, p []byte) error {
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	if e != 0 && e != unix.EAGAIN && e != unix.ENOBUFS {
		return fmt.Errorf("sending: %w", e)
	}
	return nil
}

// hear reads what has arrived for a call.
func (l *load) hear(c *caller) error {
	for {
		n, err := l.rx.read(c.fd)
		if err != nil {
			return err
		}
		for i := range n {
			p, at := l.rx.packet(i)
			// RTP has 2 in its first bits, and RTCP behind them types that no codec has (RFC 5761).
			if len(p) < 12 || p[0]>>6 != 2 || p[1]&0x7F >= 64 && p[1]&0x7F < 96 {
				continue
			}
			l.count(c, p, at)
		}
		if n < batch {
			return nil
		}
	}
}

func (l *load) count(c *caller, p []byte, at int64) {
	sequence := binary.BigEndian.Uint16(p[2:])
	if c.in != nil && (c.walker != nil || sequence%64 == 0) { // that it is what it should be, now and then
		plain, err := c.in.DecryptRTP(l.sealed, p, nil)
		if err != nil {
			l.heard.forged++
			return
		}
		if c.walker != nil {
			c.walker.hear(plain[12:], time.Unix(0, at))
		}
	}
	switch {
	case !c.any:
		c.any, c.first, c.highest = true, sequence, sequence
	case int16(sequence-c.first) < 0: // from before
		return
	case int16(sequence-c.highest) > 0:
		c.highest = sequence
	}
	c.received++
	if c.last != 0 && c.walker == nil { // between prompts there are none
		l.heard.pacing.add((time.Duration(at-c.last) - audio.FrameDuration).Abs())
	}
	c.last = at
}

// batch is more than what comes on one call in a frame's time.
const batch = 8

// receiver reads several packets with one system call, with the times at which the kernel had them.
type receiver struct {
	headers [batch]struct {
		unix.Msghdr
		length uint32
	}
	vectors  [batch]unix.Iovec
	buffers  [batch][1500]byte
	controls [batch][64]byte
}

func (r *receiver) init() {
	for i := range batch {
		r.vectors[i].Base = &r.buffers[i][0]
		r.vectors[i].SetLen(len(r.buffers[i]))
		r.headers[i].Iov = &r.vectors[i]
		r.headers[i].SetIovlen(1)
		r.headers[i].Control = &r.controls[i][0]
	}
}

func (r *receiver) read(fd int) (int, error) {
	for i := range r.headers {
		r.headers[i].SetControllen(len(r.controls[i]))
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.headers[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	switch {
	case e == 0:
		return int(n), nil
	case errors.Is(e, unix.EAGAIN):
		return 0, nil
	}
	return 0, fmt.Errorf("receiving: %w", e)
}

// packet is one of those that were read, and its time in ns.
func (r *receiver) packet(i int) ([]byte, int64) {
	h := &r.headers[i]
	var at int64
	if control := r.controls[i][:h.Controllen]; len(control) >= unix.SizeofCmsghdr+16 {
		t := (*unix.Timespec)(unsafe.Pointer(&control[unix.CmsgLen(0)]))
		at = t.Nano()
	}
	return r.buffers[i][:h.length], at
}

// histogram counts times in steps of 10 µs, up to a second.
type histogram struct {
	counts [100_000]uint32
	total  int
}

func (h *histogram) add(d time.Duration) {
	h.counts[min(max(d/(10*time.Microsecond), 0), time.Duration(len(h.counts)-1))]++
	h.total++
}

// quantile is the time that so many do not exceed, in ms.
func (h *histogram) quantile(q float64) float64 {
	left := int(q * float64(h.total))
	for i, n := range h.counts {
		if left -= int(n); left < 0 {
			return float64(i) / 100
		}
	}
	return 0
}
