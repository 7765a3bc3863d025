// SPDX-License-Identifier: Apache-2.0

package story

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/media"
)

// TestWhatIsMeasuredIsTold, and what is not measured is not told as if it were nothing.
func TestWhatIsMeasuredIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		measured media.AudioStats
		want     callfleetv1.AudioStatus
	}{
		"everything": {
			media.AudioStats{
				Codec: "opus", PacketsReceived: 900, PacketsSent: 1000, LossPercent: 1.25, JitterMs: 3.6, RoundTripMs: 20.2, MOS: 4.123, EnergyDB: -31.4,
				PlayedOut: time.Minute, ConcealedPercent: 0.349, PlayoutDelayMs: 58.6, ReportedLossPercent: 2.04,
			},
			callfleetv1.AudioStatus{
				Codec: "opus", PacketsReceived: 900, PacketsSent: 1000, LossPercent: "1.2", JitterMs: 4, RoundTripMs: 21, MOS: "4.12", Energy: -31,
				ConcealedPercent: "0.3", PlayoutDelayMs: 59, ReportedLossPercent: "2.0",
			},
		},
		"nothing played out or sent": {
			media.AudioStats{PacketsReceived: 900, MOS: math.NaN(), EnergyDB: -127, ConcealedPercent: 5, PlayoutDelayMs: 60, ReportedLossPercent: 3},
			callfleetv1.AudioStatus{PacketsReceived: 900, LossPercent: "0.0", Energy: -127},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var st callfleetv1.CallStatus
			Story{Media: &media.Stats{Audio: tc.measured}}.Tell(&st, 1)
			if diff := cmp.Diff(&tc.want, st.Media.Audio); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
