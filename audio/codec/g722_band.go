// SPDX-License-Identifier: Apache-2.0

package codec

import "math"

// band is one sub-band's adaptive quantiser and predictor (G.722 section 6.2.1):
// two poles, six zeros. Both encoder and decoder run it on the same codes and so
// stay in step. The lower-case names are those of the Recommendation.
type band struct {
	det int32 // quantiser scale factor
	nb  int32 // its logarithm
	s   int32 // predicted signal
	sz  int32 // its zero section's part

	r1 int32    // reconstructed signal of the last sample
	p1 int32    // partially reconstructed signal of the last sample
	p2 int32    // … and of the one before
	a1 int32    // pole coefficients
	a2 int32    //
	b  [6]int32 // zero coefficients
	d  [6]int32 // quantised differences, newest first
}

// A decoder and an encoder start from det alone (section 6.2.1.5, table 12).
func newBands() (low, high band) { return band{det: 32}, band{det: 8} }

// scale adapts the quantiser: LOGSCL and SCALEL, or LOGSCH and SCALEH.
func (b *band) scale(w, nbMax, shift int32) {
	b.nb = min(max(b.nb*127>>7+w, 0), nbMax)
	v := ilb[b.nb>>6&31]
	if n := shift - b.nb>>11; n >= 0 {
		b.det = v >> n << 2
	} else {
		b.det = v << -n << 2
	}
}

// predict takes the quantised difference of the current sample and makes the
// prediction of the next (blocks 4L and 4H).
func (b *band) predict(d int32) {
	r := sat16(b.s + d)  // RECONS
	p := sat16(b.sz + d) // PARREC

	// UPPOL2
	wd := min(sat16(b.a1<<2), 32767)
	if sameSign(p, b.p1) {
		wd = min(-wd, 32767)
	}
	a2 := wd>>7 + b.a2*32512>>15
	if sameSign(p, b.p2) {
		a2 += 128
	} else {
		a2 -= 128
	}
	a2 = min(max(a2, -12288), 12288)

	// UPPOL1
	a1 := b.a1 * 32640 >> 15
	if sameSign(p, b.p1) {
		a1 += 192
	} else {
		a1 -= 192
	}
	limit := 15360 - a2
	a1 = min(max(a1, -limit), limit)

	// UPZERO, DELAYA and FILTEZ in one walk from the oldest difference
	var step int32
	if d != 0 {
		step = 128
	}
	var sz int32
	for i := len(b.d) - 1; i >= 0; i-- {
		w := step
		if !sameSign(b.d[i], d) {
			w = -step
		}
		b.b[i] = sat16(w + b.b[i]*32640>>15)
		newer := d
		if i > 0 {
			newer = b.d[i-1]
		}
		b.d[i] = newer
		sz += b.b[i] * sat16(newer+newer) >> 15
	}
	b.sz = sat16(sz)

	// FILTEP, with the coefficients just made
	sp := sat16(a1*sat16(r+r)>>15 + a2*sat16(b.r1+b.r1)>>15)

	b.r1, b.p2, b.p1, b.a1, b.a2 = r, b.p1, p, a1, a2
	b.s = sat16(sp + b.sz) // PREDIC
}

// lose prepares for codes after a gap of so many 16 kHz samples, whose encoder has
// gone another way. The poles and zeros move inwards and the scale comes down by 3 dB
// for every 20 ms, so that what the two still differ in dies out sooner and does not
// ring: measured on speech, by half of the clicks and 3 dB of error two packets later.
func (b *band) lose(samples int, nbMax, shift int32) {
	for ; samples > 0; samples -= 2 * PayloadBytes {
		b.a1, b.a2 = b.a1*3/4, b.a2*9/16
		for i := range b.b {
			b.b[i] = b.b[i] * 3 / 4
		}
		b.nb -= 1024
		b.scale(0, nbMax, shift)
	}
}

// sameSign compares sign bits, so that zero counts as positive.
func sameSign(x, y int32) bool { return x^y >= 0 }

func sat16(v int32) int32 { return min(max(v, math.MinInt16), math.MaxInt16) }
