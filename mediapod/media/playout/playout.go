// SPDX-License-Identifier: Apache-2.0

// Package playout is the receiving end of one audio stream: packets go in as the
// network brings them, and at every call of a 20 ms clock exactly one frame of
// 16 kHz mono comes out.
//
//	network goroutine: Put → ring
//	clock goroutine:   Frame → drain ring → timeline → store
//	                         → fill: decode, recover, conceal, or be silent; turn, if another speaks
//	                         → stretch: a pitch period more or less
//
// The ring is the only thing that both goroutines touch and it has no lock. All
// else belongs to the goroutine that calls Frame, allocates nothing in steady
// state, and is bounded whatever the network sends.
//
// The delay follows the network (delays.go): as long as 97 % of the packets need
// to arrive in time, not longer. It is changed, and the drift between the sender's
// clock and ours made up for, where a listener does not hear it: in silence by
// making it longer or shorter, in sound by one pitch period more or less
// (stretch.go). What is lost is recovered from the packet after it where the codec
// can, and concealed by the decoder where not.
//
// Time is a count of samples of 1/16000 s throughout. A packet's place is a 64-bit
// number of samples on a timeline that goes on over wraps, restarts and changes of
// the source (timeline.go).
package playout

import (
	"time"

	"github.com/callfleet/callfleet/audio"
)

// Decoder turns the payloads of one stream into 16 kHz samples. It is used by one
// goroutine and in the order of the stream.
type Decoder interface {
	// Decode appends the samples of a payload, of any length; none if it holds
	// none. It must take any bytes.
	Decode(dst []int16, payload []byte) []int16
	// Conceal appends so many samples in place of what did not arrive, continuing
	// what was decoded or concealed before and fading away, over 100 ms or so: with
	// 5 % loss and bursts of three, some minute loses 140 ms. It is asked for
	// multiples of 2.5 ms (40 samples), as Opus wants it.
	Conceal(dst []int16, samples int) []int16
}

// Recoverer is a Decoder whose payloads can hold a copy of the one before them
// (Opus in-band FEC, RFC 6716 section 2.1.7).
type Recoverer interface {
	// Recover appends the samples of the payload before next, or nothing if next
	// does not tell.
	Recover(dst []int16, next []byte) []int16
}

// Config is what a Playout needs to know.
type Config struct {
	// Decoder returns a decoder for a payload type, with its RTP clock rate in Hz,
	// and nil if the type was not negotiated. Frame calls it when a packet comes
	// with a type that the stream had not yet, and anew when the source changes.
	Decoder func(payloadType uint8) (decoder Decoder, clockRate int)
	// MinDelay and MaxDelay bound what a packet waits from its arrival to its
	// first sample. If zero, 20 ms and 200 ms.
	MinDelay, MaxDelay time.Duration
}

// Packet is one RTP packet of the stream (RFC 3550 section 5.1).
type Packet struct {
	Sequence    uint16
	Timestamp   uint32
	SSRC        uint32
	PayloadType uint8
	Marker      bool
	// Source is who is heard in it; zero if that is nobody in particular. What one says is never mixed into what another
	// says: there is a decoder for each, and neither is the end of the one drawn out into the other's beginning.
	Source  uint32
	Payload []byte
}

// Kind says what a frame is made of.
type Kind uint8

// The kinds of frames.
const (
	// Silence is a frame while nothing is sent: before the first packet, in a
	// sender's discontinuous transmission, or after it ended.
	Silence Kind = iota
	// Played is a frame of decoded samples.
	Played
	// Recovered is a frame that ends with samples of a packet that was lost and
	// that the next one held a copy of.
	Recovered
	// Concealed is a frame that ends with samples made up by the decoder.
	Concealed
)

// String is the kind in lower case.
func (k Kind) String() string {
	return [...]string{"silence", "played", "recovered", "concealed"}[k&3]
}

const (
	ms = audio.SampleRate / 1000

	minDelay = 20 * time.Millisecond
	maxDelay = 200 * time.Millisecond

	// maxPayload is the most that fits in an Ethernet frame; longer ones are
	// discarded.
	maxPayload = 1500

	// past is how many samples that were played are kept: enough to find a pitch
	// period and continue it.
	past = maxPeriod + 2*overlap
	// room is that and what a packet of 60 ms adds to a frame that lacks one
	// sample. A longer one makes it grow.
	room = past + lookahead + 60*ms
)

