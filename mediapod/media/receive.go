// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// heardDBov is the level from which on a packet counts as sound. It is above the
// noise of a codec that is given silence, and below a quiet voice.
const heardDBov = -60

// inbound accounts for what the far side sends in one section. The first part
// belongs to the goroutine that receives; the second is published for all.
type inbound struct {
	ssrc     uint32
	sequence sequence
	jitter   jitter
	began    time.Time
	glances  glances
	meter    meter

	packets, bytes, lost atomic.Uint64
	reported             reported
	jitterMs             atomicFloat
	last                 atomic.Int64 // UnixNano
	codec                atomic.Pointer[codec.Codec]
}

// take accounts for one packet in one of the section's formats.
func (in *inbound) take(p *transport.Packet, f *format, size int, at time.Time) {
	if c := in.codec.Load(); c == nil || c.Name != f.Name {
		in.codec.Store(&f.Codec)
	}
	in.count(p, f.ClockRate, size, at)
}

// count accounts for one packet whose timestamp counts at a rate.
func (in *inbound) count(p *transport.Packet, rate uint32, size int, at time.Time) {
	if p.SSRC != in.ssrc || in.began.IsZero() {
		in.sequence.renew()
		in.ssrc, in.jitter, in.began = p.SSRC, jitter{ms: in.jitter.ms}, at
	}
	in.packets.Add(1)
	in.bytes.Add(uint64(size))
	in.last.Store(at.UnixNano())
	if !in.sequence.take(p.Sequence) {
		return
	}
	in.lost.Store(in.sequence.lost())
	if rate > 0 {
		in.jitter.take(at.Sub(in.began).Seconds()*1000, float64(p.Timestamp)*1000/float64(rate))
		in.jitterMs.Store(in.jitter.ms)
	}
	in.reported.store(in.ssrc, &in.sequence, in.jitter.ms*float64(rate)/1000)
}

// glances are looks at the sound of a stream whose samples nobody else needs: at two packets of ten, or decoding for the
// level alone would cost more than everything else that is done with it. The first of the two is for the decoder to find
// its way: what it decodes right after a gap is off.
//
// Streams take turns. Were all glanced at from their first packet on, those of calls that begin together, as a load does,
// would be decoded in the same two frames of ten: with 500 calls of Opus that was more than a core has time for, and what
// waited for it was late by 10 to 48 ms.
type glances struct {
	decoder  codec.Decoder
	decoding uint8 // payload type
	packet   int   // it counts from the stream's turn on
}

// turns are given to streams one after the other.
var turns atomic.Uint32

// end lets go of the decoder, once somebody else has one for the same packets.
func (g *glances) end() {
	if g.decoder != nil {
		*g = glances{}
	}
}

// scratch is for samples that nobody keeps.
var scratch = sync.Pool{New: func() any { return new([maxSamples]int16) }}

// glanceEvery is in packets: five times a second.
const glanceEvery = 10

// maxGlance bounds what is decoded of a packet of G.711 or G.722: 60 ms, three times the usual.
const maxGlance = 3 * codec.PayloadBytes

// maxSamples is what any packet decodes to: 120 ms of Opus.
const maxSamples = 6 * audio.FrameSamples

func (in *inbound) glance(p *transport.Packet, f *format) {
	g := &in.glances
	if g.packet == 0 {
		g.packet = int(turns.Add(1) % glanceEvery)
	}
	g.packet++
	nth := g.packet % glanceEvery
	if nth != 1 && (nth != 2 || g.decoder == nil) { // a stream may begin in the middle
		return
	}
	if g.decoder == nil || g.decoding != p.PayloadType {
		g.decoder, g.decoding = f.NewDecoder(), p.PayloadType
	}
	payload := p.Payload
	if f.Name != codec.Opus.Name {
		payload = payload[:min(len(payload), maxGlance)]
	}
	samples := scratch.Get().(*[maxSamples]int16)
	if pcm := g.decoder.Decode(samples[:0], payload); nth == 2 {
		in.meter.add(audio.Energy(pcm), len(pcm))
	}
	scratch.Put(samples)
}

// meter measures the energy of the last second. It belongs to whoever has the samples: the goroutine that receives while it
// only glances at them, the one that ticks when they are played out.
type meter struct {
	energies [window]float64
	samples  [window]int
	next     int
	level    atomicFloat // dBov
	heard    atomic.Bool // something that was not silence
}

// window is how many measurements a second has.
const window = int(time.Second/audio.FrameDuration) / glanceEvery

// add takes a measurement of n samples.
func (m *meter) add(energy float64, n int) {
	m.energies[m.next], m.samples[m.next] = energy, n
	m.next = (m.next + 1) % window
	var sum float64
	var total int
	for i := range m.energies {
		sum += m.energies[i]
		total += m.samples[i]
	}
	m.level.Store(audio.DBov(sum, total))
	if !m.heard.Load() && audio.DBov(energy, n) > heardDBov {
		m.heard.Store(true)
	}
}

// atomicFloat is a float64 that one goroutine writes and others read.
type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) Store(v float64) { f.bits.Store(math.Float64bits(v)) }
func (f *atomicFloat) Load() float64   { return math.Float64frombits(f.bits.Load()) }
