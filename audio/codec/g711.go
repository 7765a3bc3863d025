// SPDX-License-Identifier: Apache-2.0

package codec

import "math/bits"

// G.711 is companded 8-bit PCM at 8 kHz: eight chords of sixteen steps, each
// chord twice as coarse as the one below it.

// muBias makes the chord boundaries of the mu-law powers of two (G.711 table 2a
// in 16-bit units: 33 << 2); muClip is the largest magnitude that then fits.
const (
	muBias = 0x84
	muClip = 32767 - muBias
)

// linearToMu is the mu-law of G.711 table 2. All bits are inverted on the wire.
func linearToMu(s int16) byte {
	v, sign := int(s), byte(0)
	if v < 0 {
		v, sign = -v, 0x80
	}
	v = min(v, muClip) + muBias
	chord := bits.Len(uint(v)) - 8
	return ^(sign | byte(chord<<4) | byte(v>>(chord+3)&0x0F))
}

// linearToA is the A-law of G.711 table 1. The even bits are inverted on the wire,
// and the sign bit is set for positive values.
func linearToA(s int16) byte {
	v, sign := int(s)>>3, byte(0xD5)
	if v < 0 {
		v, sign = ^v, 0x55
	}
	chord := max(bits.Len(uint(v))-5, 0)
	step := v >> 1
	if chord > 1 {
		step = v >> chord
	}
	return sign ^ (byte(chord<<4) | byte(step&0x0F))
}

var muToLinear, aToLinear = func() (mu, a [256]int16) {
	for i := range 256 {
		b := ^byte(i)
		v := (int(b&0x0F)<<3+muBias)<<(b>>4&7) - muBias
		if b&0x80 != 0 {
			v = -v
		}
		mu[i] = int16(v)

		b = byte(i) ^ 0x55
		v = int(b&0x0F)<<4 + 8
		if chord := b >> 4 & 7; chord > 0 {
			v = (v + 0x100) << (chord - 1)
		}
		if b&0x80 == 0 {
			v = -v
		}
		a[i] = int16(v)
	}
	return mu, a
}()

type g711Encoder struct {
	law  func(int16) byte
	down halver
}

func (e *g711Encoder) Encode(dst []byte, frame []int16) []byte {
	for i := 0; i+1 < len(frame); i += 2 {
		dst = append(dst, e.law(e.down.halve(frame[i], frame[i+1])))
	}
	return dst
}

// g711Decoder makes up what is lost at 8 kHz, so that the filter between the rates
// hears no break.
type g711Decoder struct {
	table     *[256]int16
	concealer concealer
	up        doubler
	narrow    [PayloadBytes]int16
}

func newG711Decoder(table *[256]int16) *g711Decoder {
	return &g711Decoder{table: table, concealer: newConcealer(8000)}
}

func (d *g711Decoder) Decode(dst []int16, payload []byte) []int16 {
	for len(payload) > 0 {
		n := min(len(payload), len(d.narrow))
		for i, b := range payload[:n] {
			d.narrow[i] = d.table[b]
		}
		d.concealer.hear(d.narrow[:n])
		dst = d.widen(dst, n)
		payload = payload[n:]
	}
	return dst
}

func (d *g711Decoder) Conceal(dst []int16, samples int) []int16 {
	for left := samples / 2; left > 0; {
		n := min(left, len(d.narrow))
		d.concealer.conceal(d.narrow[:n])
		dst = d.widen(dst, n)
		left -= n
	}
	return dst
}

func (d *g711Decoder) widen(dst []int16, n int) []int16 {
	for _, v := range d.narrow[:n] {
		x, y := d.up.double(v)
		dst = append(dst, x, y)
	}
	return dst
}
