// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/mediapod/media"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// TestMeasurementsAreToldNowAndThen: every half minute, and every ten seconds when they have become others.
func TestMeasurementsAreToldNowAndThen(t *testing.T) {
	told := media.AudioStats{PacketsReceived: 10, MOS: 4.2, LossPercent: 1, ConcealedPercent: 0.5}
	same, worse, lossy, missed, made := told, told, told, told, told
	same.PacketsReceived, same.JitterMs, same.EnergyDB, same.MOS = 5000, 9, -20, 4.1
	worse.MOS = 3.9
	lossy.LossPercent = 2.5
	missed.ReportedLossPercent = 1
	made.ConcealedPercent = 2
	for name, tc := range map[string]struct {
		now        media.AudioStats
		after      time.Duration
		worthwhile bool
	}{
		"the same, soon":                {same, 29 * time.Second, false},
		"the same, after half a minute": {same, 30 * time.Second, true},
		"worse, too soon":               {worse, 9 * time.Second, false},
		"worse":                         {worse, 10 * time.Second, true},
		"more is lost":                  {lossy, 10 * time.Second, true},
		"more is missed over there":     {missed, 10 * time.Second, true},
		"more is made up":               {made, 10 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
			r := &runner{toldAt: at}
			r.story.Signal.Phase = signaling.PhaseEstablished
			r.told = r.story
			r.told.Media, r.story.Media = &media.Stats{Audio: told}, &media.Stats{Audio: tc.now}
			if got := r.worthTelling(at.Add(tc.after)); got != tc.worthwhile {
				t.Errorf("worth telling: %t", got)
			}
		})
	}
}
