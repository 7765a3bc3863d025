// SPDX-License-Identifier: Apache-2.0

package mix

import "github.com/callfleet/callfleet/audio"

const (
	// ceiling is what a limiter lets through unchanged, -1 dB of full scale, and
	// the most that comes out.
	ceiling = 29204
	// piece is how far a limiter looks ahead, and delays what it hears: 1 ms.
	// Within that the gain falls to what the next piece needs, as fast as can be
	// without a click.
	piece = audio.SampleRate / 1000
	// release is the share of what is missing to a gain of one that comes back
	// with each piece: most of it after a second, slower than syllables.
	release = 1.0 / 300
	// whole is a gain from which on what is missing is not heard, 0.001 dB.
	whole = 0.9999
)

// Limiter turns sums into samples. As long as they are below the ceiling it changes
// nothing; what is above is turned down, together with what is around it, rather than
// cut off. The zero value is ready; one limiter serves one listener, whose audio it
// delays by 1 ms.
type Limiter struct {
	held [piece]int32
	lack float32 // what the gain lacks to one, at the end of the last piece
}

// limit takes a sum and writes the samples of 1 ms before it.
func (l *Limiter) limit(dst []int16, sum *frame) {
	for at := 0; at < len(sum); at += piece {
		next := (*[piece]int32)(sum[at:])
		l.piece((*[piece]int16)(dst[at:]), next)
		l.held = *next
	}
}

// piece writes what is held. Where it begins the gain already suits it, by the piece
// before; where it ends the gain suits the next one too.
func (l *Limiter) piece(dst *[piece]int16, next *[piece]int32) {
	from := 1 - l.lack
	to := from + l.lack*release
	if to > whole {
		to = 1
	}
	to = min(to, needed(&l.held), needed(next))
	l.lack = 1 - to
	if from == 1 && to == 1 {
		for i, v := range l.held {
			dst[i] = int16(v)
		}
		return
	}
	gain, step := from, (to-from)/piece
	for i, v := range l.held {
		gain += step
		dst[i] = int16(round(float32(v) * gain))
	}
}

// needed is the highest gain with which a piece stays below the ceiling.
func needed(p *[piece]int32) float32 {
	peak := int32(0)
	for _, v := range p {
		peak = max(peak, v, -v)
	}
	if peak <= ceiling {
		return 1
	}
	return ceiling / float32(peak)
}
