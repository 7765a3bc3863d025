// SPDX-License-Identifier: Apache-2.0

package measure

import (
	"math"
	"math/bits"
	"math/cmplx"
)

// crossCorrelate is the sum over i of (x[i]-mean) * y[i+lag] for every lag from
// -(len(x)-1) to len(y)-1, in that order. Both real sequences go through one
// complex transform, as its real and imaginary part.
func crossCorrelate(x []int16, mean float64, y []int16) []float64 {
	size := 1 << bits.Len(uint(len(x)+len(y)-2))
	z := make([]complex128, size)
	for i, v := range x {
		z[i] = complex(float64(v)-mean, 0)
	}
	for i, v := range y {
		z[i] += complex(0, float64(v))
	}
	fft(z)
	// With X and Y the transforms: X = (Z[k]+Z*[-k])/2, Y = (Z[k]-Z*[-k])/2i, and
	// the correlation's transform is X*.Y, whose value at -k is the conjugate.
	for k := 0; k <= size/2; k++ {
		a, b := z[k], cmplx.Conj(z[(size-k)%size])
		p := cmplx.Conj((a+b)/2) * ((a - b) / 2i)
		z[k], z[(size-k)%size] = p, cmplx.Conj(p)
	}
	// The inverse of a conjugate-symmetric spectrum is the forward transform read
	// backwards, over its size.
	fft(z)
	out := make([]float64, len(x)+len(y)-1)
	for i := range out {
		lag := i - (len(x) - 1)
		out[i] = real(z[((-lag)%size+size)%size]) / float64(size)
	}
	return out
}

// fft is the discrete Fourier transform in place, by decimation in time
// (Cooley and Tukey, 1965). The length is a power of two.
func fft(z []complex128) {
	n := len(z)
	if n < 2 {
		return
	}
	shift := 64 - bits.Len(uint(n-1))
	for i := range z {
		if j := int(bits.Reverse64(uint64(i)) >> shift); i < j {
			z[i], z[j] = z[j], z[i]
		}
	}
	twiddle := make([]complex128, n/2)
	for i := range twiddle {
		sin, cos := math.Sincos(-2 * math.Pi * float64(i) / float64(n))
		twiddle[i] = complex(cos, sin)
	}
	for half := 1; half < n; half *= 2 {
		stride := n / (2 * half)
		for at := 0; at < n; at += 2 * half {
			for k := range half {
				a, b := z[at+k], z[at+k+half]*twiddle[k*stride]
				z[at+k], z[at+k+half] = a+b, a-b
			}
		}
	}
}
