// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"math"

	"github.com/callfleet/callfleet/audio/window"
)

// Between 16 kHz and 8 kHz stands a half-band low-pass filter: a windowed sinc
// whose every second coefficient is zero but the middle one, so in polyphase
// form one phase is a plain delay and the other has halfTaps multiplications
// after the symmetric samples are added. It passes speech up to 3.4 kHz, as
// G.712 asks, and what folds back lies above that.

// halfTaps is the number of distinct coefficients. 16 of them (a filter of 63
// taps, 31 samples or 1.9 ms of delay at 16 kHz) put 4.6 kHz at -60 dB.
const halfTaps = 16

// halfband holds the coefficients outside the middle, nearest first, for a
// filter of unit gain at 16 kHz (they sum to 1/4 on each side).
var halfband = func() (h [halfTaps]float32) {
	const beta = 6 // -60 dB
	var sum float64
	var c [halfTaps]float64
	for i := range c {
		n := float64(2*i + 1)
		c[i] = math.Sin(math.Pi*n/2) / (math.Pi * n) * window.Kaiser(n/(2*halfTaps), beta)
		sum += c[i]
	}
	for i := range c {
		h[i] = float32(c[i] * 0.25 / sum)
	}
	return h
}()

// line is a delay line of one polyphase branch, written twice so that the last
// 2*halfTaps samples are always one contiguous slice.
type line struct {
	buf [4 * halfTaps]float32
	pos int
}

// push takes a sample and returns the last 2*halfTaps samples, oldest first.
func (l *line) push(v float32) *[2 * halfTaps]float32 {
	l.buf[l.pos], l.buf[l.pos+2*halfTaps] = v, v
	l.pos = (l.pos + 1) % (2 * halfTaps)
	return (*[2 * halfTaps]float32)(l.buf[l.pos:])
}

// side is the branch with the coefficients. It is most of what G.711 costs, so that no addition waits for the one before it:
// there are four sums.
func side(w *[2 * halfTaps]float32) float32 {
	var a, b, c, d float32
	h, before, after := &halfband, (*[halfTaps]float32)(w[:halfTaps]), (*[halfTaps]float32)(w[halfTaps:])
	for i := 0; i < halfTaps; i += 4 {
		a += h[i] * (before[halfTaps-1-i] + after[i])
		b += h[i+1] * (before[halfTaps-2-i] + after[i+1])
		c += h[i+2] * (before[halfTaps-3-i] + after[i+2])
		d += h[i+3] * (before[halfTaps-4-i] + after[i+3])
	}
	return a + b + (c + d)
}

// halver makes one 8 kHz sample of every two 16 kHz samples.
type halver struct{ first, second line }

func (h *halver) halve(a, b int16) int16 {
	// The middle coefficient meets the second sample of the pair that is
	// halfTaps pairs old; the others meet the first ones around it.
	middle := h.second.push(float32(b))[halfTaps-1]
	return round16(0.5*middle + side(h.first.push(float32(a))))
}

// doubler makes two 16 kHz samples of every 8 kHz sample. Its gain is two, which
// makes up for the zeros between the samples.
type doubler struct{ l line }

func (d *doubler) double(v int16) (a, b int16) {
	w := d.l.push(float32(v))
	return int16(w[halfTaps-1]), round16(2 * side(w))
}

func round16(v float32) int16 {
	switch {
	case v >= math.MaxInt16:
		return math.MaxInt16
	case v <= math.MinInt16:
		return math.MinInt16
	case v < 0:
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}
