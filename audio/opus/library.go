// SPDX-License-Identifier: Apache-2.0

// Package opus encodes and decodes Opus (RFC 6716) at 16 kHz mono with the
// system's libopus, which it loads at run time: the binary is built without cgo
// and runs without the library too, only without Opus. What can be told of a
// packet by its header alone is told without the library.
package opus

import (
	"fmt"
	"sync"
	"unsafe"
)

// Library is a loaded libopus. It stays loaded as long as the process runs, and
// serves any number of goroutines.
type Library struct {
	version string

	encoderInit, encode, encoderCtl uintptr
	decoderInit, decode             uintptr
	encoders, decoders              *states // for one channel
}

// Default is the library of the system, looked for once per process.
var Default = sync.OnceValues(func() (*Library, error) { return Load("") })

// Load opens the library at path; if that is empty, the system's
// (libopus.so.0, or opus.dll beside the executable or in System32).
func Load(path string) (*Library, error) {
	name := path
	if name == "" {
		name = systemName
	}
	l, err := load(name)
	if err != nil {
		return nil, fmt.Errorf("opus: %s cannot be used, so that G.722 is negotiated in its place; %s: %w", name, remedy, err)
	}
	return l, nil
}

func load(name string) (*Library, error) {
	find, err := open(name)
	if err != nil {
		return nil, err
	}
	l, c := &Library{}, caller{}
	var version, encoderSizeOf, decoderSizeOf uintptr
	for symbol, at := range map[string]*uintptr{
		"opus_get_version_string": &version,
		"opus_encoder_get_size":   &encoderSizeOf,
		"opus_encoder_init":       &l.encoderInit,
		"opus_encoder_ctl":        &l.encoderCtl,
		"opus_encode":             &l.encode,
		"opus_decoder_get_size":   &decoderSizeOf,
		"opus_decoder_init":       &l.decoderInit,
		"opus_decode":             &l.decode,
	} {
		if *at, err = find(symbol); err != nil {
			return nil, fmt.Errorf("looking for %s: %w", symbol, err)
		}
	}
	l.version = goString(c.call(version, 0, 0, 0, 0, 0, 0))
	encoderSize := int(int32(c.call(encoderSizeOf, mono, 0, 0, 0, 0, 0)))
	decoderSize := int(int32(c.call(decoderSizeOf, mono, 0, 0, 0, 0, 0)))
	if encoderSize <= 0 || decoderSize <= 0 {
		return nil, fmt.Errorf("its encoder takes %d bytes and its decoder %d", encoderSize, decoderSize)
	}
	l.encoders, l.decoders = newStates(encoderSize), newStates(decoderSize)
	return l, nil
}

// Version is what the library calls itself, such as "libopus 1.3.1".
func (l *Library) Version() string { return l.version }

// mono is the number of channels of everything here.
const mono = 1

// caller holds the arguments of one call, since a list of them made for each call
// would be allocated.
type caller struct{ args [6]uintptr }

// call calls a C function of up to six integers and pointers; those that it does
// not have are not looked at. Pointers have to be converted in the argument list:
// then what they point to is on the heap, and stays there until call returns.
//
//go:uintptrescapes
func (c *caller) call(fn, a, b, d, e, f, g uintptr) uintptr {
	c.args = [6]uintptr{a, b, d, e, f, g}
	return invoke(fn, &c.args)
}

// Error is a failure that libopus reports (opus_defines.h, sign reversed).
type Error uint8

// invalidPacket is OPUS_INVALID_PACKET.
const invalidPacket = Error(4)

func (e Error) Error() string {
	names := [...]string{"no error", "bad argument", "buffer too small", "internal error",
		"invalid packet", "not implemented", "invalid state", "out of memory"}
	if int(e) < len(names) {
		return "opus: " + names[e]
	}
	return fmt.Sprintf("opus: error %d", uint8(e))
}

// result reads a C int that is an error when it is negative.
func result(r uintptr) (int, error) {
	n := int32(r)
	if n < 0 {
		return 0, Error(-n)
	}
	return int(n), nil
}

// goString reads a C string.
func goString(at uintptr) string {
	if at == 0 {
		return ""
	}
	p := *(*unsafe.Pointer)(unsafe.Pointer(&at)) // C memory, which never moves
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
