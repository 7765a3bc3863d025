// SPDX-License-Identifier: Apache-2.0

package codec

import "math"

// Losses of waveform codecs are filled in the manner of ITU-T G.711 Appendix I
// (09/99): the last pitch period goes on, then the last two and three so that it
// does not buzz, it fades from 10 ms on and is silent after 60 ms, and what
// follows the loss is faded in over it. Unlike there nothing is delayed to prepare
// for a loss: where it begins, the repetition is bent to meet the last sample.
// The times are the Appendix's, the rate is free.

// Times in milliseconds.
const (
	historyMs   = 49 // 3¼ of the longest pitch period (section I.2.2)
	leastPitch  = 5  // 200 Hz; of a higher voice it takes two periods or three
	mostPitch   = 15 // 66 Hz
	pitchWindow = 20
	blockMs     = 10 // attenuation and the number of periods are told in these
	silentMs    = 60
	mergeMs     = 4 // more of merging for each block after the first …
	mostMerge   = 10
	mostPeriods = 3
)

// concealer follows one decoded stream at perMs samples a millisecond.
type concealer struct {
	perMs   int
	history []int16 // heard last, newest at the end

	past     []float32 // the history when the loss began; nil before the first
	period   int
	overlap  int // a quarter of the period: what is faded over when it jumps
	lost     int // samples made since the loss began; 0 when there is none
	bend     float32
	now, was cycle
	merged   int // samples merged since the loss ended, if it did
	merging  int // of so many
}

// cycle is a place within the last periods of the past.
type cycle struct{ periods, at int }

func newConcealer(sampleRate int) concealer {
	perMs := sampleRate / 1000
	return concealer{perMs: perMs, history: make([]int16, historyMs*perMs)}
}

// hear takes the samples that follow, and merges them with what was made up.
func (c *concealer) hear(pcm []int16) {
	if c.lost > 0 {
		if c.merging == 0 {
			blocks := (c.lost - 1) / (blockMs * c.perMs)
			c.merging = min(c.overlap+blocks*mergeMs*c.perMs, mostMerge*c.perMs)
		}
		for i := range pcm[:min(len(pcm), c.merging-c.merged)] {
			c.merged++
			w := float32(c.merged) / float32(c.merging+1)
			pcm[i] = round16(float32(pcm[i])*w + c.next()*(1-w))
		}
		if c.merged == c.merging {
			c.lost, c.merged, c.merging = 0, 0, 0
		}
	}
	c.remember(pcm)
}

// conceal fills pcm.
func (c *concealer) conceal(pcm []int16) {
	if c.lost == 0 || c.merging > 0 {
		c.begin()
	}
	for i := range pcm {
		pcm[i] = round16(c.next())
	}
	c.remember(pcm)
}

func (c *concealer) remember(pcm []int16) {
	h := c.history
	if n := len(pcm); n < len(h) {
		copy(h, h[n:])
		copy(h[len(h)-n:], pcm)
	} else {
		copy(h, pcm[n-len(h):])
	}
}

func (c *concealer) begin() {
	if c.past == nil {
		c.past = make([]float32, len(c.history))
	}
	for i, v := range c.history {
		c.past[i] = float32(v)
	}
	x := c.past
	c.period = pitch(x, c.perMs)
	c.overlap = c.period / 4
	c.bend = x[len(x)-1] - x[len(x)-1-c.period]
	c.now, c.was = cycle{periods: 1}, cycle{}
	c.lost, c.merged, c.merging = 0, 0, 0
}

// next is the following sample of the made-up signal.
func (c *concealer) next() float32 {
	block := blockMs * c.perMs
	if n := c.lost / block; c.lost%block == 0 && n > 0 && n < mostPeriods {
		// The new cycle begins a period earlier, at the same phase.
		c.was, c.now = c.now, cycle{n + 1, c.now.at % c.period}
	}
	v := c.step(&c.now)
	since := c.lost % block
	if since < c.overlap && c.lost < mostPeriods*block {
		w := float32(since+1) / float32(c.overlap+1)
		if c.lost < block {
			v += c.bend * (1 - w)
		} else {
			v = v*w + c.step(&c.was)*(1-w)
		}
	}
	c.lost++
	return v * c.gain()
}

// gain falls by a fifth with each block after the first (section I.2.7).
func (c *concealer) gain() float32 {
	faded := float32(c.lost-blockMs*c.perMs) / float32((silentMs-blockMs)*c.perMs)
	return 1 - min(max(faded, 0), 1)
}

// step reads a cycle. Its last quarter of a period fades into what came before
// its beginning, so that it is continuous when it begins again.
func (c *concealer) step(y *cycle) float32 {
	length := y.periods * c.period
	at := historyMs*c.perMs - length + y.at
	v := c.past[at]
	if over := y.at - (length - c.overlap); over >= 0 {
		w := float32(over+1) / float32(c.overlap+1)
		v = v*(1-w) + c.past[at-length]*w
	}
	if y.at++; y.at == length {
		y.at = 0
	}
	return v
}

// pitch is the lag at which the end of x resembles most what was before: first
// among every second or fourth sample, then about the best (section I.2.3).
func pitch(x []float32, perMs int) int {
	step := perMs / 4
	best := bestLag(x, leastPitch*perMs, mostPitch*perMs, step, pitchWindow*perMs)
	from := max(best-step+1, leastPitch*perMs)
	return bestLag(x, from, min(best+step-1, mostPitch*perMs), 1, pitchWindow*perMs)
}

func bestLag(x []float32, from, to, step, window int) int {
	best, highest := from, float32(math.Inf(-1))
	end := x[len(x)-window:]
	for lag := from; lag <= to; lag += step {
		before := x[len(x)-window-lag : len(x)-lag]
		var product, energy float32
		for i := 0; i < window; i += step {
			product += end[i] * before[i]
			energy += before[i] * before[i]
		}
		if energy == 0 {
			continue
		}
		if r := product / float32(math.Sqrt(float64(energy))); r > highest {
			best, highest = lag, r
		}
	}
	return best
}