// Playout is one stream being played. Put may be called by one goroutine and
// Frame by another one; Stats by any.
type Playout struct {
	ring  ring
	stats counters

	// All of this belongs to the goroutine that calls Frame.
	config   Config
	min, max int64
	clock    steady
	timeline timeline
	delays   delays
	store    store

	pcm     []int16 // what was played last, and from head on what comes next
	head    int
	end     int64 // place on the timeline of what follows pcm
	decoder Decoder
	lasts   int64 // samples of the packet decoded last
	broken  bool  // what a packet brings does not continue pcm
	hushed  bool  // pcm ends in silence, and nothing is to be concealed
	kind    Kind  // of the samples appended last
	turn    turn
	taken   []Taken

	gap      int64 // samples put in at end since the last packet, in place of nothing in particular
	dry      int64 // samples since the last one that came from a packet
	quiet    bool  // … which was in a pause of the speech
	doubtful int64 // of gap: lost, or not sent? The next packet tells.
	missing  int64 // packets that were recovered since the last was decoded
	cooling  int   // frames until stretching is allowed again
}

// New is a Playout that has not received anything.
func New(c Config) *Playout {
	if c.MinDelay <= 0 {
		c.MinDelay = minDelay
	}
	if c.MaxDelay <= 0 {
		c.MaxDelay = maxDelay
	}
	p := &Playout{
		config: c,
		min:    inSamples(c.MinDelay),
		max:    inSamples(max(c.MaxDelay, c.MinDelay)),
		pcm:    make([]int16, past, room),
		taken:  make([]Taken, 0, 2), // as many as packets of 10 ms need
		head:   past,
		lasts:  audio.FrameSamples,
		broken: true,
		hushed: true,
		gap:    idleAfter,
		dry:    silentAfter,
		quiet:  true,
	}
	p.store.spares = &p.ring.spares
	return p
}

// Put takes a packet that arrived at a time, of the same clock that Frame is
// told, and copies what it needs. Packets may come in any order. Telephone events
// must not be put.
func (p *Playout) Put(packet Packet, arrival time.Duration) {
	if len(packet.Payload) == 0 || len(packet.Payload) > maxPayload || !p.ring.put(&packet, inSamples(arrival)) {
		p.stats.discarded.Add(1)
	}
}

// Frame writes what is heard in the 20 ms from now on to the first 320 samples of
// dst. It is called every 20 ms: how many times it was called is the clock of the
// samples, and now tells how late the packets are.
func (p *Playout) Frame(dst []int16, now time.Duration) Kind {
	dst = dst[:audio.FrameSamples]
	p.clock.tick(inSamples(now))
	p.giveBack()
	p.drain()
	p.catchUp()
	p.forget()
	p.fill(audio.FrameSamples)
	p.stretch()
	p.head += copy(dst, p.pcm[p.head:])
	p.publish()
	return p.kind
}

// drain takes what has arrived off the ring.
func (p *Playout) drain() {
	for s := p.ring.next(); s != nil; s = p.ring.next() {
		switch seq, at, verdict := p.timeline.place(s, &p.delays, p.lasts, p.config.Decoder); verdict {
		case placed:
			if !p.delays.started() {
				p.store.begin(seq)
			}
			p.delays.take(s.arrival-at, s.arrival)
			p.store.put(seq, at, p.timeline.current.decoder, s, &p.stats)
		case stale:
			p.stats.late.Add(1)
		case unusable:
			p.stats.discarded.Add(1)
		}
		p.ring.done()
	}
}

// forget makes room in pcm by moving it over what was played long ago.
func (p *Playout) forget() {
	if cut := p.head - past; cut > 0 {
		p.pcm = p.pcm[:copy(p.pcm, p.pcm[cut:])]
		p.head = past
		p.turn.at -= cut
	}
}

// waiting is the number of samples that are ready to be played.
func (p *Playout) waiting() int { return len(p.pcm) - p.head }

// due is when what follows pcm is going to be played.
func (p *Playout) due() int64 { return p.clock.now + int64(p.waiting()) }

// offset is how much later than its place on the timeline a sample is played.
func (p *Playout) offset() int64 { return p.due() - p.end }

// inSamples is a duration as a number of samples.
func inSamples(d time.Duration) int64 { return int64(d / (time.Second / audio.SampleRate)) }

// inTime is a number of samples as a duration.
func inTime(samples int64) time.Duration {
	return time.Duration(samples) * (time.Second / audio.SampleRate)
}

// steady is a clock that ticks every 20 ms and takes the time from one that is
// read by a goroutine, which is late now and then: a tick that is 10 ms late does
// not mean that the packets were early.
type steady struct {
	now     int64
	started bool
}

func (s *steady) tick(now int64) {
	expected := s.now + audio.FrameSamples
	late := now - expected
	if !s.started || late > 100*ms || late < -100*ms { // the clock stood still
		s.started, s.now = true, now
		return
	}
	s.now = expected + late/16
}
