// SPDX-License-Identifier: Apache-2.0

package media

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// overheard is a talk that somebody listens in to.
type overheard struct {
	*talk
	listener  *listener
	ear       *session // of a call of its own, whose far side the listener is
	tap       *keeper
	came, got []transport.Packet // to the bot, and to the listener
	at        []time.Time        // when the latter did
}

func overhear(t *testing.T, spoken, taken codec.Codec) *overheard {
	o := &overheard{talk: newTalk(spoken), tap: &keeper{}}
	keep := func(list *[]transport.Packet) func(*transport.Packet) {
		return func(p *transport.Packet) {
			kept := *p
			kept.Payload = bytes.Clone(p.Payload)
			*list = append(*list, kept)
		}
	}
	o.there.transport.(*pipe).see = keep(&o.came)
	o.ear, _ = fakeSession(Behavior{})
	speakOnly(o.ear, taken)
	o.ear.call.AddTap(o.tap)
	o.listener = &listener{connection: connection{call: o.here.call, id: "grace"}}
	o.listener.transport = &pipe{to: o.ear, now: &o.now, see: func(p *transport.Packet) {
		keep(&o.got)(p)
		o.at = append(o.at, o.now)
	}}
	o.listener.agreed.Store(o.ear.agreed.Load())
	o.here.call.listeners["grace"] = o.listener
	o.here.call.admit(o.listener)
	o.here.call.voice.seat.stop()
	o.here.call.AddTap(ticks{func() { o.ear.call.tick(o.now) }})
	t.Cleanup(func() { o.here.call.dismiss(o.listener) })
	return o
}

// same is how many packets the listener got as they came, from a number of them on.
func (o *overheard) same(from int) (n int) {
	sent := map[string]bool{}
	for _, p := range o.came {
		sent[string(p.Payload)] = true
	}
	for _, p := range o.got[from:] {
		if sent[string(p.Payload)] {
			n++
		}
	}
	return n
}

// What the far side says is passed on as it came while the bot is silent; when the bot speaks both are heard, and then the far
// side alone again. To whoever listens in it is one stream.
func TestListenersArePassedWhatTheFarSideSays(t *testing.T) {
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			o := overhear(t, c, c)
			theirs, ours := recordingOf(t, "standup.wav"), recordingOf(t, "prompt.wav")
			o.there.call.Play(clipIn(t, theirs), PlayOptions{Loop: true})
			o.pass(3 * time.Second)
			if n, want := o.same(0), 3*50-10; n < want || n < len(o.got)-10 {
				t.Errorf("of %d packets %d are as they came, want %d", len(o.got), n, want)
			}
			spoke := len(o.got)
			o.here.call.Play(clipIn(t, ours), PlayOptions{})
			o.pass(time.Duration(len(ours)) * time.Second / audio.SampleRate)
			if n := o.same(spoke); n > 3 {
				t.Errorf("%d packets are passed on while the bot speaks", n)
			}
			silent := len(o.got)
			o.pass(6 * time.Second)
			if n := o.same(silent); n < 4*50 {
				t.Errorf("%d packets are passed on after the bot has spoken, of %d", n, len(o.got)-silent)
			}

			for i, p := range o.got[1:] {
				before := &o.got[i]
				if p.Sequence != before.Sequence+1 || p.PayloadType != c.PayloadType {
					t.Fatalf("packet %d has number %d and type %d, the one before %d and %d", i+1, p.Sequence, p.PayloadType, before.Sequence, before.PayloadType)
				}
				// A packet is up to a frame off where it is said in frames.
				if step := int32(p.Timestamp-before.Timestamp) / int32(c.TimestampStep); step < 1 || step > 2 {
					t.Errorf("packet %d (%d, %d) is %d frames behind the one before", i+1, spoke, silent, step)
				}
				if p.Marker && i > 0 {
					t.Errorf("packet %d says that something begins", i+1)
				}
			}
			if late := int64(o.got[len(o.got)-1].Timestamp-o.got[0].Timestamp)/int64(c.TimestampStep) - int64(o.at[len(o.at)-1].Sub(o.at[0])/audio.FrameDuration); late < -2 || late > 2 {
				t.Errorf("the stream is %d frames longer than it took", late)
			}
			stats := o.ear.call.statsAt(o.now).Audio
			if stats.ConcealedPercent > 0.3 || stats.PacketsLost > 0 {
				t.Errorf("who listens in had to make something up: %+v", stats)
			}
		})
	}
}

