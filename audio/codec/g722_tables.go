// SPDX-License-Identifier: Apache-2.0

package codec

// The constants of ITU-T G.722 (09/2012), under the names the Recommendation
// gives them.

// qmf holds the coefficients h0, h2, h4 … h22 of the transmit and receive
// quadrature mirror filters (table 11); the odd ones are the same, backwards.
var qmf = [12]int32{3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11}

// q6 holds the decision levels of the 6-bit lower sub-band quantiser (table 14),
// from index 1; the last two only fill it up to a power of two.
var q6 = [32]int32{
	0, 35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714,
	786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919, 32767, 32767,
}

// iln and ilp are the lower sub-band's output codes for a negative and a positive
// difference (table 17).
var (
	iln = [31]uint8{
		0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19,
		18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
	}
	ilp = [31]uint8{
		0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47,
		46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32,
	}
)

// qm4 and qm6 are the inverse quantisers of the lower sub-band: four bits steer
// the predictor, six make the output (table 18).
var (
	qm4 = [16]int32{
		0, -20456, -12896, -8968, -6288, -4240, -2584, -1200,
		20456, 12896, 8968, 6288, 4240, 2584, 1200, 0,
	}
	qm6 = [64]int32{
		-136, -136, -136, -136, -24808, -21904, -19008, -16704,
		-14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856,
		-7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576,
		-3168, -2776, -2400, -2032, -1688, -1360, -1040, -728,
		24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192,
		10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456,
		4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032,
		1688, 1360, 1040, 728, 432, 136, -432, -136,
	}
)

// qm2 is the inverse quantiser of the higher sub-band (table 21), and ihn and ihp
// are its output codes by MIH (table 20).
var (
	qm2 = [4]int32{-7408, -1616, 7408, 1616}
	ihn = [3]uint8{0, 1, 0}
	ihp = [3]uint8{0, 3, 2}
)

// decisionHigh is the one decision level of the higher sub-band's quantiser.
const decisionHigh = 564

// wl4 and wh2 are the logarithmic multipliers W[RL42[]] and W[RH2[]] that adapt
// the quantisers' scale, already looked up by code (tables 15 and 22).
var (
	wl4 = [16]int32{-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60}
	wh2 = [4]int32{798, -214, 798, -214}
)

// The highest scale factors of the two sub-bands, and the shifts that fit them
// (LOGSCL, LOGSCH, SCALEL, SCALEH).
const (
	nbMaxLow, nbMaxHigh = 18432, 22528
	shiftLow, shiftHigh = 8, 10
)

// ilb is the inverse logarithm table of SCALEL and SCALEH (table 16).
var ilb = [32]int32{
	2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
	2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
}
