// SPDX-License-Identifier: Apache-2.0

package window

import (
	"math"
	"testing"
)

func TestKaiser(t *testing.T) {
	tests := map[string]struct{ x, beta, want float64 }{
		"middle":            {0, 6, 1},
		"end is 1/I0(beta)": {1, 6, 1 / 67.23440697647798},
		"other end":         {-1, 6, 1 / 67.23440697647798},
		"beyond":            {1.001, 6, 0},
		"beta 0 is square":  {0.7, 0, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Kaiser(tc.x, tc.beta); math.Abs(got-tc.want) > 1e-12 {
				t.Errorf("Kaiser(%v, %v) = %v, want %v", tc.x, tc.beta, got, tc.want)
			}
		})
	}
}
