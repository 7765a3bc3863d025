// SPDX-License-Identifier: Apache-2.0

// Package codec has the audio codecs that a WebRTC endpoint speaks (RFC 7874
// section 3). G.722 (wideband) and G.711 in both laws are made here and always
// there; Opus is there when the system has libopus. Whatever the codec, the
// samples on this side are 16 kHz mono: G.711's 8 kHz is resampled within.
package codec

import (
	"fmt"
	"strings"

	"github.com/callfleet/callfleet/audio/opus"
)

// Codec is one audio format of the wire.
type Codec struct {
	// Name is the encoding name of RFC 3551 or RFC 7587, such as "PCMU".
	Name string
	// MimeType is "audio/" and the name.
	MimeType string
	// PayloadType is the static RTP payload type (RFC 3551 table 4), or for Opus,
	// which has none, the dynamic one that browsers offer it with.
	PayloadType uint8
	// ClockRate is that of the RTP timestamps. For G722 it is 8000 although it
	// samples at 16000: an old mistake that RFC 3551 section 4.5.2 keeps. For Opus
	// it is 48000 whatever it samples at (RFC 7587 section 4.1).
	ClockRate uint32
	// Channels is what the SDP says: 2 for Opus whatever is sent (RFC 7587 section
	// 7), else 1.
	Channels uint16
	// TimestampStep is what 20 ms add to the RTP timestamp.
	TimestampStep uint32
	// Fmtp holds the format parameters to answer with; "" for none.
	Fmtp string
}

// The codecs, best first.
var (
	// Opus asks for wideband mono, as it is decoded: a sender then spares the
	// bits, and the decoder half of the time. FEC and DTX are welcome.
	Opus = Codec{Name: "opus", MimeType: "audio/opus", PayloadType: 111, ClockRate: 48000, Channels: 2, TimestampStep: 960,
		Fmtp: "maxplaybackrate=16000;sprop-maxcapturerate=16000;stereo=0;maxaveragebitrate=48000;useinbandfec=1;usedtx=1"}
	G722 = Codec{Name: "G722", MimeType: "audio/G722", PayloadType: 9, ClockRate: 8000, Channels: 1, TimestampStep: TimestampStep}
	PCMU = Codec{Name: "PCMU", MimeType: "audio/PCMU", PayloadType: 0, ClockRate: 8000, Channels: 1, TimestampStep: TimestampStep}
	PCMA = Codec{Name: "PCMA", MimeType: "audio/PCMA", PayloadType: 8, ClockRate: 8000, Channels: 1, TimestampStep: TimestampStep}
)

// PayloadBytes is the size of one 20 ms packet's payload in all codecs but Opus:
// they are 64 kbit/s.
const PayloadBytes = 160

// MaxPayloadBytes is the most that a 20 ms packet's payload has in any codec.
const MaxPayloadBytes = opus.MaxFrameBytes

// TimestampStep is what one 20 ms packet adds to the RTP timestamp at the 8000 Hz
// that all codecs but Opus count in.
const TimestampStep = 160

// Encoder turns 16 kHz samples into payloads. It keeps the filters' state, so
// one encoder serves one stream, in order, from one goroutine.
type Encoder interface {
	// Encode appends the payload for one frame: 320 samples, or with all codecs
	// but Opus any even number (an odd one out is dropped). It appends nothing
	// when nothing need be sent, which is Opus's discontinuous transmission: the
	// timestamp goes on, the sequence number does not (RFC 7587 section 3.1.3).
	// It does not allocate when dst has room.
	Encode(dst []byte, frame []int16) []byte
}

// LossAdapter is implemented by encoders that can spend bits on packets that get
// lost: Opus.
type LossAdapter interface {
	// AdaptToLoss takes the share of packets, in percent, that the far side
	// reports to be lost.
	AdaptToLoss(percent float64)
}

// Decoder turns payloads into 16 kHz samples. As with an Encoder, one decoder
// serves one stream. For every packet that is lost, Conceal is called in the place
// of Decode.
type Decoder interface {
	// Decode appends the samples of a payload: two for every byte, or with Opus as
	// many as its header says, up to 1920. With all codecs but Opus every payload
	// is valid; one that is not is concealed. It does not allocate when dst has
	// room.
	Decode(dst []int16, payload []byte) []int16
	// Conceal appends samples, an even number (an odd one out is dropped), that go
	// on from what was heard and fade when the loss goes on. It does not allocate
	// when dst has room.
	Conceal(dst []int16, samples int) []int16
}

// Recoverer is implemented by decoders whose packets may hold a copy of what was
// in the one before: Opus.
type Recoverer interface {
	// Recover is for a loss whose next packet has arrived, and does better than
	// Conceal when that packet holds a copy. Afterwards next is to be decoded too.
	Recover(dst []int16, next []byte, samples int) []int16
}

// Supported lists the codecs that are always there, in order of preference.
func Supported() []Codec { return []Codec{G722, PCMU, PCMA} }

// All lists what this process can encode and decode, in order of preference: Opus
// first if it has libopus. If it has not, the error of opus.Default says why.
func All() []Codec {
	if _, err := opus.Default(); err != nil {
		return Supported()
	}
	return append([]Codec{Opus}, Supported()...)
}

// ByName finds one of Supported.
func ByName(name string) (Codec, bool) { return Find(Supported(), name) }

// Find finds a codec by its name ("G722") or MIME type ("audio/G722"), whatever the
// case: both are case-insensitive (RFC 8866 section 6.6).
func Find(codecs []Codec, name string) (Codec, bool) {
	for _, c := range codecs {
		if strings.EqualFold(name, c.Name) || strings.EqualFold(name, c.MimeType) {
			return c, true
		}
	}
	return Codec{}, false
}

// NewEncoder returns a fresh encoder. A Codec that is not one of All is a
// programming error and panics.
func (c Codec) NewEncoder() Encoder {
	switch c.Name {
	case Opus.Name:
		return newOpusEncoder()
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
	case Opus.Name:
		return newOpusDecoder()
	case G722.Name:
		return newG722Decoder()
	case PCMU.Name:
		return newG711Decoder(&muToLinear)
	case PCMA.Name:
		return newG711Decoder(&aToLinear)
	}
	panic(fmt.Sprintf("codec: no decoder for %q", c.Name))
}
