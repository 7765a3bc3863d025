// SPDX-License-Identifier: Apache-2.0

package media

import (
	"math"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/speech"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/media/impair"
)

// talk is two calls that are each other's far side, in simulated time: what is judged is the sound, not the machine. Each
// side has a clock of its own, which may run apart from the other's.
type talk struct {
	here, there         *session
	now, thereNow       time.Time
	passed              time.Duration
	skew                float64 // by which the clock there is faster, ppm
	ticked, thereTicked int     // frames
}

var talkBegins = time.Unix(12000, 0)

func newTalk(c codec.Codec) *talk {
	k := &talk{now: talkBegins, thereNow: talkBegins}
	k.here, _ = fakeSession(Behavior{})
	k.there, _ = fakeSession(Behavior{})
	k.here.transport, k.there.transport = &pipe{to: k.there, now: &k.thereNow}, &pipe{to: k.here, now: &k.now}
	for _, s := range []*session{k.here, k.there} {
		speakOnly(s, c)
	}
	return k
}

// speakOnly lets a session have one codec.
func speakOnly(s *session, c codec.Codec) {
	main := section{kind: kindAudio, formats: []format{{Codec: c, payloadType: c.PayloadType}}}
	s.agreed.Store(&agreement{main: &main, sections: []section{main}})
	s.call.ears[0].formats.Store(&main)
}

// pass lets time pass.
func (k *talk) pass(d time.Duration) {
	end, rate := k.passed+d, 1+k.skew/1e6
	for {
		here := time.Duration(k.ticked) * audio.FrameDuration
		there := time.Duration(float64(time.Duration(k.thereTicked)*audio.FrameDuration) / rate)
		at := min(here, there)
		if at >= end {
			k.passed = end
			return
		}
		k.passed, k.now, k.thereNow = at, talkBegins.Add(at), talkBegins.Add(time.Duration(float64(at)*rate))
		for _, s := range []*session{k.here, k.there} {
			s.transport.(*pipe).deliver()
		}
		if here == at {
			k.here.call.tick(k.now)
			k.ticked++
		}
		if there == at {
			k.there.call.tick(k.thereNow)
			k.thereTicked++
		}
	}
}

// heard is what a tap heard, with silence where there was none.
func (k *keeper) heard() []int16 {
	var all []int16
	for _, f := range k.frames {
		if f.Heard == nil {
			f.Heard = silence[:]
		}
		all = append(all, f.Heard...)
	}
	return all
}

func clipIn(t testing.TB, samples []int16) *Clip {
	t.Helper()
	c, err := NewClip(wav.Clip{SampleRate: audio.SampleRate, Samples: samples})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Both ways at once through every codec there is, encoded, sent, played out and decoded.
func TestEveryCodecCarriesVoices(t *testing.T) {
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			want := 0.95
			if c.Name == codec.Opus.Name {
				want = 0.9
			}
			k, here, there := newTalk(c), &keeper{}, &keeper{}
			k.here.call.AddTap(here)
			k.there.call.AddTap(there)
			k.pass(200 * time.Millisecond)
			ours, theirs := recordingOf(t, "prompt.wav"), recordingOf(t, "standup.wav")
			k.here.call.Play(clipIn(t, ours), PlayOptions{})
			k.there.call.Play(clipIn(t, theirs), PlayOptions{})
			k.pass(8 * time.Second)
			for name, side := range map[string]struct{ said, heard []int16 }{"here": {theirs, here.heard()}, "there": {ours, there.heard()}} {
				r, err := measure.Compare(side.said, side.heard, audio.SampleRate)
				t.Logf("%s: %+v", name, r)
				if err != nil || r.Correlation < want || math.Abs(r.LevelDB) > 1 || r.LongestGap > 20*time.Millisecond {
					t.Errorf("heard %s: %+v, %v; want a correlation of %.2f", name, r, err, want)
				}
				// The clip began 200 ms into what was heard; the rest is mouth to ear.
				if delay := r.Delay - 200*time.Millisecond; delay > 60*time.Millisecond {
					t.Errorf("heard %s: %v late, want 60 ms at most", name, delay)
				}
			}
			if a := k.here.call.statsAt(k.now).Audio; a.Codec != c.Name || !a.PlaybackDone || a.ConcealedPercent > 0.1 {
				t.Errorf("stats %+v", a)
			}
		})
	}
}

