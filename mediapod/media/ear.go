// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/mediapod/media/playout"
	"github.com/callfleet/callfleet/mediapod/media/telephone"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// ear hears one audio section of a far side. It outlives the session, so that a call's figures go on when the far side
// comes back.
type ear struct {
	in inbound
	// source is whose voice it is: the contributing source that the far side names, or its own. Before sound comes it is the
	// one that the offer declares: pictures of the same stream may be sooner, and whose they are should not change then.
	source atomic.Uint32
	// playout is there while somebody needs the samples.
	playout atomic.Pointer[playout.Playout]
	formats atomic.Pointer[section]
	frames  atomic.Int64 // played out

	// They belong to the goroutine that receives.
	keys   *telephone.Receiver
	events [4]telephone.Event

	// These belong to the goroutine that ticks.
	pcm  *[audio.FrameSamples]int16 // there once it listened: most calls have one section of five, and many are only passed on
	kind playout.Kind
	// then is what is left of pcm to another speaker, where one follows within the frame of a section that has one at a time.
	then *[audio.FrameSamples]int16
}

// meet begins with a new session of the far side.
func (e *ear) meet(s *section) {
	e.formats.Store(s)
	e.source.Store(s.declared)
}

// hear takes one packet. apart says that the section has one speaker at a time, and no mix.
func (e *ear) hear(p *transport.Packet, f *format, apart bool, size int, at time.Time) {
	e.in.take(p, f, size, at)
	source := p.Source
	if source == 0 {
		source = p.SSRC
	}
	e.source.Store(source)
	if !apart {
		source = 0
	}
	if pl := e.playout.Load(); pl != nil {
		e.in.glances.end()
		pl.Put(playout.Packet{
			Sequence: p.Sequence, Timestamp: p.Timestamp, SSRC: p.SSRC, PayloadType: p.PayloadType, Marker: p.Marker, Source: source, Payload: p.Payload,
		}, at.Sub(epoch))
	} else {
		e.in.glance(p, f)
	}
}

// press takes a packet of keys whose timestamps count at a rate.
func (e *ear) press(p *transport.Packet, rate uint32, at time.Time) []telephone.Event {
	if e.keys == nil {
		e.keys = telephone.NewReceiver(int(rate))
	}
	return e.keys.Put(e.events[:0], telephone.Packet{Timestamp: p.Timestamp, SSRC: p.SSRC, Marker: p.Marker, Payload: p.Payload}, at.Sub(epoch))
}

// expire lets keys go up of whose end nothing was heard.
func (e *ear) expire(at time.Time) []telephone.Event {
	if e.keys == nil {
		return nil
	}
	return e.keys.Expire(e.events[:0], at.Sub(epoch))
}

// epoch is what the time of playing out counts from.
var epoch = time.Now()

// listen has the samples played out from now on, or not any more. apart says that the section has one speaker at a time. It
// is called by the goroutine that ticks.
func (e *ear) listen(on, apart bool) {
	formats := e.formats.Load()
	if on && e.pcm == nil && (!apart || formats != nil) {
		e.pcm = new([audio.FrameSamples]int16)
		if apart {
			e.then = new([audio.FrameSamples]int16)
		}
	}
	switch was := e.playout.Load() != nil; {
	case on && !was && formats != nil: // or nothing will come
		e.frames.Store(0)
		e.playout.Store(playout.New(playout.Config{Decoder: e.decoder}))
	case !on && was:
		e.playout.Store(nil)
	}
}

// decoder finds the decoder of a payload type.
func (e *ear) decoder(payloadType uint8) (playout.Decoder, int) {
	if s := e.formats.Load(); s != nil {
		if f := s.format(payloadType); f != nil {
			return newDecoder(f.Codec), int(f.ClockRate)
		}
	}
	return nil, 0
}

// newDecoder is a decoder as playing out wants it.
func newDecoder(c codec.Codec) playout.Decoder {
	d := c.NewDecoder()
	if r, ok := d.(codec.Recoverer); ok {
		return recovering{d, r}
	}
	return d
}

// recovering decodes packets that hold a copy of the one before.
type recovering struct {
	playout.Decoder
	from codec.Recoverer
}

// Recover adds nothing if the packet can hold no copy: the decoder would make one up, and it would count as recovered.
func (r recovering) Recover(dst []int16, next []byte) []int16 {
	if !ogg.MayRepeat(next) {
		return dst
	}
	return r.from.Recover(dst, next, audio.FrameSamples)
}

// tick plays 20 ms out into pcm.
func (e *ear) tick(now time.Time) {
	pl := e.playout.Load()
	if pl == nil {
		if e.pcm != nil {
			clear(e.pcm[:])
		}
		e.kind = playout.Silence
		return
	}
	e.kind = pl.Frame(e.pcm[:], now.Sub(epoch))
	e.frames.Add(1)
}

// voices appends who is heard in the frame: one, or two of whom one follows the other. Each has silence in place of the other.
func (e *ear) voices(list []Voice, at time.Time) []Voice {
	pl := e.playout.Load()
	if pl == nil || e.kind == playout.Silence {
		return list
	}
	first, then, turn := pl.Sources()
	v := Voice{PCM: e.pcm[:], At: at.Add(-pl.Delay()), Opus: e.opus()}
	if turn > 0 && turn < len(e.pcm) {
		clear(e.then[:turn])
		copy(e.then[turn:], e.pcm[turn:])
		clear(e.pcm[turn:])
		second := v
		second.Source, second.PCM = then, e.then[:]
		list = append(list, second)
	}
	if v.Source = then; turn > 0 {
		v.Source = first
	}
	if v.Source == 0 { // before the first of all
		return list
	}
	return append(list, v)
}

// opus: what was played last came in Opus.
func (e *ear) opus() bool {
	c := e.in.codec.Load()
	return c != nil && c.Name == codec.Opus.Name
}

// taken are the packets that were taken for the frame.
func (e *ear) taken() []playout.Taken {
	if pl := e.playout.Load(); pl != nil {
		return pl.Taken()
	}
	return nil
}

// packets appends those of Opus that were taken for the frame, of an audio section.
func (e *ear) packets(list []Packet, section int) []Packet {
	s := e.formats.Load()
	if s == nil {
		return list
	}
	for _, t := range e.taken() {
		if f := s.format(t.PayloadType); f != nil && f.Name == codec.Opus.Name {
			list = append(list, Packet{Section: section, Source: t.Source, At: epoch.Add(t.At), Payload: t.Payload})
		}
	}
	return list
}
