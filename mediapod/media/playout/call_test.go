// SPDX-License-Identifier: Apache-2.0

package playout

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

const frameTime = audio.FrameDuration

var speech = audiotest.Speech

// looped repeats a piece for a time.
func looped(piece []int16, d time.Duration) []int16 {
	out := make([]int16, 0, int(inSamples(d))+len(piece))
	for len(out) < int(inSamples(d)) {
		out = append(out, piece...)
	}
	return out[:inSamples(d)]
}

// voice is a sum of harmonics whose pitch wanders, without a pause: a click has
// nowhere to hide. It repeats itself after 700 periods in 5 s.
func voice(d time.Duration) []int16 {
	out := make([]int16, 5*audio.SampleRate)
	phase := 0.0
	for i := range out {
		turn := 2 * math.Pi * float64(i) / float64(len(out))
		phase += 2 * math.Pi * (140 + 30*math.Sin(turn)) / audio.SampleRate
		v := 3000*math.Sin(phase) + 1500*math.Sin(2*phase) + 800*math.Sin(3*phase+1)
		out[i] = int16(v * (0.7 + 0.3*math.Sin(3*turn)))
	}
	return looped(out, d)
}

// largestStep is the furthest one sample is from the next.
func largestStep(x []int16) (step int) {
	before := int(x[0])
	for _, v := range x {
		step = max(step, int(v)-before, before-int(v))
		before = int(v)
	}
	return step
}

// call sends audio over a network to a Playout, in simulated time.
type call struct {
	spoken  []int16
	network impair.Config
	// phase is how long after a packet was sent the receiver's clock ticks.
	phase time.Duration
	// skew is how much faster the sender's clock runs, in parts per million.
	skew        float64
	payloadType uint8 // if zero, typeLinear
	samples     int   // of a packet; if zero, 320
	// tardy is how late the receiver's clock goroutine is at tick i.
	tardy  func(i int) time.Duration
	config Config
	// held is how long packet i is kept before the network gets it.
	held func(i int) time.Duration
	// edit changes packet i, and is false if it is not sent.
	edit func(i int, p *Packet) bool
	// each is told of every frame.
	each func(now time.Duration, kind Kind, frame []int16, s Stats)
}

func (c *call) slower(i int) time.Duration {
	if c.held == nil {
		return 0
	}
	return c.held(i)
}

// result is what was heard.
type result struct {
	heard  []int16
	kinds  map[Kind]int
	worst  time.Duration // longest delay of Stats
	least  time.Duration // shortest one
	stats  Stats
	frames int
}

func (c call) run(t testing.TB) result {
	t.Helper()
	if c.payloadType == 0 {
		c.payloadType = typeLinear
	}
	switch {
	case c.payloadType == typeQuick:
		c.config.Decoder = func(uint8) (Decoder, int) { return &quick{spoken: c.spoken}, audio.SampleRate }
	case c.config.Decoder == nil:
		c.config.Decoder = decoders
	}
	p := New(c.config)
	enc := newEncoder(c.payloadType)
	link := impair.NewLink[Packet](c.network)
	r := result{kinds: map[Kind]int{}, least: time.Hour}
	var frame [audio.FrameSamples]int16

	if c.samples == 0 {
		c.samples = audio.FrameSamples
	}
	packets := len(c.spoken) / c.samples
	interval := float64(inTime(int64(c.samples))) / (1 + c.skew/1e6)
	r.heard = make([]int16, 0, len(c.spoken)+audio.SampleRate)
	sent := 0
	for tick := 0; sent < packets || tick*audio.FrameSamples < len(c.spoken)+audio.SampleRate/2; tick++ {
		now := time.Duration(tick)*frameTime + c.phase
		if c.tardy != nil {
			now += c.tardy(tick)
		}
		// A packet is sent when the last of its samples was spoken.
		for at := time.Duration(float64(sent+1) * interval); sent < packets && at <= now; at = time.Duration(float64(sent+1) * interval) {
			packet := Packet{
				Sequence:    uint16(65500 + sent), // both wrap soon
				Timestamp:   uint32(math.MaxUint32-20000) + uint32(sent)*enc.step(c.samples),
				SSRC:        1,
				PayloadType: c.payloadType,
			}
			if said := c.spoken[sent*c.samples:][:c.samples]; c.payloadType == typeQuick {
				packet.Payload = binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, uint32(sent*c.samples)), uint32(c.samples))
			} else {
				packet.Payload = enc.encode(said)
			}
			if c.edit == nil || c.edit(sent, &packet) {
				link.Send(packet, at+c.slower(sent))
			}
			sent++
		}
		for packet, arrival, ok := link.Receive(now); ok; packet, arrival, ok = link.Receive(now) {
			p.Put(packet, arrival)
		}
		kind := p.Frame(frame[:], now)
		r.kinds[kind]++
		r.frames++
		r.heard = append(r.heard, frame[:]...)
		r.stats = p.Stats()
		if kind == Played {
			r.worst, r.least = max(r.worst, r.stats.Delay), min(r.least, r.stats.Delay)
		}
		if c.each != nil {
			c.each(now, kind, frame[:], r.stats)
		}
	}
	return r
}

// piece is what was heard of a piece of speech.
type piece struct {
	measure.Report
	at time.Duration // in what was spoken
}

// pieces compares the speech that begins at every so many seconds, 0.6 s of it,
// with what was heard from least to most later. Pauses are left out.
func (r result) pieces(t testing.TB, spoken []int16, every int, phase, least, most time.Duration) (all []piece) {
	t.Helper()
	const length = 600 * ms
	for from := 0; from+length <= len(spoken); from += every * audio.SampleRate {
		said := spoken[from:][:length]
		if audio.DBov(audio.Energy(said), length) < -35 {
			continue
		}
		start := max(from+int(inSamples(least-phase)), 0)
		heard := r.heard[start:min(from+length+int(inSamples(most-phase)), len(r.heard))]
		report, err := measure.Compare(said, heard, audio.SampleRate)
		if err != nil {
			t.Fatal(err)
		}
		report.Delay += inTime(int64(start-from)) + phase
		all = append(all, piece{report, inTime(int64(from))})
	}
	return all
}

// mouthToEar is how much later spoken is heard, in the listener's time, and
// whether nothing else was: every sample the same.
func (r result) mouthToEar(spoken []int16, phase time.Duration) (delay time.Duration, same bool) {
	for shift := range inSamples(500 * time.Millisecond) {
		heard := r.heard[shift:]
		n := min(len(heard), len(spoken))
		i := settling + joining // where the stream fades in
		for i < n && heard[i] == spoken[i] {
			i++
		}
		if i == n && n >= len(spoken)-3*audio.FrameSamples {
			return inTime(shift) + phase, true
		}
	}
	return 0, false
}
