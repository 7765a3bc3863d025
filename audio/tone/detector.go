// SPDX-License-Identifier: Apache-2.0

package tone

import (
	"math"
	"math/cmplx"
	"time"

	"github.com/callfleet/callfleet/audio"
)

// The detector takes 10 ms at a time and judges the last 20 ms, so that a tone of 40
// ms always fills two of the windows, which are what a key takes, and one of 23 ms
// never does (Q.24 table A-1: 40 ms are accepted, less than 23 ms rejected).
const (
	block = audio.SampleRate / 100
	// needed is how many windows in a row begin a key.
	needed = 2
	// absent is how many without it end it: an interruption of 10 ms spoils three
	// and goes unnoticed, a pause of 40 ms spoils five.
	absent = 4
)

// What makes a window a key's. Each limit keeps from a side of what Q.24 has
// administrations accept; what is beyond is speech, or music.
const (
	// leastDBov is for each frequency: -25 dBm0 is accepted, and 0 dBm0 is -6.2
	// dBov.
	leastDBov = -36
	// The high frequency may be mostHigh times as strong as the low one, 4 dB
	// being accepted, and the low one mostLow times as the high one, 8 dB being.
	mostHigh, mostLow = 4.5, 10
	// alone is how much stronger a frequency is than the others of its group.
	alone = 6
	// pure is the least share of the two in all there is to hear.
	pure = 0.85
	// steady is the least energy of one 10 ms as a part of the other's: where only a
	// corner of one has sound its phase tells no frequency.
	steady = 0.5
	// mistuned is how far off a frequency may be: 1.5 % is accepted, 3.5 % is
	// rejected.
	mistuned = 0.025
)

// Event is a key that is pressed or let go.
type Event struct {
	// Key is one of 0123456789*#ABCD.
	Key byte
	// Pressed is true when the key begins.
	Pressed bool
	// Duration is how long a key was heard that is let go, to about 10 ms.
	Duration time.Duration
}

// Detector finds keys in what is heard. The zero value is ready. One detector
// serves one stream, from one goroutine.
type Detector struct {
	samples [block]int16
	filled  int
	last    spectrum
	torn    bool // something is lacking between last and what comes next

	key    byte // that is pressed, or 0
	since  int  // windows
	misses int
	next   byte // that was in the last windows …
	hits   int  // … of which there are so many
	events [4]Event
}

// spectrum is 10 ms at the eight frequencies, low ones first.
type spectrum struct {
	x      [8]complex128
	energy float64
}

// Hear takes samples, usually a frame, and returns what they bring. The events are
// valid until the next call, and there are at most four: of a longer piece, the
// first. It does not allocate.
func (d *Detector) Hear(pcm []int16) []Event {
	events := d.events[:0]
	for len(pcm) > 0 {
		n := copy(d.samples[d.filled:], pcm)
		pcm = pcm[n:]
		if d.filled += n; d.filled == block {
			d.filled = 0
			events = d.window(events)
		}
	}
	return events
}

// Lack tells that so many samples are lacking behind those that were heard, and nothing
// is known of them: the network lost them. A key that is pressed goes on, or begins,
// over them; to be heard as silence, or as what a decoder makes up, would end it and
// press it again.
func (d *Detector) Lack(samples int) {
	if d.key != 0 {
		d.since += samples / block
	}
	d.filled, d.torn = 0, true
}

