// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// bad is 5 % random loss, 2 % lost in bursts of 3, 60 ms of jitter and 1 % of the
// packets overtaken by the next one or two.
var bad = impair.Config{Seed: 1, LossPercent: 5, BurstPercent: 2, BurstPackets: 3,
	Jitter: 60 * time.Millisecond, ReorderPercent: 1, HoldBack: 30 * time.Millisecond}

func TestBadNetworkLeavesNoGapAndNoDriftIn10Minutes(t *testing.T) {
	tests := map[string]struct {
		payloadType uint8
		length      time.Duration
		every       int // second is compared
		correlation float64
		maxMade     float64 // percent concealed
	}{
		"linear for 10 minutes":     {typeQuick, 10 * time.Minute, 31, 0.85, 9.5},
		"G.711, every second":       {typeLaw, 20 * time.Second, 1, 0.8, 9.5},
		"with a copy, every second": {typeCopying, 20 * time.Second, 1, 0.95, 3.5},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spoken := looped(speech(t, "standup.wav"), tc.length)
			c := call{spoken: spoken, network: bad, payloadType: tc.payloadType, phase: 3 * time.Millisecond}
			r := c.run(t)
			var sum float64
			// The network takes up to 60 ms of it, the frame 20.
			pieces := r.pieces(t, spoken, tc.every, c.phase, 80*time.Millisecond, 160*time.Millisecond)
			for _, p := range pieces {
				sum += p.Correlation
				if p.LongestGap > 60*time.Millisecond {
					t.Errorf("at %v: a gap of %v", p.at, p.LongestGap)
				}
			}
			if mean := sum / float64(len(pieces)); mean < tc.correlation {
				t.Errorf("correlation %.3f on average, want %v", mean, tc.correlation)
			}
			if made := 100 * float64(r.stats.ConcealedSamples) / float64(len(spoken)); made > tc.maxMade {
				t.Errorf("%.1f %% concealed, want at most %v %%", made, tc.maxMade)
			}
			if r.worst > 140*time.Millisecond {
				t.Errorf("delay up to %v", r.worst)
			}
			if a, e := r.stats.AcceleratedSamples, r.stats.ExpandedSamples; float64(a+e) > 0.02*float64(len(spoken)) {
				t.Errorf("%d samples left out, %d put in", a, e)
			}
		})
	}
}

// A voice that never pauses shows every click and every gap, whatever the delay.
func TestConcealmentNeitherClicksNorLeavesGaps(t *testing.T) {
	tests := map[string]struct {
		payloadType uint8
		length      time.Duration
	}{
		"for 10 minutes": {typeQuick, 10 * time.Minute},
		"G.711":          {typeLaw, 20 * time.Second},
		"with a copy":    {typeCopying, 20 * time.Second},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spoken := voice(tc.length)
			r := call{spoken: spoken, network: bad, payloadType: tc.payloadType}.run(t)
			if own, heard := largestStep(spoken), largestStep(r.heard); heard*100 > own*115 {
				t.Errorf("a step of %d, the largest of the voice is %d", heard, own)
			}
			heard := r.heard[inSamples(500*time.Millisecond):len(spoken)]
			if gap := longestSilence(heard); gap > 60*time.Millisecond {
				t.Errorf("a gap of %v", gap)
			}
		})
	}
}

