// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"math/rand/v2"
	"testing"

	"github.com/callfleet/callfleet/audio"
)

func TestDelaysAreLearnt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	tests := map[string]struct {
		packets   int
		transit   func(i int) int64 // ms
		low, high [2]int64          // ms, from and to
	}{
		"constant":               {1000, func(int) int64 { return 500 }, [2]int64{500, 500}, [2]int64{501, 501}},
		"negative":               {1000, func(int) int64 { return -500 }, [2]int64{-500, -500}, [2]int64{-499, -499}},
		"0 to 99 ms":             {5000, func(int) int64 { return random.Int64N(100) }, [2]int64{0, 4}, [2]int64{93, 99}},
		"one in a hundred late":  {5000, func(i int) int64 { return int64(i%100/99) * 200 }, [2]int64{0, 0}, [2]int64{1, 1}},
		"five in a hundred late": {5000, func(i int) int64 { return int64(i%100/95) * 200 }, [2]int64{0, 0}, [2]int64{201, 201}},
		"a step up":              {1020, func(i int) int64 { return int64(i/1000) * 100 }, [2]int64{0, 0}, [2]int64{101, 101}},
		"a step up, long ago":    {5000, func(i int) int64 { return int64(min(i/1000, 1)) * 100 }, [2]int64{100, 100}, [2]int64{101, 101}},
		"a step down":            {1050, func(i int) int64 { return 100 - int64(i/1000)*100 }, [2]int64{0, 0}, [2]int64{101, 101}},
		"a step down, long ago":  {4000, func(i int) int64 { return 100 - int64(min(i/1000, 1))*100 }, [2]int64{0, 0}, [2]int64{1, 1}},
		"far down":               {1001, func(i int) int64 { return -int64(i/1000) * 5000 }, [2]int64{-5000, -5000}, [2]int64{-4999, -4999}},
		"far up, for a moment":   {1010, func(i int) int64 { return int64(i/1000) * 5000 }, [2]int64{0, 0}, [2]int64{1, 1}},
		"far up, for good":       {1020, func(i int) int64 { return int64(i/1000) * 5000 }, [2]int64{5000, 5000}, [2]int64{5001, 5001}},
		"200 ppm":                {50000, func(i int) int64 { return int64(i) * 20 * 200 / 1e6 }, [2]int64{190, 199}, [2]int64{200, 201}},
		"-200 ppm":               {50000, func(i int) int64 { return -int64(i) * 20 * 200 / 1e6 }, [2]int64{-200, -199}, [2]int64{-197, -190}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var d delays
			for i := range tc.packets {
				d.take(tc.transit(i)*ms, int64(i)*audio.FrameSamples)
			}
			if low, high := d.low/ms, d.high/ms; low < tc.low[0] || low > tc.low[1] || high < tc.high[0] || high > tc.high[1] {
				t.Errorf("from %d to %d ms, want %v to %v", low, high, tc.low, tc.high)
			}
		})
	}
}

func TestTargetIsBounded(t *testing.T) {
	tests := map[string]struct{ spread, least, most, want int64 }{
		"no jitter":   {1, 20, 200, 23},
		"jitter":      {60, 20, 200, 82},
		"much jitter": {300, 20, 200, 200},
		"at least":    {1, 80, 200, 80},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			d := delays{low: 1000 * ms, high: (1000 + tc.spread) * ms}
			if got := d.target(tc.least*ms, tc.most*ms); got != tc.want*ms {
				t.Errorf("%d ms, want %d", got/ms, tc.want)
			}
		})
	}
}
