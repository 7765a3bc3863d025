// SPDX-License-Identifier: Apache-2.0

package media

// Parameters of the E-model (ITU-T G.107) at its defaults, with the equipment
// factors of G.711 with packet loss concealment (G.113 appendix I).
const (
	defaultR       = 93.2 // transmission rating with nothing wrong
	equipment      = 0    // Ie
	lossRobustness = 25.1 // Bpl
	packetMs       = 20.0
)

// meanOpinionScore estimates how a listener would rate the call, from 1 to 4.5,
// by the E-model. Delay is one-way: half the round trip, one packet, and what it
// waits before it is played. Loss is what a listener misses: also what came too late.
// G.113 has no factors for wideband codecs on this scale, so they are rated as G.711
// is: a little too low.
func meanOpinionScore(roundTripMs, waitMs, lossPercent float64) float64 {
	delay := roundTripMs/2 + packetMs + waitMs
	// Id, simplified as in Cole and Rosenbluth, "Voice over IP performance
	// monitoring" (2001): delay hurts more once it is past 177.3 ms.
	impairment := 0.024 * delay
	if delay > 177.3 {
		impairment += 0.11 * (delay - 177.3)
	}
	// Ie,eff for random loss (G.107 equation 7-29 with BurstR = 1).
	loss := equipment + (95-equipment)*lossPercent/(lossPercent+lossRobustness)

	// R to MOS (G.107 annex B).
	switch r := defaultR - impairment - loss; {
	case r <= 0:
		return 1
	case r >= 100:
		return 4.5
	default:
		return max(1+0.035*r+r*(r-60)*(100-r)*7e-6, 1)
	}
}
