// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"math"

	"github.com/callfleet/callfleet/audio/window"
)

// The resampler's kernel is a sinc under a Kaiser window. With 32 zero crossings on
// each side and beta 9 it passes 85 % of the narrower band unchanged and is below
// -80 dB from 4 % above it; between its 512 points a crossing it is read with
// linear interpolation, whose error is below -110 dB.
const (
	crossings = 32
	density   = 512
	beta      = 9.0
	cutoff    = 0.945 // the middle of the transition
)

var kernel = func() [crossings*density + 2]float64 {
	var k [crossings*density + 2]float64
	for i := range k {
		x := float64(i) / density
		k[i] = sinc(x) * window.Kaiser(x/crossings, beta)
	}
	return k
}()

// Resample returns the clip at another sample rate. It is as long as before, to
// the sample. The clip itself is returned when it has that rate already.
func (c Clip) Resample(rate int) Clip {
	if rate == c.SampleRate || rate <= 0 || c.SampleRate <= 0 {
		return c
	}
	ratio := float64(rate) / float64(c.SampleRate)
	// The cut-off, as a part of the old band, and the kernel stretched to it.
	cut := cutoff * min(ratio, 1)
	reach := crossings / cut

	n := int(math.Round(float64(len(c.Samples)) * ratio))
	out := Clip{SampleRate: rate, Samples: make([]int16, n)}
	for i := range out.Samples {
		at := float64(i) / ratio
		first := max(int(math.Ceil(at-reach)), 0)
		last := min(int(math.Floor(at+reach)), len(c.Samples)-1)
		var sum float64
		for j := first; j <= last; j++ {
			sum += float64(c.Samples[j]) * tap(math.Abs(at-float64(j))*cut)
		}
		out.Samples[i] = toInt16(sum * cut)
	}
	return out
}

// tap reads the kernel at x zero crossings from its middle.
func tap(x float64) float64 {
	p := x * density
	i := int(p)
	if i > crossings*density {
		return 0
	}
	return kernel[i] + (p-float64(i))*(kernel[i+1]-kernel[i])
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
