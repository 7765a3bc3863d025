// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"slices"

	"github.com/callfleet/callfleet/audio"
)

// G.722 at 64 kbit/s (mode 1): a quadrature mirror filter splits 16 kHz audio
// into two sub-bands of 8 kHz, and each is coded with adaptive differential PCM,
// six bits for the lower and two for the higher. One byte is two samples.

// history is how many samples the 24-tap mirror filters reach back; a ring of
// them is slid once per block instead of once per sample.
const history = 22

type g722Encoder struct {
	low, high band
	x         [history + 2*PayloadBytes]int32
}

func newG722Encoder() *g722Encoder {
	e := &g722Encoder{}
	e.low, e.high = newBands()
	return e
}

func (e *g722Encoder) Encode(dst []byte, frame []int16) []byte {
	for len(frame) >= 2 {
		n := min(len(frame)&^1, len(e.x)-history)
		for i, s := range frame[:n] {
			e.x[history+i] = int32(s)
		}
		for i := 0; i < n; i += 2 {
			// Transmit QMF (section 6.1.1)
			odd, even := mirror((*[24]int32)(e.x[i:]))
			dst = append(dst, e.encode((even+odd)>>14, (even-odd)>>14))
		}
		copy(e.x[:history], e.x[n:n+history])
		frame = frame[n:]
	}
	return dst
}

// encode codes one sample of each sub-band.
func (e *g722Encoder) encode(xlow, xhigh int32) byte {
	el := sat16(xlow - e.low.s) // SUBTRA
	ilow := quantLow(el, e.low.det)
	d := e.low.det * qm4[ilow>>2] >> 15 // INVQAL
	e.low.scale(wl4[ilow>>2], nbMaxLow, shiftLow)
	e.low.predict(d)

	eh := sat16(xhigh - e.high.s) // SUBTRA
	ihigh := quantHigh(eh, e.high.det)
	d = e.high.det * qm2[ihigh] >> 15 // INVQAH
	e.high.scale(wh2[ihigh], nbMaxHigh, shiftHigh)
	e.high.predict(d)

	return ihigh<<6 | ilow
}

// quantLow is QUANTL. The interval of the difference is found by halving, one bit
// of it at a time and without a branch, since none could be predicted.
func quantLow(el, det int32) uint8 {
	wd := el ^ el>>31 // el, or -(el+1)
	k := 0            // the number of decision levels not above wd
	for bit := 16; bit > 0; bit >>= 1 {
		next := k + bit
		if wd >= q6[next&31]*det>>12 {
			k = next
		}
	}
	k = min(k, len(ilp)-2) + 1
	if el < 0 {
		return iln[k]
	}
	return ilp[k]
}

// quantHigh is QUANTH.
func quantHigh(eh, det int32) uint8 {
	wd := eh
	if eh < 0 {
		wd = -(eh + 1)
	}
	mih := 1
	if wd >= decisionHigh*det>>12 {
		mih = 2
	}
	if eh < 0 {
		return ihn[mih]
	}
	return ihp[mih]
}

type g722Decoder struct {
	low, high band
	x         [history + 2*PayloadBytes]int32
	concealer concealer
}

func newG722Decoder() *g722Decoder {
	d := &g722Decoder{concealer: newConcealer(audio.SampleRate)}
	d.low, d.high = newBands()
	return d
}

func (d *g722Decoder) Decode(dst []int16, payload []byte) []int16 {
	for len(payload) > 0 {
		n := min(len(payload), PayloadBytes)
		from := len(dst)
		for i, code := range payload[:n] {
			rlow, rhigh := d.decode(code)
			at := history + 2*i
			d.x[at], d.x[at+1] = rlow+rhigh, rlow-rhigh
			// Receive QMF (section 6.2.2)
			odd, even := mirror((*[24]int32)(d.x[at-history:]))
			dst = append(dst, int16(sat16(even>>11)), int16(sat16(odd>>11)))
		}
		d.concealer.hear(dst[from:])
		copy(d.x[:history], d.x[2*n:2*n+history])
		payload = payload[n:]
	}
	return dst
}

func (d *g722Decoder) Conceal(dst []int16, samples int) []int16 {
	samples = max(samples, 0) &^ 1
	from := len(dst)
	dst = slices.Grow(dst, samples)[:from+samples]
	d.concealer.conceal(dst[from:])
	d.low.lose(samples, nbMaxLow, shiftLow)
	d.high.lose(samples, nbMaxHigh, shiftHigh)
	return dst
}

// decode makes one sample of each sub-band.
func (d *g722Decoder) decode(code byte) (rlow, rhigh int32) {
	ilow, ihigh := code&0x3F, code>>6

	// Lower sub-band: RECONS and LIMIT with all six bits, the predictor with four.
	rlow = limit15(d.low.s + d.low.det*qm6[ilow]>>15)
	dl := d.low.det * qm4[ilow>>2] >> 15 // INVQAL
	d.low.scale(wl4[ilow>>2], nbMaxLow, shiftLow)
	d.low.predict(dl)

	dh := d.high.det * qm2[ihigh] >> 15 // INVQAH
	rhigh = limit15(d.high.s + dh)      // RECONS and LIMIT
	d.high.scale(wh2[ihigh], nbMaxHigh, shiftHigh)
	d.high.predict(dh)
	return rlow, rhigh
}

// mirror is both mirror filters' sum: the samples of even and of odd age
// (the newest has age zero) with the coefficients forwards and backwards.
func mirror(x *[24]int32) (odd, even int32) {
	for i, h := range qmf {
		odd += x[2*i] * h
		even += x[23-2*i] * h
	}
	return odd, even
}

// limit15 is the block LIMIT.
func limit15(v int32) int32 { return min(max(v, -16384), 16383) }
