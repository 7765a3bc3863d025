// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// perfect is whether every sample was heard, nothing was made up, and the delay
// was within 60 ms.
func (r result) perfect(t *testing.T, spoken []int16, phase, within time.Duration) {
	t.Helper()
	delay, same := r.mouthToEar(spoken, phase)
	if !same || delay > within {
		t.Errorf("heard sample by sample: %v, after %v, want within %v", same, delay, within)
	}
	if s := r.stats; s.ConcealedSamples+s.AcceleratedSamples+s.ExpandedSamples+s.Late > 0 {
		t.Errorf("a network without a fault left %+v", s)
	}
}

func TestCleanNetworkIsHeardSampleBySampleWithin60ms(t *testing.T) {
	spoken := speech(t, "standup.wav")
	for _, phase := range []time.Duration{0, 1, 7, 13, 19} {
		phase *= time.Millisecond
		t.Run(phase.String(), func(t *testing.T) {
			r := call{spoken: spoken, phase: phase}.run(t)
			r.perfect(t, spoken, phase, 60*time.Millisecond)
			delay, _ := r.mouthToEar(spoken, phase)
			if r.stats.Delay+frameTime != delay {
				t.Errorf("a delay of %v is reported, and it is %v with the frame's own", r.stats.Delay, delay)
			}
			if played := len(spoken) / audio.FrameSamples; r.kinds[Played] < played || r.kinds[Concealed] > 1 { // after the end
				t.Errorf("frames %v, want %d played", r.kinds, played)
			}
		})
	}
}

func TestPacketsOfAnyLengthArePlayed(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	for _, length := range []int{10, 20, 40} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			r := call{spoken: spoken, samples: length * ms, phase: 3 * time.Millisecond}.run(t)
			r.perfect(t, spoken, 3*time.Millisecond, time.Duration(40+length)*time.Millisecond)
		})
	}
}

func TestClockThatIsLateNowAndThenIsNoJitter(t *testing.T) {
	spoken := speech(t, "standup.wav")
	tardy := func(i int) time.Duration { return time.Duration(i*7%11/9) * 18 * time.Millisecond } // 2 in 11 ticks
	r := call{spoken: spoken, phase: 3 * time.Millisecond, tardy: tardy}.run(t)
	r.perfect(t, spoken, 3*time.Millisecond, 60*time.Millisecond)
}

func TestDuplicatesAreHeardOnce(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	c := call{spoken: spoken, phase: 3 * time.Millisecond}
	c.network.DuplicatePercent = 100
	r := c.run(t)
	r.perfect(t, spoken, c.phase, 60*time.Millisecond)
	if packets := len(spoken) / audio.FrameSamples; r.stats.Duplicates != uint64(packets) {
		t.Errorf("%d duplicates, want %d", r.stats.Duplicates, packets)
	}
}

func TestReorderedPacketsAreHeardInOrder(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	c := call{spoken: spoken, phase: 3 * time.Millisecond, config: Config{MinDelay: 80 * time.Millisecond}}
	c.network.ReorderPercent, c.network.HoldBack = 20, 50*time.Millisecond
	r := c.run(t)
	r.perfect(t, spoken, c.phase, 120*time.Millisecond)
}

func TestFirstPacketsMayComeInAnyOrder(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	c := call{spoken: spoken, phase: 19 * time.Millisecond, config: Config{MinDelay: 80 * time.Millisecond}}
	c.held = func(i int) time.Duration { return time.Duration(max(3-i, 0)) * 25 * time.Millisecond }
	r := c.run(t)
	if s := r.stats; s.Late+s.Discarded+s.ConcealedSamples > 0 {
		t.Errorf("not all was heard: %+v", s)
	}
}

func TestLostPacketsAreRecoveredFromTheNext(t *testing.T) {
	spoken := speech(t, "standup.wav")
	c := call{spoken: spoken, phase: 3 * time.Millisecond, payloadType: typeCopying, config: Config{MinDelay: 60 * time.Millisecond}}
	lost := 0
	c.edit = func(i int, _ *Packet) bool {
		if i%5 == 3 {
			lost++
		}
		return i%5 != 3
	}
	r := c.run(t)
	if _, same := r.mouthToEar(spoken[:len(spoken)-5*audio.FrameSamples], c.phase); !same || r.stats.ConcealedSamples > 0 {
		t.Errorf("heard sample by sample: %v, %+v", same, r.stats)
	}
	if got := r.stats.RecoveredSamples / audio.FrameSamples; got < uint64(lost-1) || r.kinds[Recovered] < lost-1 {
		t.Errorf("%d packets recovered in %d frames of %d lost", got, r.kinds[Recovered], lost)
	}
}

func TestWhatIsLostIsConcealedAndTimeGoesOn(t *testing.T) {
	spoken := speech(t, "standup.wav")
	c := call{spoken: spoken, phase: 3 * time.Millisecond}
	lost := 0
	c.edit = func(i int, _ *Packet) bool {
		if i%20 >= 18 {
			lost++
		}
		return i%20 < 18
	}
	r := c.run(t)
	if got := r.stats.ConcealedSamples; got != uint64(lost*audio.FrameSamples) {
		t.Errorf("%d samples concealed, want %d", got, lost*audio.FrameSamples)
	}
	for _, p := range r.pieces(t, spoken, 1, c.phase, 45*time.Millisecond, 55*time.Millisecond) {
		if p.Correlation < 0.7 || p.LongestGap > 20*time.Millisecond {
			t.Errorf("at %v: %+v", p.at, p.Report)
		}
	}
}

