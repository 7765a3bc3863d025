// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"math"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/splice"
)

// Stretching splices the sound once a frame: one period is left out or played twice.
const (
	minPeriod, maxPeriod = splice.MinPeriod, splice.MaxPeriod
	overlap              = splice.Overlap
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
		at, like := splice.BestMatch(x[:overlap], x[minPeriod:longest+overlap])
		if like < likeness*(1-hurry) {
			return
		}
		period = minPeriod + at
	}
	p.pcm = append(p.pcm[:p.head], splice.LeaveOut(x, period)...)
	p.stats.accelerated.Add(uint64(period))
	p.cooling = cooldown
}

// lengthen plays the last period that was played once more.
func (p *Playout) lengthen(hurry float64) {
	x := p.pcm[p.head-maxPeriod:] // the longest period, and then what is ready
	period := maxPeriod
	if !quiet(x[:maxPeriod+overlap]) {
		at, like := splice.BestMatch(x[maxPeriod:][:overlap], x[:maxPeriod-minPeriod+overlap])
		if like < likeness*(1-hurry) {
			return
		}
		period = maxPeriod - at
	}
	p.pcm = splice.Repeat(p.pcm, p.head, period)
	p.stats.expanded.Add(uint64(period))
	p.cooling = cooldown
}

// join continues what was there before from, and fades from that into what begins
// at it.
func (p *Playout) join(from int) {
	before, after := p.pcm[:from], p.pcm[from:]
	// The last period again and again.
	at, _ := splice.BestMatch(before[from-overlap:], before[from-overlap-maxPeriod:from-minPeriod])
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

func quiet(x []int16) bool { return audio.DBov(audio.Energy(x), len(x)) < quietDBov }
