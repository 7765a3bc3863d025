// SPDX-License-Identifier: Apache-2.0

package audio

import "math"

// SilenceDBov is the level of digital silence and the floor of every level:
// RFC 6464 section 3 has 127 steps below the overload point.
const SilenceDBov = -127

// Energy is the sum of the squared samples. Unlike a level it can be added up
// over frames.
func Energy(samples []int16) float64 {
	var sum int64
	for _, s := range samples {
		sum += int64(s) * int64(s)
	}
	return float64(sum)
}

// DBov turns an energy over n samples into dBov, decibels relative to the
// overload point: 0 is a square wave at full scale, a full-scale sine is -3
// (RFC 6464 section 3, RFC 6465 appendix).
func DBov(energy float64, n int) float64 {
	if n <= 0 || energy <= 0 {
		return SilenceDBov
	}
	const fullScale = 32768
	return max(10*math.Log10(energy/float64(n)/(fullScale*fullScale)), SilenceDBov)
}
