// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"math"

	"github.com/callfleet/callfleet/audio"
)

// Stretching is WSOLA (Verhelst and Roelands, ICASSP 1993) with one cut a frame:
// where the sound repeats itself, one period is left out or played twice, and the
// ends are cross-faded. Voices repeat themselves at their pitch.
const (
	// The periods that are looked for: 400 Hz to 67 Hz.
	minPeriod = ms * 5 / 2
	maxPeriod = 15 * ms
	// overlap is how long one end fades into the other, and what is compared.
	overlap = 10 * ms
	// lookahead is what must be ready for the longest period to be left out.
	lookahead = audio.FrameSamples + maxPeriod + overlap

	// After a break, a decoder's filters still hold what was before it for settling,
	// which is not heard, and then joining is how long the one fades into the other.
	settling = 2 * ms
	joining  = 5 * ms
)

const (
	// The delay may be so much longer than the target before it is shortened, and
	// so much shorter before it is made longer. The first is the longest period, so
	// that one never calls for the other.
	tooLong  = maxPeriod
	tooShort = 2 * ms
	// likeness is how well the ends have to correlate when the delay is barely
	// wrong. The further off it is, the less: at hurryLong or hurryShort beyond the
	// bounds, anything goes. What does not repeat itself, such as music or noise,
	// would else keep a drift of the clocks going for ever.
	likeness   = 0.9
	hurryLong  = 30 * ms
	hurryShort = 3 * ms
	// cooldown is how many frames are left alone after a cut.
	cooldown = 2
)

// stretch brings the delay closer to the target. A frame is ready, and stays so.
func (p *Playout) stretch() {
	if p.cooling--; p.cooling > 0 || p.gap > 0 || p.broken || p.turning() {
		return
	}
	error := p.offset() - p.delays.low - p.delays.target(p.min, p.max)
	switch {
	case error > tooLong:
		p.shorten(float64(error-tooLong) / hurryLong)
	case error < -tooShort:
		p.lengthen(float64(-error-tooShort) / hurryShort)
	}
}

// shorten leaves out a period of what is ready, less alike the greater the hurry,
// from 0 to 1.
func (p *Playout) shorten(hurry float64) {
	if p.fillAhead(lookahead); p.turning() {
		return
	}
	x := p.pcm[p.head:]
	longest := min(maxPeriod, len(x)-audio.FrameSamples)
	if longest < minPeriod {
		return
	}
	period := longest
	if !quiet(x[:longest+overlap]) {
		at, like := bestMatch(x[:overlap], x[minPeriod:longest+overlap])
		if like < likeness*(1-hurry) {
			return
		}
		period = minPeriod + at
	}
	var seam [overlap]int16
	fade(seam[:], x, x[period:])
	copy(x[period:], seam[:])
	p.pcm = append(p.pcm[:p.head], x[period:]...)
	p.stats.accelerated.Add(uint64(period))
	p.cooling = cooldown
}

// lengthen plays the last period that was played once more.
func (p *Playout) lengthen(hurry float64) {
	x := p.pcm[p.head-maxPeriod:] // the longest period, and then what is ready
	period := maxPeriod
	if !quiet(x[:maxPeriod+overlap]) {
		at, like := bestMatch(x[maxPeriod:][:overlap], x[:maxPeriod-minPeriod+overlap])
		if like < likeness*(1-hurry) {
			return
		}
		period = maxPeriod - at
	}
	var seam [overlap]int16
	fade(seam[:], x[maxPeriod:], x[maxPeriod-period:])
	rest := p.pcm[p.head-period+overlap:]
	p.pcm = append(p.pcm, x[:period]...) // whichever: it is written over
	copy(p.pcm[p.head+overlap:], rest)
	copy(p.pcm[p.head:], seam[:])
	p.stats.expanded.Add(uint64(period))
	p.cooling = cooldown
}

// join continues what was there before from, and fades from that into what begins
// at it.
func (p *Playout) join(from int) {
	before, after := p.pcm[:from], p.pcm[from:]
	// The last period again and again.
	at, _ := bestMatch(before[from-overlap:], before[from-overlap-maxPeriod:from-minPeriod])
	period := maxPeriod - at
	cycle := before[from-period:]
	// A period ends only roughly where the one before it did. What is missing is
	// made up for over its length.
	step := int(before[from-1]) - int(before[from-period-1])

	for i := range min(settling+joining, len(after)) {
		phase := i % period
		continued := int(cycle[phase]) + step*(period-phase)/period
		share := max(i-settling, 0)
		mixed := (continued*(joining-share) + int(after[i])*share) / joining
		after[i] = int16(min(max(mixed, math.MinInt16), math.MaxInt16))
	}
}

// fade writes to dst a cross-fade of that length from one to the other.
func fade(dst, from, to []int16) {
	n := len(dst)
	for i := range dst {
		dst[i] = int16((int(from[i])*(n-i) + int(to[i])*i) / n)
	}
}

func quiet(x []int16) bool { return audio.DBov(audio.Energy(x), len(x)) < quietDBov }

// bestMatch finds where within something is most like a piece, and how much: the
// normalised correlation.
func bestMatch(piece, within []int16) (at int, like float64) {
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
