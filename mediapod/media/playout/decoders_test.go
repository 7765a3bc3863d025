// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"encoding/binary"
	"math"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/splice"
)

// The payload types of the tests.
const (
	typeLinear  = 96 // 16-bit samples, 16000 Hz
	typeCopying = 97 // the same, with a copy of the payload before
	typeLaw     = 8  // G.711 A-law, 8000 Hz
	typeFast    = 98 // 16-bit samples counted at 48000 Hz, like Opus
	typeQuick   = 99 // where the samples are found in what is spoken, for long tests
)

func decoders(payloadType uint8) (Decoder, int) {
	switch payloadType {
	case typeLinear:
		return &linear{}, 16000
	case typeCopying:
		return &copying{}, 16000
	case typeLaw:
		return codec.PCMA.NewDecoder(), 8000
	case typeFast:
		return &linear{}, 48000
	}
	return nil, 0
}

// quick decodes the place of the first sample, and how many there are.
type quick struct {
	repeater
	spoken []int16
}

func (q *quick) Decode(dst []int16, payload []byte) []int16 {
	at, n := binary.LittleEndian.Uint32(payload), binary.LittleEndian.Uint32(payload[4:])
	samples := q.spoken[at:][:n]
	q.hear(samples)
	return append(dst, samples...)
}

// repeater conceals much as G.711 appendix I does: it repeats the last pitch
// period and fades away, though in 120 ms rather than 60.
type repeater struct {
	heard  [3 * maxPeriod]int16
	period int // while concealing
	at     int
}

func (r *repeater) hear(x []int16) {
	r.period = 0
	if n := len(r.heard); len(x) >= n {
		copy(r.heard[:], x[len(x)-n:])
	} else {
		copy(r.heard[:], r.heard[len(x):])
		copy(r.heard[n-len(x):], x)
	}
}

func (r *repeater) Conceal(dst []int16, samples int) []int16 {
	n := len(r.heard)
	if r.period == 0 {
		at, _ := splice.BestMatch(r.heard[n-overlap:], r.heard[n-overlap-maxPeriod:n-minPeriod])
		r.period, r.at = maxPeriod-at, 0
	}
	step := int(r.heard[n-1]) - int(r.heard[n-1-r.period])
	for range samples {
		phase := r.at % r.period
		v := int(r.heard[n-r.period+phase]) + step*(r.period-phase)/r.period
		const whole, fading = 20 * ms, 100 * ms
		v = v * min(max(whole+fading-r.at, 0), fading) / fading
		dst = append(dst, int16(min(max(v, math.MinInt16), math.MaxInt16)))
		r.at++
	}
	return dst
}

// linear decodes 16-bit samples, the low byte first.
type linear struct{ repeater }

func (l *linear) Decode(dst []int16, payload []byte) []int16 {
	from := len(dst)
	for ; len(payload) >= 2; payload = payload[2:] {
		dst = append(dst, int16(binary.LittleEndian.Uint16(payload)))
	}
	l.hear(dst[from:])
	return dst
}

// copying is linear with each payload followed by the one before it.
type copying struct{ linear }

func (c *copying) Decode(dst []int16, payload []byte) []int16 {
	return c.linear.Decode(dst, payload[:len(payload)/2])
}

func (c *copying) Recover(dst []int16, next []byte) []int16 {
	return c.linear.Decode(dst, next[len(next)/2:])
}

// encoder makes payloads for one of the types.
type encoder struct {
	payloadType uint8
	law         codec.Encoder
	before      []byte
}

func newEncoder(payloadType uint8) *encoder {
	return &encoder{payloadType: payloadType, law: codec.PCMA.NewEncoder()}
}

func (e *encoder) encode(frame []int16) (payload []byte) {
	if e.payloadType == typeLaw {
		return e.law.Encode(nil, frame)
	}
	for _, v := range frame {
		payload = binary.LittleEndian.AppendUint16(payload, uint16(v))
	}
	if e.payloadType == typeCopying {
		own := payload
		if e.before == nil {
			e.before = make([]byte, len(own))
		}
		payload = append(payload[:len(own):len(own)], e.before...)
		e.before = own
	}
	return payload
}

// step is what a packet of so many samples adds to the timestamp.
func (e *encoder) step(samples int) uint32 {
	_, rate := decoders(e.payloadType)
	if e.payloadType == typeQuick {
		rate = audio.SampleRate
	}
	return uint32(samples * rate / audio.SampleRate)
}