// Five of a hundred packets are lost, two more in bursts, some come late or out of order, and a call is still one that
// people would hold.
func TestABadNetworkIsBorne(t *testing.T) {
	bad := impair.Config{LossPercent: 5, BurstPercent: 2, BurstPackets: 3, Delay: 20 * time.Millisecond, Jitter: 60 * time.Millisecond, ReorderPercent: 1, HoldBack: 30 * time.Millisecond}
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			k, tap := newTalk(c), &keeper{}
			bad.Seed = 7
			k.there.transport.(*pipe).bad = impair.NewLink[[]byte](bad)
			k.here.call.AddTap(tap)
			k.there.call.Play(clipIn(t, recordingOf(t, "standup.wav")), PlayOptions{Loop: true})
			k.pass(30 * time.Second)
			a := k.here.call.statsAt(k.now).Audio
			t.Logf("%+v", a)
			if a.MOS < 3.3 || a.LossPercent < 5 || a.LossPercent > 10 || a.ConcealedPercent > 12 || a.PlayoutDelayMs > 150 {
				t.Errorf("a call like that: %+v", a)
			}
			// What the engine sends holds no copies, in no codec: what was lost is made up, and is said to be.
			if a.ConcealedPercent < a.LossPercent {
				t.Errorf("%.1f %% lost, and only %.1f %% made up", a.LossPercent, a.ConcealedPercent)
			}
			if len(tap.frames) != 1500 {
				t.Errorf("%d frames in 30 s", len(tap.frames))
			}
		})
	}
}

func TestListenersHearBothSides(t *testing.T) {
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			k := newTalk(codec.PCMU)
			// Two who listen in, with one encoder between them, as far sides of calls of their own.
			var ears []*keeper
			for _, id := range []string{"grace", "linus"} {
				s, _ := fakeSession(Behavior{})
				speakOnly(s, c)
				tap := &keeper{}
				s.call.AddTap(tap)
				ears = append(ears, tap)
				l := &listener{connection: connection{call: k.here.call, id: id, transport: &pipe{to: s, now: &k.now}}}
				l.agreed.Store(s.agreed.Load())
				k.here.call.listeners[id] = l
				k.here.call.admit(l)
				defer func() { k.here.call.dismiss(l) }()
				k.here.call.voice.seat.stop()
				if k.here.call.Listeners() != len(ears) {
					t.Fatalf("%d listen", k.here.call.Listeners())
				}
				ticked := s.call
				k.here.call.AddTap(ticks{func() { ticked.tick(k.now) }})
			}
			k.pass(200 * time.Millisecond)
			ours, theirs := recordingOf(t, "prompt.wav"), recordingOf(t, "standup.wav")
			k.there.call.Play(clipIn(t, theirs), PlayOptions{})
			k.pass(time.Duration(len(theirs)) * time.Second / audio.SampleRate)
			k.here.call.Play(clipIn(t, ours), PlayOptions{})
			k.pass(4 * time.Second)
			for i, ear := range ears {
				for what, said := range map[string][]int16{"the far side": theirs, "the bot": ours} {
					r, err := measure.Compare(said, ear.heard(), audio.SampleRate)
					if err != nil || r.Correlation < 0.9 || math.Abs(r.LevelDB) > 1 || r.LongestGap > 20*time.Millisecond {
						t.Errorf("listener %d heard %s as %+v, %v", i, what, r, err)
					}
				}
			}
		})
	}
}

// A far side that sends nothing while nobody speaks leaves no dead line to those who listen in, but the noise that it had.
func TestListenersHearTheRoomThatPauses(t *testing.T) {
	k := newTalk(codec.G722)
	s, _ := fakeSession(Behavior{})
	speakOnly(s, codec.G722)
	ear := &keeper{}
	s.call.AddTap(ear)
	l := &listener{connection: connection{call: k.here.call, id: "grace", transport: &pipe{to: s, now: &k.now}}}
	l.agreed.Store(s.agreed.Load())
	k.here.call.listeners["grace"] = l
	k.here.call.admit(l)
	defer func() { k.here.call.dismiss(l) }()
	k.here.call.voice.seat.stop()
	k.here.call.AddTap(ticks{func() { s.call.tick(k.now) }})

	const want = -56.0
	room, noise := make([]int16, 5*audio.SampleRate), speech.NewNoise(9)
	noise.SetLevel(want)
	noise.Fill(room)
	k.pass(time.Second)
	k.there.call.Play(clipIn(t, room), PlayOptions{})
	k.pass(9 * time.Second)
	heard := ear.heard()
	for what, part := range map[string]struct {
		from, to int // seconds
		low, top float64
	}{
		"before anything was heard": {0, 1, audio.SilenceDBov, -75}, "while it comes": {3, 5, want - 6, want + 2}, "in the pause": {7, 10, want - 6, want + 2},
	} {
		pcm := heard[part.from*audio.SampleRate : part.to*audio.SampleRate]
		if level := audio.DBov(audio.Energy(pcm), len(pcm)); level < part.low || level > part.top {
			t.Errorf("%s: %.1f dBov, want %.0f to %.0f", what, level, part.low, part.top)
		}
	}
}

// ticks is a tap that does something else.
type ticks struct{ f func() }

func (k ticks) Tap(*Frame) { k.f() }
