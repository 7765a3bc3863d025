// SPDX-License-Identifier: Apache-2.0

package media

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// Behavior is what the bot does in the call. Its zero value listens.
type Behavior struct {
	// Echo sends back what is heard.
	Echo bool
	// Play speaks a clip. It excludes Echo.
	Play *Play
}

// Play is a clip to speak once the call is connected.
type Play struct {
	Clip wav.Clip // at any sample rate
	Loop bool     // over and over, until the call ends
}

// maxBurst is how many packets one tick may send. A player that fell behind, its
// process having been stopped, catches up by two packets a tick and does not
// flood the far side's jitter buffer.
const maxBurst = 3

var silence [audio.FrameSamples]int16

// player turns a clip into packets on time. It belongs to the clock, but for done.
type player struct {
	samples []int16
	loop    bool
	audible bool

	pos       int // next sample
	encoder   codec.Encoder
	began     time.Time
	sent      int64 // frames since began
	p         transport.Packet
	payload   [codec.PayloadBytes]byte
	lastFrame [audio.FrameSamples]int16

	done atomic.Bool
}

func newPlayer(p Play) (*player, error) {
	clip := p.Clip.Resample(audio.SampleRate)
	if len(clip.Samples) == 0 {
		return nil, errors.New("the clip to play has no samples")
	}
	pl := &player{samples: clip.Samples, loop: p.Loop}
	for at := 0; at < len(clip.Samples) && !pl.audible; at += audio.FrameSamples {
		frame := clip.Samples[at:min(at+audio.FrameSamples, len(clip.Samples))]
		pl.audible = audio.DBov(audio.Energy(frame), len(frame)) > heardDBov
	}
	return pl, nil
}

// begin starts, or goes on after a new connection, with the first frame due now.
func (pl *player) begin(f format, now time.Time) {
	pl.encoder = f.NewEncoder()
	pl.began, pl.sent = now, 0
	// RFC 3550 section 5.1: both start at random. The sequence keeps to the lower
	// half, so that its first packets lost cannot upset SRTP's rollover counter
	// (RFC 3711 section 3.3.1).
	pl.p = transport.Packet{
		PayloadType: f.payloadType, Marker: true,
		Sequence: uint16(rand.Uint32() >> 17), Timestamp: rand.Uint32(),
	}
}

// due is how many packets to send now: those whose time has come since the
// beginning, not since the last tick, so that late ticks add up to nothing.
func (pl *player) due(now time.Time) int {
	if pl.done.Load() {
		return 0
	}
	behind := int64(now.Sub(pl.began)/audio.FrameDuration) + 1 - pl.sent
	return int(min(max(behind, 0), maxBurst))
}

// next makes the next packet, valid until the one after. Muted, it holds silence, as
// microphones send it: what stops sending looks broken to the far side.
func (pl *player) next(muted bool) *transport.Packet {
	if pl.sent > 0 {
		pl.p.Marker = false
		pl.p.Sequence++
		pl.p.Timestamp += codec.TimestampStep
	}
	frame := pl.frame()
	if muted {
		frame = silence[:]
	}
	pl.p.Payload = pl.encoder.Encode(pl.payload[:0], frame)
	pl.sent++
	return &pl.p
}

// frame is the next 20 ms. The last one of a clip is filled up with silence; one
// that loops goes on with its beginning instead.
func (pl *player) frame() []int16 {
	frame := pl.samples[pl.pos:]
	if len(frame) > audio.FrameSamples {
		pl.pos += audio.FrameSamples
		return frame[:audio.FrameSamples]
	}
	n := copy(pl.lastFrame[:], frame)
	if !pl.loop {
		clear(pl.lastFrame[n:])
		pl.done.Store(true)
		return pl.lastFrame[:]
	}
	pl.pos = 0
	for n < audio.FrameSamples {
		m := copy(pl.lastFrame[n:], pl.samples[pl.pos:])
		n += m
		pl.pos = (pl.pos + m) % len(pl.samples)
	}
	return pl.lastFrame[:]
}
