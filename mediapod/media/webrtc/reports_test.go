// SPDX-License-Identifier: Apache-2.0

package webrtc

import (
	"testing"
	"time"
)

func TestRoundTrip(t *testing.T) {
	sent := time.Date(2026, 11, 22, 13, 0, 0, 250e6, time.UTC)
	for name, tc := range map[string]struct {
		lsr, dlsr uint32
		want      time.Duration
		ok        bool
	}{
		"120 ms, of which 80 were waiting": {middleNTP(sent), uint32(80 * 65536 / 1000), 40 * time.Millisecond, true},
		"no report of ours yet":            {0, 0, 0, false},
		"an answer before the question":    {middleNTP(sent), 10 << 16, 0, false},
		"made up":                          {middleNTP(sent.Add(-time.Hour)), 0, 0, false},
		"rounded to nothing":               {middleNTP(sent), uint32(121 * 65536 / 1000), 15 * time.Microsecond, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := roundTrip(sent.Add(120*time.Millisecond), tc.lsr, tc.dlsr)
			if ok != tc.ok || (got-tc.want).Abs() > time.Millisecond {
				t.Errorf("round trip %v, %v; want %v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}
