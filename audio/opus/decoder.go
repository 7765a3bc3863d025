// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"fmt"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"github.com/callfleet/callfleet/audio"
)

const (
	// maxPacketSamples is the longest packet, 120 ms (RFC 6716 section 3.2.5).
	maxPacketSamples = audio.SampleRate / 1000 * 120
	// granule is the shortest frame, 2.5 ms, and what every duration is made of.
	granule = audio.SampleRate / 400
)

// Decoder makes 16 kHz mono samples of packets, whatever bandwidth and number of
// channels they were made of. One decoder serves one stream, in order, from one
// goroutine; for each packet that is missing, Conceal or Recover takes the place
// of Decode. None of them allocates when dst has room.
type Decoder struct {
	lib   *Library
	state *state
	c     caller
}

// NewDecoder returns a fresh decoder.
func (l *Library) NewDecoder() (*Decoder, error) {
	d := &Decoder{lib: l, state: l.decoders.take()}
	_, err := result(d.c.call(l.decoderInit, d.state.address(), audio.SampleRate, mono, 0, 0, 0))
	runtime.KeepAlive(d.state)
	if err != nil {
		return nil, fmt.Errorf("starting a decoder: %w", err)
	}
	d.state.trim()
	return d, nil
}

// Decode appends the samples of a packet: 40 to 1920 of them. A packet that is
// malformed appends nothing and leaves the decoder as it was.
func (d *Decoder) Decode(dst []int16, packet []byte) ([]int16, error) {
	if len(packet) == 0 { // which libopus takes for a lost one
		return dst, ErrMalformed
	}
	p, err := Parse(packet)
	if err != nil {
		return dst, invalidPacket
	}
	return d.decode(dst, packet, int(p.Duration()*audio.SampleRate/time.Second), 0)
}

// Conceal appends samples, a multiple of 40, in place of a packet that was lost:
// what was heard goes on, and fades.
func (d *Decoder) Conceal(dst []int16, samples int) ([]int16, error) {
	return d.fill(dst, nil, samples)
}

// Recover appends samples, a multiple of 40, in place of a lost packet, from the
// copy that the next packet may hold of it (RFC 6716 section 2.1.7); without a
// copy it conceals. Afterwards next is to be decoded too.
func (d *Decoder) Recover(dst []int16, next []byte, samples int) ([]int16, error) {
	if len(next) == 0 {
		return dst, ErrMalformed
	}
	return d.fill(dst, next, samples)
}

func (d *Decoder) fill(dst []int16, next []byte, samples int) ([]int16, error) {
	if samples < 0 || samples%granule != 0 {
		return dst, fmt.Errorf("opus: cannot make up %d samples; ask for a multiple of %d", samples, granule)
	}
	for samples > 0 {
		now, from, fec := samples, next, uintptr(1)
		if next == nil {
			fec = 0
		}
		if now > maxPacketSamples { // the copy is of the end of the loss
			now, from, fec = maxPacketSamples, nil, 0
		}
		var err error
		if dst, err = d.decode(dst, from, now, fec); err != nil {
			return dst, err
		}
		samples -= now
	}
	return dst, nil
}

// decode appends up to so many samples, straight into dst: a buffer of its own would
// take as much memory as a fifth of the state.
func (d *Decoder) decode(dst []int16, packet []byte, samples int, fec uintptr) ([]int16, error) {
	dst = slices.Grow(dst, samples)
	n, err := result(d.c.call(d.lib.decode, d.state.address(),
		uintptr(unsafe.Pointer(unsafe.SliceData(packet))), uintptr(len(packet)),
		uintptr(unsafe.Pointer(unsafe.SliceData(dst[len(dst):cap(dst)]))), uintptr(samples), fec))
	runtime.KeepAlive(d.state)
	return dst[:len(dst)+n], err
}
