// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"fmt"
	"runtime"
	"slices"
	"unsafe"

	"github.com/callfleet/callfleet/audio"
)

// Config says how to encode.
type Config struct {
	// LowDelay uses the CELT layer alone (OPUS_APPLICATION_RESTRICTED_LOWDELAY):
	// a sixth of the CPU time and 4 ms less delay, and as good as the SILK layer
	// from about 40 kbit/s on. Without it libopus chooses for speech
	// (OPUS_APPLICATION_VOIP), which at these rates is SILK.
	LowDelay bool
	// Bitrate is in bit/s, 6000 to 510000 (RFC 6716 section 2.1.1).
	Bitrate int
	// Complexity is CPU time spent on quality, 0 to 10.
	Complexity int
	// FEC adds a coarse copy of each packet to the one after it (RFC 6716 section
	// 2.1.7). Only SILK has it, and only as much as LossPercent calls for.
	FEC bool
	// LossPercent is the loss to be prepared for, 0 to 100.
	LossPercent int
	// DTX makes packets that need not be sent when there is nothing to hear (RFC
	// 6716 section 2.1.9); Packet.DTX tells which. With LowDelay that is digital
	// silence alone.
	DTX bool
}

// LowDelay is how to encode for a clean network: the least CPU time and delay.
func LowDelay() Config { return Config{LowDelay: true, Bitrate: 48000, DTX: true} }

// Lossy is how to encode when packets get lost: fewer bits, and a spare copy.
func Lossy() Config {
	return Config{Bitrate: 32000, Complexity: 5, FEC: true, LossPercent: 10, DTX: true}
}

// MaxFrameBytes is the size of the largest packet of one frame, table of contents
// included (RFC 6716 section 3.2.1).
const MaxFrameBytes = 1276

// The constants of libopus's opus_defines.h.
const (
	applicationVoIP     = 2048
	applicationLowDelay = 2051

	setBitrate     = 4002
	setComplexity  = 4010
	setInbandFEC   = 4012
	setPacketLoss  = 4014
	setDTX         = 4016
	setSignal      = 4024
	signalVoice    = 3001
	setLSBDepth    = 4036
	lsbDepth16Bits = 16
)

// Encoder makes packets of 16 kHz mono samples. One encoder serves one stream, in
// order, from one goroutine.
type Encoder struct {
	lib    *Library
	state  *state
	c      caller
	config Config
	toc    byte // table of contents of the last packet
	silent silence
}

// NewEncoder returns a fresh encoder.
func (l *Library) NewEncoder(c Config) (*Encoder, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	e := &Encoder{lib: l, state: l.encoders.take()}
	if err := e.init(c); err != nil {
		return nil, err
	}
	return e, nil
}

// Configure changes how the following frames are encoded. The stream goes on: the
// decoder follows any change by itself.
func (e *Encoder) Configure(c Config) error {
	if err := c.validate(); err != nil {
		return err
	}
	if c.LowDelay != e.config.LowDelay {
		// An encoder cannot leave or enter the low-delay mode, so it starts afresh.
		return e.init(c)
	}
	return e.set(c)
}

func (c Config) validate() error {
	for _, f := range []struct {
		name            string
		is, least, most int
	}{
		{"bitrate", c.Bitrate, 6000, 510000},
		{"complexity", c.Complexity, 0, 10},
		{"loss percentage", c.LossPercent, 0, 100},
	} {
		if f.is < f.least || f.is > f.most {
			return fmt.Errorf("opus: the %s is %d; give one from %d to %d", f.name, f.is, f.least, f.most)
		}
	}
	return nil
}

func (e *Encoder) init(c Config) error {
	application := uintptr(applicationVoIP)
	if c.LowDelay {
		application = applicationLowDelay
	}
	_, err := result(e.c.call(e.lib.encoderInit, e.state.address(), audio.SampleRate, mono, application, 0, 0))
	runtime.KeepAlive(e.state)
	if err != nil {
		return fmt.Errorf("starting an encoder: %w", err)
	}
	e.silent = silence{}
	if err := e.set(c); err != nil {
		return err
	}
	e.state.trim()
	return nil
}

func (e *Encoder) set(c Config) error {
	for _, r := range [...]struct {
		request uintptr
		value   int
	}{
		{setBitrate, c.Bitrate},
		{setComplexity, c.Complexity},
		{setInbandFEC, number(c.FEC)},
		{setPacketLoss, c.LossPercent},
		{setDTX, number(c.DTX)},
		{setSignal, signalVoice},
		{setLSBDepth, lsbDepth16Bits},
	} {
		_, err := result(e.c.call(e.lib.encoderCtl, e.state.address(), r.request, uintptr(r.value), 0, 0, 0))
		runtime.KeepAlive(e.state)
		if err != nil {
			return fmt.Errorf("setting %d of an encoder to %d: %w", r.request, r.value, err)
		}
	}
	e.config = c
	return nil
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Encode appends the packet for one frame of 40, 80, 160, 320, 640 or 960 samples
// (2.5 to 60 ms). It does not allocate when dst has room for
// MaxFrameBytes.
func (e *Encoder) Encode(dst []byte, frame []int16) ([]byte, error) {
	if len(frame) == 0 {
		return dst, Error(1)
	}
	if e.config.DTX && e.config.LowDelay && e.silent.skip(frame) {
		return append(dst, e.toc&^3), nil
	}
	dst = slices.Grow(dst, MaxFrameBytes)
	n, err := result(e.c.call(e.lib.encode, e.state.address(),
		uintptr(unsafe.Pointer(&frame[0])), uintptr(len(frame)),
		uintptr(unsafe.Pointer(unsafe.SliceData(dst[len(dst):cap(dst)]))), MaxFrameBytes, 0))
	runtime.KeepAlive(e.state)
	if err != nil || n == 0 {
		return dst, err
	}
	dst = dst[:len(dst)+n]
	e.toc = dst[len(dst)-n]
	return dst, nil
}
