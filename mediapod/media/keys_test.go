// SPDX-License-Identifier: Apache-2.0

package media

import (
	"sync"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/tone"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

// pipe carries what one session sends to another one, as packets of its first section.
type pipe struct {
	transport.Session
	to  *session
	now *time.Time
	bad *impair.Link[[]byte] // the network between; nil for none
	see func(*transport.Packet)
}

func (w *pipe) Send(_ int, p *transport.Packet) error {
	if w.see != nil {
		w.see(p)
	}
	if w.bad != nil {
		w.bad.Send(marshal(p), w.now.Sub(talkBegins))
		return nil
	}
	w.to.Receive(0, marshal(p), *w.now)
	return nil
}

// deliver hands over what the network has brought by now.
func (w *pipe) deliver() {
	for w.bad != nil {
		raw, at, ok := w.bad.Receive(w.now.Sub(talkBegins))
		if !ok {
			return
		}
		w.to.Receive(0, raw, talkBegins.Add(at))
	}
}

func (w *pipe) Close() {}

func marshal(p *transport.Packet) []byte {
	second := p.PayloadType
	if p.Marker {
		second |= 0x80
	}
	raw := []byte{0x80, second, byte(p.Sequence >> 8), byte(p.Sequence), byte(p.Timestamp >> 24), byte(p.Timestamp >> 16), byte(p.Timestamp >> 8), byte(p.Timestamp), 0, 0, 0, 7}
	return append(raw, p.Payload...)
}

func TestKeysArrive(t *testing.T) {
	const dialled = "1234567890*#ABCD"
	for name, keys := range map[string]map[uint8]uint32{"as events": {101: 8000}, "as tones": nil} {
		t.Run(name, func(t *testing.T) {
			var got string
			var lasted []time.Duration
			here, _ := fakeSession(Behavior{})
			there, _ := fakeSession(Behavior{})
			there.call.OnKey(func(k Key) {
				if k.Pressed {
					got += string(k.Label)
				} else {
					lasted = append(lasted, k.Lasted)
				}
			})
			now := time.Unix(9000, 0)
			here.transport = &pipe{to: there, now: &now}
			for _, s := range []*session{here, there} {
				main := section{kind: kindAudio, formats: []format{{Codec: codec.PCMU}}, keys: keys}
				s.agreed.Store(&agreement{main: &main, sections: []section{main}})
				s.call.ears[0].formats.Store(&main)
			}
			there.call.tick(now)
			interrupted := there.call.Play(clip(t, 320*1000), PlayOptions{BargeIn: true})
			prompt := here.call.Play(clip(t, 320*10), PlayOptions{})
			if err := here.call.SendKeys(dialled, 100*time.Millisecond, 100*time.Millisecond); err != nil {
				t.Fatal(err)
			}
			for range 16*10 + 30 {
				here.call.tick(now)
				there.call.tick(now)
				now = now.Add(audio.FrameDuration)
			}
			if got != dialled || len(lasted) != len(dialled) {
				t.Errorf("%s arrived, and %d were let go", got, len(lasted))
			}
			for i, d := range lasted {
				if (d - 100*time.Millisecond).Abs() > 25*time.Millisecond {
					t.Errorf("key %d lasted %v", i, d)
				}
			}
			if prompt.End() != Finished || interrupted.End() != Interrupted {
				t.Errorf("the prompt before is %d, the one that gives way to keys %d", prompt.End(), interrupted.End())
			}
		})
	}
}

func TestKeysAreChecked(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	const ms = time.Millisecond
	for name, err := range map[string]error{
		"no key":         s.call.SendKeys("", 100*ms, 100*ms),
		"a letter":       s.call.SendKeys("12x", 100*ms, 100*ms),
		"too short":      s.call.SendKeys("1", 10*ms, 100*ms),
		"too long":       s.call.SendKeys("1", time.Hour, 100*ms),
		"without pauses": s.call.SendKeys("1", 100*ms, 0),
		"too many":       s.call.SendKeys(sixtyFiveKeys, 100*ms, 100*ms),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

const sixtyFiveKeys = "12345678901234567890123456789012345678901234567890123456789012345"

// pulse is a source that says a tone.
type pulse struct {
	g *tone.Generator
}

func (p pulse) Fill(frame []int16) bool { return p.g.Fill(frame) > 0 }

func TestSourcesAreHeardBesideAClip(t *testing.T) {
	s, null := fakeSession(Behavior{})
	c := s.call
	g, err := tone.New(tone.Tone{Hz: [2]float64{1000}, LevelDBov: -10})
	if err != nil {
		t.Fatal(err)
	}
	dec := codec.G722.NewDecoder()
	now := time.Unix(9500, 0)
	level := func(frames int) float64 {
		var energy float64
		for range frames {
			c.tick(now)
			now = now.Add(audio.FrameDuration)
			energy += audio.Energy(dec.Decode(nil, null.last))
		}
		return audio.DBov(energy, frames*audio.FrameSamples)
	}
	source := pulse{g}
	c.AddSource(source)
	level(5)
	if got := level(10); got < -11 || got > -9 {
		t.Errorf("a source of -10 dBov is heard at %.1f", got)
	}
	c.SetGain(-20)
	level(2)
	if got := level(10); got < -31 || got > -29 {
		t.Errorf("turned down by 20 dB it is heard at %.1f", got)
	}
	c.RemoveSource(source)
	sent := null.sent
	if !c.tick(now) || null.sent != sent {
		t.Error("it goes on once it was removed")
	}
}

func TestTheDominantSpeakerIsTold(t *testing.T) {
	s, _ := fakeSession(Behavior{})
	c := s.call
	var mu sync.Mutex
	var told []uint32
	c.options.OnSpeaker = func(source uint32, _ []uint32) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, source)
	}
	sections := []section{{number: 0, kind: kindAudio, formats: []format{{Codec: codec.PCMU}}}}
	for i := 1; i <= 2; i++ {
		sections = append(sections, section{number: i, kind: kindAudio, formats: []format{{Codec: codec.PCMU}}})
		c.ears[i].formats.Store(&sections[i])
	}
	s.agreed.Store(&agreement{main: &sections[0], sections: sections})
	c.AddTap(nobody{})
	voice := recordingOf(t, "prompt.wav")
	encoders := map[int]codec.Encoder{1: codec.PCMU.NewEncoder(), 2: codec.PCMU.NewEncoder()}
	now := time.Unix(9900, 0)
	for i := range 300 {
		for ear, enc := range encoders {
			frame := silence[:]
			if ear == 1+i/150 { // first the one, then the other
				at := i * audio.FrameSamples % (len(voice) - audio.FrameSamples)
				frame = voice[at : at+audio.FrameSamples]
			}
			p := transport.Packet{Sequence: uint16(i), Timestamp: uint32(i) * 160, Payload: enc.Encode(nil, frame)}
			raw := marshal(&p)
			raw[11] = byte(10 * ear) // its source
			s.Receive(ear, raw, now)
		}
		c.tick(now)
		now = now.Add(audio.FrameDuration)
	}
	if len(told) != 2 || told[0] != 10 || told[1] != 20 {
		t.Errorf("told of %v, want 10 and then 20", told)
	}
}
