// SPDX-License-Identifier: Apache-2.0

package jitter

import (
	"testing"

	"github.com/callfleet/callfleet/audio"
)

// numbered makes every sample of a packet the number in its first byte, so that a frame tells which packet it is.
func numbered(dst []int16, _ uint8, payload []byte) []int16 {
	for range len(payload) * 2 {
		dst = append(dst, int16(payload[0])*256)
	}
	return dst
}

type rig struct {
	*Buffer
	out []int // number heard per frame, 0 for nothing
}

func newRig() *rig { return &rig{Buffer: New(numbered)} }

func (r *rig) push(n int) { r.pushAt(n, 160) }

func (r *rig) pushAt(n, ticks int) {
	payload := make([]byte, ticks)
	payload[0] = byte(n)
	r.Push(uint32(4294967000)+uint32(n*ticks), 0, payload) // wraps around early
}

func (r *rig) pop(frames int) {
	for range frames {
		var f [audio.FrameSamples]int16
		if r.Pop(&f) {
			r.out = append(r.out, int(f[0])/256)
		} else {
			r.out = append(r.out, 0)
		}
	}
}

func (r *rig) want(t *testing.T, want ...int) {
	t.Helper()
	if len(r.out) != len(want) {
		t.Fatalf("heard %v, want %v", r.out, want)
	}
	for i := range want {
		if r.out[i] != want[i] {
			t.Fatalf("heard %v, want %v", r.out, want)
		}
	}
	r.out = nil
}

// waiting is what is heard until the first packet is due.
func waiting(then ...int) []int { return append(make([]int, Target-1), then...) }

func TestDelayIsFixedAndOrderRestored(t *testing.T) {
	r := newRig()
	for _, n := range []int{2, 1, 4, 3} {
		r.push(n)
		r.pop(1)
	}
	r.pop(Target - 1)
	r.want(t, waiting(1, 2, 3, 4)...)
}

func TestALostPacketLeavesAHoleAndMovesNothing(t *testing.T) {
	r := newRig()
	for _, n := range []int{1, 2, 4, 5} {
		r.push(n)
	}
	r.pop(Target - 1)
	r.want(t, waiting()...)
	r.pop(5)
	r.want(t, 1, 2, 0, 4, 5)
	if lost, _ := r.Losses(); lost != 1 {
		t.Errorf("lost = %d", lost)
	}
}

func TestAStallLongerThanTheDelayKeepsTheTimeBase(t *testing.T) {
	r := newRig()
	for n := 1; n <= 5; n++ {
		r.push(n)
	}
	r.pop(Target - 1 + 5 + 3) // three frames pass with nothing there
	r.out = nil
	for n := 6; n <= 14; n++ { // the sender catches up at once; 6, 7, 8 are too late
		r.push(n)
	}
	r.pop(6)
	r.want(t, 9, 10, 11, 12, 13, 14)
	if _, late := r.Losses(); late != 3 {
		t.Errorf("late = %d", late)
	}
}

func TestANewTalkspurtStartsWithTheFullDelay(t *testing.T) {
	r := newRig()
	r.push(1)
	r.pop(Target - 1 + 1 + idleAfter)
	r.out = nil
	r.push(50)
	r.push(51)
	r.pop(Target + 1)
	r.want(t, waiting(50, 51)...)
}

func TestASenderWhoseClockJumpedBackIsHeardAgain(t *testing.T) {
	r := newRig()
	for n := 40; n < 46; n++ {
		r.push(n)
	}
	r.pop(Target + 1)
	r.out = nil
	for n := 1; n <= 2*relateAfter+Target; n++ {
		r.push(n)
		r.pop(1)
	}
	heard := false
	for _, n := range r.out {
		heard = heard || n == relateAfter
	}
	if !heard {
		t.Errorf("packets after a jump back in time were never played: %v", r.out)
	}
}

func TestOtherPacketTimesWork(t *testing.T) {
	for name, ticks := range map[string]int{"10 ms": 80, "30 ms": 240, "60 ms": 480} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			for n := 1; n <= 24; n++ {
				r.pushAt(n, ticks)
			}
			r.pop(Target - 1)
			r.out = nil
			frames := 24 * ticks / 160
			r.pop(frames)
			for i, n := range r.out {
				if want := i*160/ticks + 1; n != want {
					t.Fatalf("frame %d is from packet %d, want %d: %v", i, n, want, r.out)
				}
			}
		})
	}
}

func TestSpareDelayIsGivenBackInSilenceOnly(t *testing.T) {
	loud := true
	b := New(func(dst []int16, _ uint8, payload []byte) []int16 {
		level := int16(0)
		if loud {
			level = 8000
		}
		for range len(payload) * 2 {
			dst = append(dst, level)
		}
		return dst
	})
	stamp := uint32(0)
	push := func() { b.Push(stamp, 0, make([]byte, 160)); stamp += 160 }
	depth := func() int { return len(b.packets) }
	for range 20 { // a burst: far more delay than needed
		push()
	}
	var f [audio.FrameSamples]int16
	for range 150 {
		push()
		b.Pop(&f)
	}
	if d := depth(); d < 20 {
		t.Fatalf("delay was cut in the middle of speech: %d frames wait", d)
	}
	loud = false
	for range 150 {
		push()
		b.Pop(&f)
	}
	if d := depth(); d > Target+slack+1 {
		t.Errorf("%d frames still wait after a pause, want about %d", d, Target+slack)
	}
}

// TestAMixerThatCatchesUpCutsNothing: after a stall packets wait that are about to be taken, one after the other. They are
// no spare delay, even at the moment at which measuring begins anew.
func TestAMixerThatCatchesUpCutsNothing(t *testing.T) {
	for stallAt := range 2 * window {
		b := New(func(dst []int16, _ uint8, payload []byte) []int16 {
			return append(dst, make([]int16, 2*len(payload))...)
		})
		stamp := uint32(0)
		push := func() { b.Push(stamp, 0, make([]byte, ticksPerFrame)); stamp += ticksPerFrame }
		var f [audio.FrameSamples]int16
		for at := range 4 * window {
			push()
			if at >= stallAt && at < stallAt+8 {
				continue // the mixer does not get the processor
			}
			b.Pop(&f)
			if at == stallAt+8 {
				for range 8 {
					b.Pop(&f)
				}
			}
		}
		// A packet is pushed before each frame is taken, so one fewer than the delay is left.
		if waiting := len(b.packets); waiting != Target-1 {
			t.Fatalf("a stall at frame %d: %d packets wait at the end, want %d", stallAt, waiting, Target-1)
		}
	}
}
