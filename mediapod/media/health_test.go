// SPDX-License-Identifier: Apache-2.0

package media

import (
	"testing"
	"time"
)

func TestHealth(t *testing.T) {
	const ms = time.Millisecond
	idle, busy, full := load{0.1, 0}, load{0.85, ms}, load{0.99, 50 * ms}
	for name, tc := range map[string]struct {
		before Health
		looks  []load
		want   Health
	}{
		"idle":                         {Normal, []load{idle}, Normal},
		"a busy second":                {Normal, []load{busy, busy, idle}, Normal},
		"busy for a while":             {Normal, []load{busy, busy, busy}, HeavilyLoaded},
		"late for a while":             {Normal, []load{{0.1, 15 * ms}, {0.1, 15 * ms}, {0.1, 15 * ms}}, HeavilyLoaded},
		"late for others' sake":        {Normal, []load{{0.09, time.Second}, {0.09, time.Second}, {0.09, time.Second}}, Normal},
		"a little less":                {HeavilyLoaded, []load{{0.75, ms}}, HeavilyLoaded},
		"less":                         {HeavilyLoaded, []load{{0.65, ms}}, Normal},
		"it gets worse step by step":   {Normal, []load{full, full, full}, HeavilyLoaded},
		"far too much":                 {Normal, []load{full, full, full, full, full, full}, Overloaded},
		"too much, then just too much": {Overloaded, []load{{0.92, ms}}, Overloaded},
		"too much, then much":          {Overloaded, []load{{0.85, ms}}, HeavilyLoaded},
		"too much, then nothing":       {Overloaded, []load{idle}, Normal},
	} {
		t.Run(name, func(t *testing.T) {
			health, worse := tc.before, 0
			for _, l := range tc.looks {
				health, worse = judge(health, l, worse)
			}
			if health != tc.want {
				t.Errorf("%v, want %v", health, tc.want)
			}
		})
	}
}

func TestTheDoctorSeesWork(t *testing.T) {
	var d doctor
	begin := time.Now()
	d.look(begin, 0)
	for time.Since(begin) < 50*time.Millisecond { // work
	}
	d.look(time.Now(), 30*time.Millisecond)
	if cpu, lag := d.cpu.Load(), time.Duration(d.lag.Load()); cpu <= 0.001 || cpu > 1.5 || lag < 30*time.Millisecond {
		t.Errorf("%.2f of the processors, a lag of %v", cpu, lag)
	}
}
