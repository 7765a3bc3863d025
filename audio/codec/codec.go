// SPDX-License-Identifier: Apache-2.0

// Package codec has the audio codecs that every WebRTC endpoint speaks and that
// need nothing but Go: G.722 (wideband) and G.711 in both laws (RFC 7874
// section 3). Whatever the codec, the samples on this side are 16 kHz: G.711's
// 8 kHz is resampled within.
package codec

import (
	"fmt"
	"strings"
)

// Codec is one audio format of the wire.
type Codec struct {
	// Name is the encoding name of RFC 3551, such as "PCMU".
	Name string
	// MimeType is "audio/" and the name.
	MimeType string
	// PayloadType is the static RTP payload type (RFC 3551 table 4).
	PayloadType uint8
	// ClockRate is that of the RTP timestamps. For G722 it is 8000 although it
	// samples at 16000: an old mistake that RFC 3551 section 4.5.2 keeps.
	ClockRate uint32
}

// The codecs, best first.
var (
	G722 = Codec{Name: "G722", MimeType: "audio/G722", PayloadType: 9, ClockRate: 8000}
	PCMU = Codec{Name: "PCMU", MimeType: "audio/PCMU", PayloadType: 0, ClockRate: 8000}
	PCMA = Codec{Name: "PCMA", MimeType: "audio/PCMA", PayloadType: 8, ClockRate: 8000}
)

// PayloadBytes is the size of one 20 ms packet's payload: all of these codecs
// are 64 kbit/s.
const PayloadBytes = 160

// TimestampStep is what one 20 ms packet adds to the RTP timestamp at the
// 8000 Hz that all of these codecs count in.
const TimestampStep = 160

// Encoder turns 16 kHz samples into payloads. It keeps the filters' state, so
// one encoder serves one stream, in order, from one goroutine.
type Encoder interface {
	// Encode appends the payload for one frame, usually 320 samples and always
	// an even number (an odd one out is dropped). It does not allocate when dst
	// has room.
	Encode(dst []byte, frame []int16) []byte
}

// Decoder turns payloads into 16 kHz samples. As with an Encoder, one decoder
// serves one stream.
type Decoder interface {
	// Decode appends two samples for every byte of payload. Every payload is
	// valid; it does not allocate when dst has room.
	Decode(dst []int16, payload []byte) []int16
}

// Supported lists the codecs in order of preference.
func Supported() []Codec { return []Codec{G722, PCMU, PCMA} }

// ByName finds a codec by its name ("G722") or MIME type ("audio/G722"),
// whatever the case: both are case-insensitive (RFC 8866 section 6.6).
func ByName(name string) (Codec, bool) {
	for _, c := range Supported() {
		if strings.EqualFold(name, c.Name) || strings.EqualFold(name, c.MimeType) {
			return c, true
		}
	}
	return Codec{}, false
}

// NewEncoder returns a fresh encoder. A Codec that is not one of Supported is a
// programming error and panics.
func (c Codec) NewEncoder() Encoder {
	switch c.Name {
	case G722.Name:
		return newG722Encoder()
	case PCMU.Name:
		return &g711Encoder{law: linearToMu}
	case PCMA.Name:
		return &g711Encoder{law: linearToA}
	}
	panic(fmt.Sprintf("codec: no encoder for %q", c.Name))
}

// NewDecoder returns a fresh decoder, under the same condition as NewEncoder.
func (c Codec) NewDecoder() Decoder {
	switch c.Name {
	case G722.Name:
		return newG722Decoder()
	case PCMU.Name:
		return &g711Decoder{table: &muToLinear}
	case PCMA.Name:
		return &g711Decoder{table: &aToLinear}
	}
	panic(fmt.Sprintf("codec: no decoder for %q", c.Name))
}
