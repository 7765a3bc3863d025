// SPDX-License-Identifier: Apache-2.0

// Package splice joins sound where nobody hears it: where it repeats itself, one period can be left out or come twice, and the
// ends fade into one another. That is WSOLA with one cut (Verhelst and Roelands, ICASSP 1993). Voices repeat themselves at
// their pitch.
package splice

import (
	"math"

	"github.com/callfleet/callfleet/audio"
)

const (
	ms = audio.SampleRate / 1000
	// MinPeriod and MaxPeriod are the periods that are looked for, in samples: 400 Hz to 67 Hz.
	MinPeriod = ms * 5 / 2
	MaxPeriod = 15 * ms
	// Overlap is how long one end fades into the other, and what is compared, in samples.
	Overlap = 10 * ms
)

// Fade writes to dst a cross-fade of that length from one to the other.
func Fade(dst, from, to []int16) {
	n := len(dst)
	for i := range dst {
		dst[i] = int16((int(from[i])*(n-i) + int(to[i])*i) / n)
	}
}

// BestMatch finds where within something is most like a piece, and how much: the normalised correlation, from -1 to 1.
func BestMatch(piece, within []int16) (at int, like float64) {
	// First every other place by every other sample, then around the best.
	at, _ = matchIn(piece, within, 0, len(within)-len(piece), 2)
	return matchIn(piece, within, max(at-2, 0), min(at+2, len(within)-len(piece)), 1)
}

func matchIn(piece, within []int16, from, to, step int) (at int, like float64) {
	var own int64
	for i := 0; i < len(piece); i += step {
		own += int64(piece[i]) * int64(piece[i])
	}
	at, like = from, -1
	for place := from; place <= to; place += step {
		var product, energy int64
		candidate := within[place:][:len(piece)]
		for i := 0; i < len(piece); i += step {
			product += int64(piece[i]) * int64(candidate[i])
			energy += int64(candidate[i]) * int64(candidate[i])
		}
		if norm := math.Sqrt(float64(own) * float64(energy)); norm > 0 && float64(product)/norm > like {
			at, like = place, float64(product)/norm
		}
	}
	return at, like
}

// LeaveOut leaves the period at the beginning of x out, and returns what is left, in the same place. It takes Overlap samples
// behind the period.
func LeaveOut(x []int16, period int) []int16 {
	var seam [Overlap]int16
	Fade(seam[:], x, x[period:])
	copy(x[period:], seam[:])
	return x[period:]
}

// Repeat plays the period before an index once more, and returns x with it. It takes Overlap samples from the index on.
func Repeat(x []int16, index, period int) []int16 {
	var seam [Overlap]int16
	Fade(seam[:], x[index:], x[index-period:])
	rest := x[index-period+Overlap:]
	x = append(x, x[:period]...) // whichever: it is written over
	copy(x[index+Overlap:], rest)
	copy(x[index:], seam[:])
	return x
}