// A bot that says silence changes nothing of what the far side says: where what is passed on and what is mixed meet there is
// no click and no gap.
func TestNobodyHearsThatPassingOnBeginsAndEnds(t *testing.T) {
	for _, c := range codec.All() {
		t.Run(c.Name, func(t *testing.T) {
			o := overhear(t, c, c)
			theirs := recordingOf(t, "standup.wav")
			o.there.call.Play(clipIn(t, theirs), PlayOptions{})
			o.pass(300 * time.Millisecond)
			for range 4 {
				o.here.call.Play(clipIn(t, make([]int16, audio.SampleRate/2)), PlayOptions{})
				o.pass(1830 * time.Millisecond)
			}
			if n := o.same(0); n < 60 || n > len(o.got)-60 {
				t.Errorf("%d of %d packets were passed on", n, len(o.got))
			}
			heard := o.tap.heard()
			r, err := measure.Compare(theirs[:7*audio.SampleRate], heard, audio.SampleRate)
			jump := func(pcm []int16) (most int) {
				for i := range pcm[1:] {
					most = max(most, int(math.Abs(float64(pcm[i+1])-float64(pcm[i]))))
				}
				return most
			}
			t.Logf("%+v; jumps of %d, and the far side's own of %d", r, jump(heard), jump(theirs))
			// At each of the eight changes up to 20 ms are heard twice or left out, so that not all of it can be aligned.
			if err != nil || r.Correlation < 0.7 || math.Abs(r.LevelDB) > 1 || r.LongestGap > 20*time.Millisecond {
				t.Errorf("heard as %+v, %v", r, err)
			}
			if got, own := jump(heard), jump(theirs); got > own*5/4 {
				t.Errorf("a jump of %d, where the material's own is %d", got, own)
			}
		})
	}
}

// What is lost on the way to the bot is seen as lost by who listens in, and made up there.
func TestWhatIsLostIsPassedOnAsLost(t *testing.T) {
	o := overhear(t, codec.PCMU, codec.PCMU)
	o.there.call.Play(clipIn(t, recordingOf(t, "standup.wav")), PlayOptions{Loop: true})
	o.pass(2 * time.Second)
	o.there.transport.(*pipe).bad = impair.NewLink[[]byte](impair.Config{Seed: 3, LossPercent: 5, Jitter: 30 * time.Millisecond, ReorderPercent: 2, HoldBack: 30 * time.Millisecond})
	o.pass(20 * time.Second)
	at, sent := o.here.call.statsAt(o.now).Audio, o.ear.call.statsAt(o.now).Audio
	if at.PacketsLost < 30 || math.Abs(float64(at.PacketsLost)-float64(sent.PacketsLost)) > 0.2*float64(at.PacketsLost)+3 {
		t.Errorf("%d packets were lost on the way here, and %d are missed by who listens in", at.PacketsLost, sent.PacketsLost)
	}
	for i := range o.got[1:] {
		if ahead := o.got[i+1].Sequence - o.got[i].Sequence; ahead < 1 || ahead > astray || int32(o.got[i+1].Timestamp-o.got[i].Timestamp) <= 0 {
			t.Fatalf("packet %d: %+v behind %+v", i+1, o.got[i+1].Sequence, o.got[i].Sequence)
		}
	}
}

// Who takes another codec is sent both sides mixed, at any time.
func TestWhatAListenerCannotDecodeIsNotPassedOn(t *testing.T) {
	o := overhear(t, codec.PCMU, codec.PCMA)
	o.there.call.Play(clipIn(t, recordingOf(t, "standup.wav")), PlayOptions{})
	o.pass(3 * time.Second)
	if n := o.same(0); n > 3 || len(o.got) < 140 {
		t.Errorf("%d of %d packets were passed on", n, len(o.got))
	}
}

func TestPassingOnAllocatesNothing(t *testing.T) {
	s, _ := fakeSession(Behavior{Echo: true})
	null := &nullTransport{}
	l := &listener{connection: connection{call: s.call, id: "grace", transport: null}}
	l.agreed.Store(s.agreed.Load())
	s.call.listeners["grace"] = l
	s.call.admit(l)
	s.call.voice.seat.stop()
	receive := stream(s, format{codec.G722, 9})
	now := time.Unix(0, 0)
	step := func() {
		receive()
		s.call.tick(now)
		now = now.Add(audio.FrameDuration)
	}
	for range 100 {
		step()
	}
	before := null.sent
	if n := testing.AllocsPerRun(200, step); n != 0 {
		t.Errorf("%v allocations for 20 ms", n)
	}
	if null.sent-before < 190 || !l.passing.on {
		t.Errorf("%d packets were passed on of 200", null.sent-before)
	}
}
