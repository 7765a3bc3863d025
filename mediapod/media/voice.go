// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync/atomic"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/mix"
	"github.com/callfleet/callfleet/audio/speech"
	"github.com/callfleet/callfleet/audio/tone"
)

// Tap takes the sound of a call as it goes by, a recorder for one. It is called once a frame from the clock that all calls
// share: it must not block, and keeps nothing of the frame.
type Tap interface {
	Tap(f *Frame)
}

// Frame is 20 ms of a call: 320 samples of each, or nil where there is no sound.
type Frame struct {
	// At is the time of the first sample.
	At time.Time
	// Heard is what the far side sends in its first audio section: a meeting without the bot.
	Heard []int16
	// HeardAt is when the first sample of Heard could have been heard at the soonest. Playing out waits longer, for packets
	// that are slower.
	HeardAt time.Time
	// HeardOpus says that it came in Opus.
	HeardOpus bool
	// Voices are what it sends in others: one speaker each.
	Voices []Voice
	// Said is what the bot says.
	Said []int16
	// Packets are those of Opus that all of that came in, in the order of each section, each once: some belong to the frame
	// before or after.
	Packets []Packet
}

// Packet is one of Opus as the far side sent it.
type Packet struct {
	// Section is 0 for what is heard, and a number above for voices.
	Section int
	// Source is a voice's, as Voice has it.
	Source uint32
	// At is when it could have been heard at the soonest.
	At      time.Time
	Payload []byte
}

// Voice is one speaker of a meeting.
type Voice struct {
	// Source is the far side's number for the speaker (RFC 3550: the contributing source).
	Source uint32
	PCM    []int16
	// At and Opus are as HeardAt and HeardOpus.
	At   time.Time
	Opus bool
}

const (
	// maxBurst is how many frames one tick may make. A call that fell behind, its process having been stopped, catches up
	// by two frames a tick and does not flood the far side's jitter buffer.
	maxBurst = 3
	// maxBehind is how far it may be behind, in frames: what is later than a second is left out.
	maxBehind = 50
	// early is how long before its time a frame may be made.
	early = audio.FrameDuration / 5
)

var silence [audio.FrameSamples]int16

// Source says something in a call, frame by frame. It is called once a frame from the clock that all calls share, and must
// not block.
type Source interface {
	// Fill writes 320 samples, or says that there is nothing to say.
	Fill(frame []int16) bool
}

// voice is what a call does with samples. The first part is for all; the rest belongs to the goroutine that ticks the call.
type voice struct {
	seat   *seat
	player player
	keypad keypad
	taps   atomic.Pointer[[]Tap]
	// listeners are those who are sent both sides.
	listeners atomic.Pointer[[]*listener]
	sources   atomic.Pointer[[]*sourceOf]
	gain      atomicFloat // dB, of all that is said
	// wants is how many taps and listeners there are, speaks how many sources.
	wants, speaks atomic.Int32

	session *session
	mouth   *mouth
	began   time.Time
	frames  int64 // since began
	idle    bool  // not ticked since
	hearing bool  // what comes in is played out
	inBand  bool  // keys, if any, come as tones
	metered int   // frames
	steady  int   // frames played since the last one that was not
	energy  float64
	// roomDBov is the noise of the far side's room.
	roomDBov float64

	said    [audio.FrameSamples]int16
	frame   Frame
	voices  [2 * maxAudioSections]Voice
	packets []Packet

	mixer    *mixer   // once it was needed
	monitor  *monitor // once somebody listened in
	silent   int      // frames in which the bot said nothing, up to passAfter
	unheard  int      // frames for which nothing came
	activity *speech.Activity
	keys     tone.Detector
	ranking  *speech.Ranking
	speaker  uint32
}

// mixer adds up what is said. Sound that went through it once goes on to: it is delayed by a millisecond.
type mixer struct {
	filled [audio.FrameSamples]int16
	bus    mix.Bus
	own    mix.Source
	out    mix.Limiter
}

// sourceOf is a source with its place in the mix.
type sourceOf struct {
	Source
	in mix.Source
}

// wanted: somebody needs the samples of what is heard.
func (c *Call) wanted() bool {
	v := &c.voice
	return v.wants.Load() > 0 || v.player.yields.Load() || v.inBand && c.onKey.Load() != nil
}

// needed: somebody hears or says something that takes samples.
func (c *Call) needed() bool {
	v := &c.voice
	return v.player.busy.Load() || v.keypad.busy.Load() || v.speaks.Load() > 0 || c.wanted() || v.keypad.sender != nil && v.keypad.sender.Busy() || v.keypad.tones != nil
}

