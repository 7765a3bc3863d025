// SPDX-License-Identifier: Apache-2.0

// Package ogg reads and writes Opus audio in Ogg files: the container of
// RFC 3533 and the mapping of RFC 7845.
//
// Time inside is counted in samples at 48 kHz whatever the packets hold
// (RFC 7845 section 4).
package ogg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/callfleet/callfleet/audio/opus"
)

// SampleRate is the rate in which Opus counts time.
const SampleRate = 48000

// PreRoll are the samples that a decoder needs to converge when it begins
// within a stream: 80 ms (RFC 7845 section 4.2).
const PreRoll = SampleRate / 1000 * 80

// maxPacketBytes is what up to 48 frames of 1275 bytes and their lengths may have
// (RFC 7845 section 6).
const maxPacketBytes = 61440

// Silence is a packet of 20 ms that decodes to zeros: a CELT frame in full band
// whose first symbol is the silence flag (RFC 6716 section 4.3). Unlike a packet
// left out, or a frame without bytes as DTX sends, it leaves a decoder nothing to
// conceal, so that no player stretches the last syllable into it. Do not change it.
var Silence = []byte{0xF8, 0xFF, 0xFE}

// Missing is the packet of one byte that stands for 20 ms of a stream that are missing, after a packet of it: a frame of no
// bytes in the same mode and bandwidth, at which decoders conceal (RFC 7845 section 4.1).
func Missing(after []byte) byte {
	toc := after[0] &^ 3 // one frame
	switch config := toc >> 3; {
	case config < 12: // SILK
		return toc&^(3<<3) | 1<<3
	case config < 16: // hybrid
		return toc | 1<<3
	}
	return toc | 3<<3 // CELT
}

// silenceSamples is what Silence lasts.
const silenceSamples = SampleRate / 1000 * 20

// Samples is how long a packet lasts, in samples at 48 kHz. The frames themselves are not looked at.
func Samples(packet []byte) (int, error) {
	if len(packet) > maxPacketBytes {
		return 0, fmt.Errorf("an Opus packet has %d bytes, at most %d are possible", len(packet), maxPacketBytes)
	}
	d, err := opus.Duration(packet)
	if err != nil {
		return 0, err
	}
	return int(d * SampleRate / time.Second), nil
}

// MayRepeat reports whether a packet may hold a copy of what the packet before
// it held: SILK and hybrid frames can, for forward error correction (RFC 6716
// section 2.1.7).
func MayRepeat(packet []byte) bool { return len(packet) > 0 && packet[0]>>3 < 16 }

func duration(samples int64) time.Duration {
	return time.Duration(samples/SampleRate)*time.Second + time.Duration(samples%SampleRate)*time.Second/SampleRate
}

// Head is the identification header (RFC 7845 section 5.1).
type Head struct {
	Channels int // 1 or 2
	// PreSkip are the samples at 48 kHz that a player decodes and throws away.
	PreSkip int
	// InputRate is the rate in Hz of what was encoded. It tells a person, not the decoder.
	InputRate int
	// GainQ8 is to be applied by the player, in dB of Q7.8.
	GainQ8 int16
}

const headBytes = 19

// Append appends the header as it stands in Ogg, and as CodecPrivate in Matroska.
func (h Head) Append(dst []byte) []byte {
	dst = append(dst, "OpusHead"...)
	dst = append(dst, 1, byte(h.Channels)) // version
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.PreSkip))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.InputRate))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(h.GainQ8))
	return append(dst, 0) // channel mapping family: mono or stereo
}

func (h Head) check() error {
	switch {
	case h.Channels != 1 && h.Channels != 2:
		return fmt.Errorf("the Opus stream has %d channels; encode it as mono or stereo", h.Channels)
	case h.PreSkip < 0 || h.PreSkip > 0xFFFF:
		return fmt.Errorf("an Opus stream cannot skip %d samples; at most 65535", h.PreSkip)
	}
	return nil
}

func parseHead(b []byte) (Head, error) {
	if len(b) < headBytes || string(b[:8]) != "OpusHead" {
		return Head{}, errors.New("the Ogg file holds no Opus audio; encode it with opusenc or ffmpeg -c:a libopus")
	}
	// The upper four bits are the major version (section 5.1, item 2).
	if b[8]>>4 != 0 {
		return Head{}, fmt.Errorf("the Opus stream has version %d; only 1 is known", b[8])
	}
	le := binary.LittleEndian
	h := Head{Channels: int(b[9]), PreSkip: int(le.Uint16(b[10:])), InputRate: int(le.Uint32(b[12:])), GainQ8: int16(le.Uint16(b[16:]))}
	if b[18] != 0 {
		return Head{}, fmt.Errorf("the Opus stream has %d channels in mapping family %d; encode it as mono or stereo", h.Channels, b[18])
	}
	return h, h.check()
}

// Tags is the comment header (RFC 7845 section 5.2).
type Tags struct {
	Vendor string
	// Comments are "NAME=value" each.
	Comments []string
}

func (t Tags) append(dst []byte) []byte {
	text := func(s string) {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(s)))
		dst = append(dst, s...)
	}
	dst = append(dst, "OpusTags"...)
	text(t.Vendor)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(t.Comments)))
	for _, c := range t.Comments {
		text(c)
	}
	return dst
}

func parseTags(b []byte) (t Tags, err error) {
	if len(b) < 8 || string(b[:8]) != "OpusTags" {
		return Tags{}, errors.New("the Opus stream has no comment header")
	}
	b = b[8:]
	number := func() (n int64) {
		if len(b) < 4 {
			err = errors.New("the Opus stream's comment header is cut short")
			return 0
		}
		n = int64(binary.LittleEndian.Uint32(b))
		b = b[4:]
		return n
	}
	text := func() string {
		n := number()
		if n > int64(len(b)) {
			err = errors.New("the Opus stream's comment header is cut short")
			return ""
		}
		s := string(b[:n])
		b = b[n:]
		return s
	}
	t.Vendor = text()
	for n := number(); n > 0 && err == nil; n-- {
		t.Comments = append(t.Comments, text())
	}
	if err != nil {
		return Tags{}, err
	}
	return t, nil
}