// A sender's pause: the sequence goes on, the timestamp counts the time.
func TestPauseOfTheSenderIsSilenceNotLoss(t *testing.T) {
	tests := map[string]struct {
		from, to  int
		marker    bool
		minSilent int
	}{
		"short":             {100, 104, false, 0},
		"of 400 ms":         {100, 120, false, 5},
		"of 400 ms, marked": {100, 120, true, 5},
		"long":              {50, 200, false, 100},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			spoken := voice(6 * time.Second)
			clear(spoken[tc.from*audio.FrameSamples : tc.to*audio.FrameSamples])
			c := call{spoken: spoken, phase: 3 * time.Millisecond}
			left := uint16(tc.to - tc.from)
			c.edit = func(i int, p *Packet) bool {
				if i >= tc.to {
					p.Sequence -= left
					p.Marker = tc.marker && i == tc.to
				}
				return i < tc.from || i >= tc.to
			}
			silent := 0
			c.each = func(now time.Duration, k Kind, _ []int16, _ Stats) {
				if k == Silence && now > time.Second && now < 5*time.Second {
					silent++
				}
			}
			r := c.run(t)
			if r.stats.ConcealedSamples > 0 || silent < tc.minSilent {
				t.Errorf("%d samples concealed, %d frames of silence, want 0 and at least %d", r.stats.ConcealedSamples, silent, tc.minSilent)
			}
			for _, p := range r.pieces(t, spoken, 1, c.phase, 20*time.Millisecond, 60*time.Millisecond) {
				voiced := p.at+time.Second <= time.Duration(tc.from)*frameTime || p.at >= time.Duration(tc.to)*frameTime
				if voiced && p.Correlation < 0.95 {
					t.Errorf("at %v: %+v", p.at, p.Report)
				}
			}
		})
	}
}

// Telephone events have the stream's sequence numbers and go elsewhere.
func TestAudioAfterTelephoneEventsIsMarkedAndNotLost(t *testing.T) {
	spoken := voice(4 * time.Second)
	c := call{spoken: spoken, phase: 3 * time.Millisecond}
	c.edit = func(i int, p *Packet) bool {
		p.Marker = i == 108
		return i < 100 || i >= 108
	}
	if s := c.run(t).stats; s.ConcealedSamples > 0 {
		t.Errorf("%d samples concealed, want none", s.ConcealedSamples)
	}
}

func TestNothingIsHeardWhenNobodySends(t *testing.T) {
	c := call{spoken: voice(6 * time.Second), phase: 3 * time.Millisecond}
	c.edit = func(i int, _ *Packet) bool { return i >= 50 && i < 100 }
	c.each = func(now time.Duration, k Kind, frame []int16, _ Stats) {
		if now > time.Second && now < 3200*time.Millisecond {
			return
		}
		if k != Silence || audio.Energy(frame) > 0 {
			t.Fatalf("%v heard at %v, with energy %v", k, now, audio.Energy(frame))
		}
	}
	c.run(t)
}

func TestKindsHaveNames(t *testing.T) {
	for k, want := range map[Kind]string{Silence: "silence", Played: "played", Recovered: "recovered", Concealed: "concealed"} {
		if k.String() != want {
			t.Errorf("%v, want %v", k, want)
		}
	}
}

// Whoever is told of the packets that are played can make a stream of them again: what was lost is missing in it, recovered or
// not, and what was left out here is not.
func TestWhatIsPlayedIsTold(t *testing.T) {
	for name, payloadType := range map[string]uint8{"concealed": typeLinear, "recovered": typeCopying} {
		t.Run(name, func(t *testing.T) {
			var told []Taken
			p := New(Config{Decoder: decoders})
			hear := func(dst []int16, now time.Duration) {
				p.Frame(dst, now)
				for _, k := range p.Taken() {
					if len(k.Payload) != 2*audio.FrameSamples && payloadType == typeLinear {
						t.Errorf("a payload of %d bytes", len(k.Payload))
					}
					k.Payload = nil
					told = append(told, k)
				}
			}
			enc, spoken := newEncoder(payloadType), voice(3*time.Second)
			var frame [audio.FrameSamples]int16
			now := time.Duration(0)
			play := func(i int, lost bool) {
				payload := enc.encode(spoken[i*audio.FrameSamples:][:audio.FrameSamples])
				if !lost {
					p.Put(Packet{Sequence: uint16(65530 + i), Timestamp: uint32(i) * enc.step(audio.FrameSamples), PayloadType: payloadType, Payload: payload}, now)
				}
			}
			for i := range 50 {
				play(i, i == 20 || i == 30 || i == 31)
				hear(frame[:], now)
				now += frameTime
			}
			for i := range 40 { // the clock stood still
				play(50+i, false)
				now += frameTime
			}
			for range 10 {
				hear(frame[:], now)
				now += frameTime
			}
			if p.Stats().Discarded == 0 {
				t.Fatal("nothing was left out")
			}
			var missing []int64
			for i, k := range told {
				if k.PayloadType != payloadType || k.Samples != audio.FrameSamples || i > 0 && k.Place <= told[i-1].Place {
					t.Errorf("packet %d: %+v", i, k)
				}
				if k.Missing != 0 {
					missing = append(missing, k.Missing)
				}
			}
			if !slices.Equal(missing, []int64{1, 2}) {
				t.Errorf("missing before packets: %v", missing)
			}
		})
	}
}
