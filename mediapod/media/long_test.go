// SPDX-License-Identifier: Apache-2.0

package media

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// badNetwork is that of the issue: 5 % lost at random, 2 % in bursts of 3, 60 ms of jitter, 1 % overtaken.
var badNetwork = impair.Config{Seed: 7, LossPercent: 5, BurstPercent: 2, BurstPackets: 3,
	Delay: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, ReorderPercent: 1, HoldBack: 30 * time.Millisecond}

// onAndOn is a long call in which one side speaks the same over and over.
type onAndOn struct {
	talk  *talk
	said  []int16 // once
	heard []int16
	began time.Duration // of speaking, by the speaker's clock
}

// goOn lets a call last; the speaker's clock runs apart by skew, ppm.
func goOn(t *testing.T, c codec.Codec, network impair.Config, skew float64, length time.Duration) *onAndOn {
	t.Helper()
	said := recordingOf(t, "standup.wav")
	said = said[:len(said)/audio.FrameSamples*audio.FrameSamples]
	o := &onAndOn{talk: newTalk(c), said: said, began: 200 * time.Millisecond}
	k, tap := o.talk, &keeper{}
	k.skew = skew
	if network != (impair.Config{}) {
		k.there.transport.(*pipe).bad = impair.NewLink[[]byte](network)
	}
	k.here.call.AddTap(tap)
	k.pass(o.began)
	k.there.call.Play(clipIn(t, said), PlayOptions{Loop: true})
	k.pass(length)
	o.heard = tap.heard()
	if want := int((length + o.began) / audio.FrameDuration); len(tap.frames) != want {
		t.Errorf("%d frames were heard, want %d", len(tap.frames), want)
	}
	return o
}

// piece is a second that was said, as it was heard.
type piece struct {
	at time.Duration // when it was said, by the listener's clock
	measure.Report
}

// pieces compares a second of speech out of every so many. Delay is from when it was said.
func (o *onAndOn) pieces(t *testing.T, every time.Duration) (all []piece) {
	t.Helper()
	const second = audio.SampleRate
	for at := time.Duration(0); ; at += every {
		from := samplesIn(at) % len(o.said)
		from = min(from, len(o.said)-second)
		loops := samplesIn(at) / len(o.said)
		by := time.Duration(float64(o.began+lengthOf(loops*len(o.said)+from)) / (1 + o.talk.skew/1e6))
		// Something before, to see what comes too early, and something after for the way and the wait.
		begin := samplesIn(by) - second/10
		end := begin + second + second*2/5
		if end > len(o.heard) {
			return all
		}
		said := o.said[from : from+second]
		if audio.DBov(audio.Energy(said), second) < -40 { // a pause has no place
			continue
		}
		r, err := measure.Compare(said, o.heard[max(begin, 0):end], second)
		if err != nil {
			continue
		}
		r.Delay -= lengthOf(min(second/10, begin+second/10))
		all = append(all, piece{by, r})
	}
}

func samplesIn(d time.Duration) int {
	return int(d / time.Microsecond * audio.SampleRate / 1000000)
}

func lengthOf(samples int) time.Duration {
	return time.Duration(samples) * time.Second / audio.SampleRate
}

// step is the largest from one sample to the next: a click is one that the material does not have.
func step(x []int16) (largest int) {
	for i := 1; i < len(x); i++ {
		largest = max(largest, int(x[i])-int(x[i-1]), int(x[i-1])-int(x[i]))
	}
	return largest
}

// longCall is how long the calls of simulated time last.
const longCall = 10 * time.Minute

// withoutRaceDetector skips what the race detector would take minutes for and has nothing to see in: simulated time has one
// goroutine. The Makefile plays these once more without it.
func withoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("played without the race detector")
	}
}

// The clocks of both ends run apart by 200 ppm, 120 ms in ten minutes. The voice stays where it belongs, whole, and nobody
// hears where time is made up for.
func TestTenMinutesOfClocksThatRunApart(t *testing.T) {
	withoutRaceDetector(t)
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			// What the codec makes of the material by itself, in ten minutes: an adaptive one never makes quite the same.
			together := goOn(t, c, impair.Config{}, 0, longCall)
			own := step(together.heard)
			together.judge(t, together.pieces(t, longCall/30), 0.9, 20*time.Millisecond, 60*time.Millisecond)
			for _, skew := range []float64{200, -200} {
				t.Run(fmt.Sprintf("%+.0f ppm", skew), func(t *testing.T) {
					o := goOn(t, c, impair.Config{}, skew, longCall)
					a := o.talk.here.call.statsAt(o.talk.now).Audio
					if a.ConcealedPercent > 0.02 || a.LossPercent > 0 || a.PlayoutDelayMs > 60 {
						t.Errorf("stats %+v", a)
					}
					if heard := step(o.heard); heard > own {
						t.Errorf("a step of %d, the largest of clocks that run together is %d", heard, own)
					}
					// A faster speaker fills the buffer by up to a pitch period before it is cut.
					o.judge(t, o.pieces(t, longCall/30), 0.9, 20*time.Millisecond, 75*time.Millisecond)
				})
			}
		})
	}
}

// judge looks at pieces: their correlation on average, the longest gap, and how late each may be.
func (o *onAndOn) judge(t *testing.T, pieces []piece, correlation float64, gap, late time.Duration) {
	t.Helper()
	var sum float64
	var delays []time.Duration
	for _, p := range pieces {
		sum += p.Correlation
		delays = append(delays, p.Delay)
		if p.LongestGap > gap {
			t.Errorf("at %v: a gap of %v", p.at, p.LongestGap)
		}
		if p.Delay < 0 || p.Delay > late {
			t.Errorf("at %v: %v late, want 0 to %v", p.at, p.Delay, late)
		}
	}
	mean := sum / float64(len(pieces))
	t.Logf("%d pieces: correlation %.3f on average; %v to %v late", len(pieces), mean, slices.Min(delays), slices.Max(delays))
	if len(pieces) < 20 || mean < correlation {
		t.Errorf("%d pieces with a correlation of %.3f on average, want %.2f", len(pieces), mean, correlation)
	}
}

// Five of a hundred packets are lost, two more in bursts, some come late or out of order, for ten minutes: a call that people
// would hold, and its end is as its beginning.
func TestTenMinutesOfABadNetwork(t *testing.T) {
	withoutRaceDetector(t)
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			o := goOn(t, c, badNetwork, 0, longCall)
			a := o.talk.here.call.statsAt(o.talk.now).Audio
			t.Logf("%+v", a)
			if a.MOS < 3.3 || a.LossPercent < 6 || a.LossPercent > 8 || a.ConcealedPercent > 12 {
				t.Errorf("a call like that: %+v", a)
			}
			// The network takes 80 ms of it at the most, the frame 20; the rest is what the buffer waits.
			o.judge(t, o.pieces(t, longCall/30), 0.75, 60*time.Millisecond, 220*time.Millisecond)
		})
	}
}
