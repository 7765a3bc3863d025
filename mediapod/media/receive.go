// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// heardDBov is the level from which on a packet counts as sound. It is above the
// noise of a codec that is given silence, and below a quiet voice.
const heardDBov = -60

// window is one second of packets.
const window = int(time.Second / audio.FrameDuration)

// maxPayload bounds what is decoded of a packet: 60 ms, three times the usual.
const maxPayload = 3 * codec.PayloadBytes

// inbound is what the far side sends. The first part belongs to the goroutine
// that receives; the second is published for all.
type inbound struct {
	ssrc     uint32
	sequence sequence
	jitter   jitter
	began    time.Time
	decoder  codec.Decoder
	decoding uint8 // payload type
	pcm      [2 * maxPayload]int16
	energies [window]float64 // of the last second's packets …
	samples  [window]int     // … and how many samples each had
	next     int

	packets, bytes, lost atomic.Uint64
	reported             reported
	jitterMs, level      atomicFloat
	last                 atomic.Int64 // UnixNano
	heard                atomic.Bool  // something that was not silence
	codec                atomic.Pointer[codec.Codec]
}

// take accounts for one packet in one of the session's formats.
func (in *inbound) take(p *transport.Packet, f *format, size int, at time.Time) {
	if p.SSRC != in.ssrc || in.began.IsZero() {
		in.sequence.renew()
		in.ssrc, in.jitter, in.decoder, in.began = p.SSRC, jitter{ms: in.jitter.ms}, nil, at
	}
	in.packets.Add(1)
	in.bytes.Add(uint64(size))
	in.last.Store(at.UnixNano())
	if !in.sequence.take(p.Sequence) {
		return
	}
	in.lost.Store(in.sequence.lost())
	in.reported.store(in.ssrc, &in.sequence, in.jitter.ms*float64(f.ClockRate)/1000)
	in.jitter.take(at.Sub(in.began).Seconds()*1000, float64(p.Timestamp)*1000/float64(f.ClockRate))
	in.jitterMs.Store(in.jitter.ms)
	in.listen(p, f)
}

// listen measures the energy of a packet.
func (in *inbound) listen(p *transport.Packet, f *format) {
	if in.decoder == nil || in.decoding != p.PayloadType {
		in.decoder, in.decoding = f.NewDecoder(), p.PayloadType
		in.codec.Store(&f.Codec)
	}
	pcm := in.decoder.Decode(in.pcm[:0], p.Payload[:min(len(p.Payload), maxPayload)])
	energy := audio.Energy(pcm)
	in.energies[in.next], in.samples[in.next] = energy, len(pcm)
	in.next = (in.next + 1) % window

	var sum float64
	var n int
	for i := range in.energies {
		sum += in.energies[i]
		n += in.samples[i]
	}
	in.level.Store(audio.DBov(sum, n))
	if !in.heard.Load() && audio.DBov(energy, len(pcm)) > heardDBov {
		in.heard.Store(true)
	}
}

// atomicFloat is a float64 that one goroutine writes and others read.
type atomicFloat struct{ bits atomic.Uint64 }

func (f *atomicFloat) Store(v float64) { f.bits.Store(math.Float64bits(v)) }
func (f *atomicFloat) Load() float64   { return math.Float64frombits(f.bits.Load()) }