func (d *Detector) window(events []Event) []Event {
	now := analyse(&d.samples)
	if d.torn { // the two would be judged as what they are not
		d.last, d.torn = now, false
		return events
	}
	heard := recognise(&d.last, &now)
	d.last = now
	if heard != 0 && heard == d.next {
		d.hits++
	} else {
		d.next, d.hits = heard, 1
	}
	if d.key != 0 {
		d.since++
		if d.misses++; heard == d.key {
			d.misses = 0
		}
		if other := heard != 0 && heard != d.key && d.hits >= needed; other || d.misses == absent {
			// The first window's 20 ms and one for each after it, the ones before
			// the key was sure included.
			heardFor := time.Duration(d.since-d.misses+needed+1) * 10 * time.Millisecond
			events = add(events, Event{Key: d.key, Duration: heardFor})
			d.key = 0
		}
	}
	if d.key == 0 && heard != 0 && d.hits >= needed {
		d.key, d.since, d.misses = heard, 0, 0
		events = add(events, Event{Key: heard, Pressed: true})
	}
	return events
}

func add(events []Event, e Event) []Event {
	if len(events) == cap(events) {
		return events
	}
	return append(events, e)
}

// step is what Goertzel's recursion needs for each frequency: twice the cosine, one
// sample's turn backwards, and that of a block.
var step = func() (s [8]struct {
	hz          float64
	cos2        float64
	back, block complex128
}) {
	for i := range s {
		s[i].hz = lowHz[i%4]
		if i >= 4 {
			s[i].hz = highHz[i%4]
		}
		w := 2 * math.Pi * s[i].hz / audio.SampleRate
		s[i].cos2 = 2 * math.Cos(w)
		s[i].back = cmplx.Rect(1, -w)
		s[i].block = cmplx.Rect(1, -w*block)
	}
	return s
}()

// analyse is the discrete Fourier transform of a block at the eight frequencies
// (Goertzel, 1958), if there is anything to hear.
func analyse(pcm *[block]int16) (s spectrum) {
	s.energy = audio.Energy(pcm[:])
	if audio.DBov(s.energy, block) < leastDBov-3 {
		return s
	}
	var s1, s2 [8]float64
	for _, v := range pcm {
		x := float64(v)
		for k := range s1 {
			s0 := x + step[k].cos2*s1[k] - s2[k]
			s1[k], s2[k] = s0, s1[k]
		}
	}
	for k := range s.x {
		// The sum's end is at the last sample; refer it to the block's beginning.
		y := complex(s1[k], 0) - step[k].back*complex(s2[k], 0)
		s.x[k] = y * step[k].block / step[k].back
	}
	return s
}

// recognise judges two blocks and returns their key, or 0.
func recognise(a, b *spectrum) byte {
	least := 2 * block * math.Pow(10, leastDBov/10.0) * 32768 * 32768
	if a.energy+b.energy < 2*least {
		return 0
	}
	row, low := strongest(a, b, 0)
	column, high := strongest(a, b, 4)
	switch {
	case low < least || high < least:
	case a.energy < steady*b.energy || b.energy < steady*a.energy:
	case high > mostHigh*low || low > mostLow*high:
	case low+high < pure*(a.energy+b.energy):
	default:
		return keys[4*row+column]
	}
	return 0
}

// strongest finds the one frequency of a group, and its energy; 0 when there is
// none, or it is not in tune.
func strongest(a, b *spectrum, group int) (best int, energy float64) {
	var power [4]float64
	for i := range power {
		k := group + i
		x := a.x[k] + b.x[k]*step[k].block
		power[i] = real(x)*real(x) + imag(x)*imag(x)
		if power[i] > power[best] {
			best = i
		}
	}
	for i, p := range power {
		if i != best && p*alone > power[best] {
			return best, 0
		}
	}
	k := group + best
	// From one block to the next the phase turns with the frequency.
	const seconds = float64(block) / audio.SampleRate
	off := cmplx.Phase(b.x[k]*cmplx.Conj(a.x[k])*step[k].block) / (2 * math.Pi * seconds)
	if math.Abs(off) > mistuned*step[k].hz {
		return best, 0
	}
	// What is between two bins of the transform shows in neither in full.
	seen := sinc(off * 2 * seconds)
	return best, power[best] / (seen * seen * block) // 2|X|²/N with N of two blocks
}

func sinc(x float64) float64 {
	if math.Abs(x) < 1e-6 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}
