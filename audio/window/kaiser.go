// SPDX-License-Identifier: Apache-2.0

// Package window has the window function that the audio filters are made with.
package window

import "math"

// Kaiser is the Kaiser window at x, from -1 at one end to 1 at the other, and zero
// beyond. Beta trades the width of a filter's transition for its stop band: 6 is
// about -60 dB, 9 about -90 dB.
func Kaiser(x, beta float64) float64 {
	if x < -1 || x > 1 {
		return 0
	}
	return bessel0(beta*math.Sqrt(1-x*x)) / bessel0(beta)
}

// bessel0 is the modified Bessel function of order zero, by its power series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-15; k++ {
		term *= (x / 2 / k) * (x / 2 / k)
		sum += term
	}
	return sum
}