// due is how many frames to make now: those whose time has come since the beginning, not since the last tick, so that late
// ticks add up to nothing. One is made a little early: ticks come sooner or later, and where frames fall due just then they
// would else be made in pairs, every other time.
func (v *voice) due(now time.Time) int {
	since := now.Sub(v.began) - time.Duration(v.frames)*audio.FrameDuration // the next frame is due
	if skip := int64(since / audio.FrameDuration); skip > 0 && (v.idle || skip > maxBehind) {
		v.frames += skip
		v.mouth.skip(skip)
		since -= time.Duration(skip) * audio.FrameDuration
	}
	v.idle = false
	switch {
	case since < -early:
		return 0
	case since < 0:
		return 1
	}
	return int(min(since/audio.FrameDuration+1, maxBurst))
}

// begin fits the voice to a session.
func (v *voice) begin(s *session, now time.Time) {
	main := s.agreed.Load().main
	s.call.listenUp(false) // its sections may be others
	v.session, v.mouth, v.began, v.frames = s, newMouth(main.formats[0]), now, 0
	v.keypad.begin(main)
	v.inBand = len(main.keys) == 0
	v.mixer, v.monitor, v.silent, v.roomDBov = nil, nil, passAfter, audio.SilenceDBov
}

// tick implements ticked.
func (c *Call) tick(now time.Time) (finished bool) {
	v, s := &c.voice, c.speaking.Load()
	if s == nil {
		v.session, v.idle = nil, true
		return true
	}
	if s != v.session {
		v.begin(s, now)
	}
	for n := v.due(now); n > 0; n-- {
		c.makeFrame(s, v.began.Add(time.Duration(v.frames)*audio.FrameDuration))
		v.frames++
		if !c.needed() {
			break
		}
	}
	if v.idle = !c.needed(); v.idle {
		c.listenUp(false)
	}
	return v.idle
}

// makeFrame is 20 ms of a call: what is heard, what is said, and those who listen in.
func (c *Call) makeFrame(s *session, at time.Time) {
	v := &c.voice
	v.frame = Frame{At: at, Voices: v.voices[:0], Packets: v.packets[:0]}
	list := v.listeners.Load()
	if c.listenUp(c.wanted()); v.hearing {
		c.hear(at)
	}
	if v.unheard++; len(c.ears[0].taken()) > 0 {
		v.unheard = 0
	}
	c.speak(s, at)
	if v.frame.Said == nil {
		v.silent = min(v.silent+1, passAfter)
	} else {
		v.silent = 0
	}
	if list != nil && len(*list) > 0 {
		v.tellListeners(*list, &c.ears[0])
	}
	if taps := v.taps.Load(); taps != nil {
		for _, t := range *taps {
			t.Tap(&v.frame)
		}
	}
}

// speak sends what there is to say.
func (c *Call) speak(s *session, at time.Time) {
	v := &c.voice
	switch p, err := v.keypad.event(v.mouth); {
	case err == nil && p != nil:
		s.say(p, at)
		return
	case err == nil: // between two keys
		return
	}
	if v.keypad.sound(v.said[:]) || c.words() {
		v.frame.Said = v.said[:]
	}
	if v.frame.Said != nil && c.muted.Load() {
		// Muted, it says silence, as microphones do: what stops sending looks broken to the far side.
		v.frame.Said = silence[:]
	}
	v.mouth.adapt(s.missed.percent())
	if v.frame.Said == nil {
		v.mouth.rest()
	} else if p := v.mouth.say(v.frame.Said); p != nil {
		s.say(p, at)
	}
}

// words fills said with what is played, and what sources say beside it.
func (c *Call) words() (any bool) {
	v := &c.voice
	list, gain := v.sources.Load(), v.gain.Load()
	if v.mixer == nil {
		if gain == 0 && (list == nil || len(*list) == 0) {
			return v.player.frame(v.said[:])
		}
		v.mixer = &mixer{}
	}
	m := v.mixer
	m.bus.Begin()
	m.own.SetGain(gain)
	if v.player.frame(m.filled[:]) {
		any = true
		m.bus.Add(&m.own, m.filled[:])
	}
	if list != nil {
		for _, s := range *list {
			if s.Fill(m.filled[:]) {
				any = true
				s.in.SetGain(gain)
				m.bus.Add(&s.in, m.filled[:])
			}
		}
	}
	m.bus.Mix(v.said[:], &m.out)
	return any
}
