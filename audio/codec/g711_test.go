// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"math"
	"testing"

	"github.com/callfleet/callfleet/audio"
)

// The tables are compared with what ffmpeg 5.1 decodes the bytes 0 to 255 to.
func TestG711DecodingTables(t *testing.T) {
	if got, want := sum(muToLinear[:]), "3dab54339e520bb2"; got != want {
		t.Errorf("mu-law table is %s, want %s", got, want)
	}
	if got, want := sum(aToLinear[:]), "e04788d110e58ff8"; got != want {
		t.Errorf("A-law table is %s, want %s", got, want)
	}
}

// G.711 decodes every code to the middle of the values that are coded with it
// (tables 1 and 2, notes). The laws cut their input to 14 and 13 bits first, by
// which the middle may be off, and the loudest interval has no end.
func TestG711DecodesToTheMiddle(t *testing.T) {
	tests := map[string]struct {
		law   func(int16) byte
		table *[256]int16
		cut   int
	}{
		"mu": {linearToMu, &muToLinear, 4},
		"A":  {linearToA, &aToLinear, 8},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			first, last, n := map[byte]int{}, map[byte]int{}, map[byte]int{}
			for v := math.MinInt16; v <= math.MaxInt16; v++ {
				code := tc.law(int16(v))
				if n[code] == 0 {
					first[code] = v
				}
				last[code] = v
				n[code]++
			}
			for code, count := range n {
				if last[code]-first[code]+1 != count {
					t.Errorf("%#02x is no interval: %d values from %d to %d", code, count, first[code], last[code])
				}
				if first[code] == math.MinInt16 || last[code] == math.MaxInt16 {
					continue
				}
				middle := (first[code] + last[code]) / 2
				if off := int(tc.table[code]) - middle; abs(off) > tc.cut {
					t.Errorf("%#02x is %d, %d off the middle of %d to %d", code, tc.table[code], off, first[code], last[code])
				}
			}
			for b, v := range tc.table {
				if got := tc.table[tc.law(v)]; got != v {
					t.Errorf("%#02x = %d does not survive: %d", b, v, got)
				}
			}
		})
	}
}

// What a telephone passes comes through level; what would fold back does not.
func TestG711Resampling(t *testing.T) {
	tests := map[string]struct {
		hz        float64
		low, high float64 // dB
	}{
		"300 Hz passes":        {300, -0.2, 0.2},
		"1 kHz passes":         {1000, -0.2, 0.2},
		"3.4 kHz passes":       {3400, -1, 0.2},
		"4.7 kHz is held back": {4700, -300, -50},
		"7 kHz is held back":   {7000, -300, -50},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var down halver
			var up doubler
			var in, out float64
			for i := range audio.SampleRate / 2 {
				a := tone(tc.hz, 2*i)
				b := tone(tc.hz, 2*i+1)
				x, y := up.double(down.halve(a, b))
				if i < 200 { // the filters fill
					continue
				}
				in += float64(a)*float64(a) + float64(b)*float64(b)
				out += float64(x)*float64(x) + float64(y)*float64(y)
			}
			got := 10 * math.Log10((out+1e-9)/in)
			t.Logf("%.2f dB", got)
			if got < tc.low || got > tc.high {
				t.Errorf("%v Hz came out at %.2f dB, want %v to %v", tc.hz, got, tc.low, tc.high)
			}
		})
	}
}

func tone(hz float64, i int) int16 {
	return int16(20000 * math.Sin(2*math.Pi*hz*float64(i)/audio.SampleRate))
}

func abs(v int) int { return max(v, -v) }