// longestSilence is how long blocks of 5 ms are at most below -50 dBov in a row, 20
// dB below the voice where it is weakest.
func longestSilence(x []int16) (longest time.Duration) {
	var run time.Duration
	for ; len(x) >= 5*ms; x = x[5*ms:] {
		if run += 5 * time.Millisecond; audio.DBov(audio.Energy(x[:5*ms]), 5*ms) >= -50 {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

func TestClockSkewIsAbsorbedWithoutAClick(t *testing.T) {
	tests := map[string]struct {
		spoken      []int16
		longest     time.Duration
		correlation float64
	}{
		"voice for 10 minutes": {voice(10 * time.Minute), 50 * time.Millisecond, 0.95},
		"speech":               {looped(speech(t, "standup.wav"), 2*time.Minute), 50 * time.Millisecond, 0.95},
		// Nothing in it is alike, so that only the hurry decides.
		"noise": {noise(time.Minute), 70 * time.Millisecond, 0.7},
	}
	for name, tc := range tests {
		for which, skew := range map[string]float64{"faster": 200, "slower": -200} {
			t.Run(name+", sender "+which, func(t *testing.T) {
				t.Parallel()
				c := call{spoken: tc.spoken, skew: skew, phase: 3 * time.Millisecond, payloadType: typeQuick}
				r := c.run(t)
				if own, heard := largestStep(c.spoken), largestStep(r.heard); heard > own {
					t.Errorf("a step of %d, the largest of the material is %d", heard, own)
				}
				s := r.stats
				if s.ConcealedSamples+s.Late+s.Discarded > 0 {
					t.Errorf("concealed or lost without loss: %+v", s)
				}
				if r.least < 20*time.Millisecond || r.worst > tc.longest {
					t.Errorf("delay from %v to %v, want 20 ms to %v", r.least, r.worst, tc.longest)
				}
				// What the clocks are apart, less what the delay may be off.
				apart := len(c.spoken) / 5000
				cut, other := int(s.AcceleratedSamples), int(s.ExpandedSamples)
				if skew < 0 {
					cut, other = other, cut
				}
				if off := int(inSamples(tc.longest)) / 2; cut < apart-2*off || cut > apart+off || other > 0 {
					t.Errorf("%d samples cut, %d the other way, want about %d and none", cut, other, apart)
				}
				var sum float64
				pieces := r.pieces(t, c.spoken, 31, c.phase, -100*time.Millisecond, 200*time.Millisecond)
				for _, p := range pieces {
					sum += p.Correlation
				}
				if mean := sum / float64(len(pieces)); mean < tc.correlation {
					t.Errorf("correlation %.3f on average, want %v", mean, tc.correlation)
				}
			})
		}
	}
}

// noise has no period to leave out.
func noise(d time.Duration) []int16 {
	out := make([]int16, inSamples(d))
	state := uint32(1)
	for i := range out {
		state = state*1664525 + 1013904223
		out[i] = int16(state>>16) / 8
	}
	return out
}

func TestDelayFollowsTheNetwork(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string]struct {
		jitter   func(i int) time.Duration // from 10 s to 20 s
		high     time.Duration             // delay reached meanwhile, at least …
		highest  time.Duration             // … and at most
		settles  time.Duration             // delay at the end, at most
		maxLost  uint64                    // samples
		discards uint64                    // packets
	}{
		"jitter comes and goes":    {func(i int) time.Duration { return time.Duration(i*37%8) * 10 * ms }, 85 * ms, 130 * ms, 60 * ms, 4000, 0},
		"the way becomes longer":   {func(int) time.Duration { return 100 * ms }, 100 * ms, 140 * ms, 60 * ms, 3000, 0},
		"stands still for 150 ms":  {func(i int) time.Duration { return max(150-time.Duration(i-500)*20, 0) * ms }, 130 * ms, 200 * ms, 60 * ms, 3200, 0},
		"stands still for 400 ms":  {func(i int) time.Duration { return max(400-time.Duration(i-500)*20, 0) * ms }, 20 * ms, 240 * ms, 60 * ms, 3200, 21},
		"stands still for 3 s":     {func(i int) time.Duration { return max(3000-time.Duration(i-500)*20, 0) * ms }, 20 * ms, 240 * ms, 60 * ms, 3200, 151},
		"the way becomes far away": {func(int) time.Duration { return 2000 * ms }, 20 * ms, 240 * ms, 60 * ms, 3200, 110},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var longest, last time.Duration
			c := call{spoken: voice(80 * time.Second), phase: 3 * ms, payloadType: typeQuick}
			c.held = func(i int) time.Duration {
				if i < 500 || i >= 1000 {
					return 0
				}
				return tc.jitter(i)
			}
			c.each = func(now time.Duration, _ Kind, _ []int16, s Stats) {
				if now > 10*time.Second && now < 25*time.Second {
					longest = max(longest, s.Delay)
				}
				last = s.Delay
			}
			r := c.run(t)
			if longest < tc.high || longest > tc.highest || last > tc.settles {
				t.Errorf("delay up to %v and in the end %v, want %v to %v and at most %v", longest, last, tc.high, tc.highest, tc.settles)
			}
			if s := r.stats; s.ConcealedSamples > tc.maxLost || s.Discarded+s.Late > tc.discards {
				t.Errorf("more lost than had to be: %+v", s)
			}
			if own, heard := largestStep(c.spoken), largestStep(r.heard); heard*100 > own*130 {
				t.Errorf("a step of %d, the largest of the voice is %d", heard, own)
			}
		})
	}
}

func TestDelayKeepsToItsBounds(t *testing.T) {
	spoken := speech(t, "standup.wav")
	c := call{spoken: spoken, config: Config{MinDelay: 90 * time.Millisecond}}
	if s := c.run(t).stats; s.Target != 90*time.Millisecond || s.Delay < s.Target || s.Delay > s.Target+20*time.Millisecond {
		t.Errorf("%+v, want a delay of about 90 ms", s)
	}
	c = call{spoken: spoken, config: Config{MaxDelay: 50 * time.Millisecond}, network: impair.Config{Jitter: 150 * time.Millisecond}}
	if s := c.run(t).stats; s.Target != 50*time.Millisecond {
		t.Errorf("%+v, want a target of 50 ms", s)
	}
}
