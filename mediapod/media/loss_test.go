// SPDX-License-Identifier: Apache-2.0

package media

import (
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/codec"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/opus"
	"github.com/callfleet/callfleet/mediapod/media/impair"
	"github.com/callfleet/callfleet/mediapod/media/transport"
)

func withOpus(t testing.TB) {
	if _, err := opus.Default(); err != nil {
		t.Skip(err)
	}
}

// reporter tells one side of a talk once a second what the other one missed.
type reporter struct{ before transport.Reception }

func (r *reporter) pass(k *talk, d time.Duration) {
	for ; d > 0; d -= time.Second {
		k.pass(time.Second)
		now, ok := k.there.Reception(0)
		if expected := float64(now.Expected - r.before.Expected); ok && expected > 0 {
			k.here.Reported(0, max(0, 1-float64(now.Received-r.before.Received)/expected))
		}
		r.before = now
	}
}

// scale weighs what is sent.
type scale struct{ packets, bytes, copies int }

func (w *scale) see(p *transport.Packet) {
	w.packets++
	w.bytes += len(p.Payload)
	if p.Payload[0]>>3 == 9 { // RFC 6716 table 2: SILK, wideband, 20 ms, which alone may hold a copy
		w.copies++
	}
}

// read is the bit rate since the last time, and whether most packets may hold copies.
func (w *scale) read() (kbps float64, protected bool) {
	kbps = float64(8*w.bytes) / (float64(w.packets) * audio.FrameDuration.Seconds()) / 1000
	protected = w.copies > w.packets/2
	*w = scale{}
	return kbps, protected
}

// A far side that says it misses packets is sent fewer bits, with copies of what was before; one that does not any more, the
// clearer kind again. With copies, less has to be made up.
func TestSpeechIsProtectedWhileItGetsLost(t *testing.T) {
	withOpus(t)
	lossy := impair.Config{Seed: 11, LossPercent: 8, Delay: 20 * time.Millisecond, Jitter: 10 * time.Millisecond}
	spoken := recordingOf(t, "standup.wav")
	concealed := map[bool]float64{}
	for _, reports := range []bool{false, true} {
		k, w, r, tap := newTalk(codec.Opus), &scale{}, &reporter{}, &keeper{}
		line := k.here.transport.(*pipe)
		line.see = w.see
		pass := k.pass
		if reports {
			pass = func(d time.Duration) { r.pass(k, d) }
		}
		k.there.call.AddTap(tap)
		k.here.call.Play(clipIn(t, spoken), PlayOptions{Loop: true})
		pass(5 * time.Second)
		if kbps, protected := w.read(); protected || kbps < 35 {
			t.Errorf("on a clean network %.0f kbit/s, protected %v", kbps, protected)
		}

		line.bad = impair.NewLink[[]byte](lossy)
		pass(5 * time.Second)
		w.read()
		played := k.there.call.ears[0].playout.Load()
		before := played.Stats().ConcealedSamples
		tap.frames = nil
		pass(20 * time.Second)
		kbps, protected := w.read()
		if protected != reports || protected && kbps > 35 {
			t.Errorf("8 %% lost, told of it: %v; %.0f kbit/s, protected %v", reports, kbps, protected)
		}
		concealed[reports] = 100 * float64(played.Stats().ConcealedSamples-before) / (20 * audio.SampleRate)
		c, err := measure.Compare(spoken, tap.heard(), audio.SampleRate)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("told of it: %v; %.0f kbit/s, %.2f %% made up, %+v", reports, kbps, concealed[reports], c)

		line.bad = impair.NewLink[[]byte](impair.Config{Delay: 20 * time.Millisecond})
		pass(30 * time.Second)
		w.read()
		pass(5 * time.Second)
		if kbps, protected := w.read(); protected || kbps < 35 {
			t.Errorf("on a network that is clean again %.0f kbit/s, protected %v", kbps, protected)
		}
	}
	if concealed[true] > 0.6*concealed[false] {
		t.Errorf("%.2f %% made up with copies, %.2f %% without", concealed[true], concealed[false])
	}
}

// A single packet that is missed is no reason for another kind of coding; a second with a tenth of them missed, twice, is,
// and what comes back soon after is not forgotten.
func TestLossIsSmoothed(t *testing.T) {
	for name, tc := range map[string]struct {
		reports []float64
		want    int // percent
	}{
		"one packet of fifty":   {[]float64{0.02}, 0},
		"one now and then":      {[]float64{0.02, 0, 0, 0.02, 0, 0, 0.02}, 1},
		"a tenth, once":         {[]float64{0.1}, 4},
		"a tenth, always":       {[]float64{0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}, 9},
		"a tenth, and then not": {[]float64{0.1, 0.1, 0.1, 0, 0, 0, 0, 0}, 4},
		"never any":             {[]float64{0, 0, 0}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var m missed
			for _, r := range tc.reports {
				m.report(r)
			}
			if got := m.percent(); got != tc.want {
				t.Errorf("%d %%, want %d", got, tc.want)
			}
		})
	}
}

// Those who listen in share an encoder: it is for the one who misses most, and only of those who take its codec.
func TestListenersShareTheProtection(t *testing.T) {
	withOpus(t)
	c := newTalk(codec.PCMU).here.call
	var list []*listener
	nulls := map[*listener]*nullTransport{}
	for _, f := range []codec.Codec{codec.Opus, codec.Opus, codec.PCMU} {
		null := &nullTransport{}
		l := &listener{connection: connection{call: c, transport: null}}
		main := section{kind: kindAudio, formats: []format{{Codec: f, payloadType: f.PayloadType}}}
		l.agreed.Store(&agreement{main: &main, sections: []section{main}})
		list, nulls[l] = append(list, l), null
	}
	babble := recordingOf(t, "standup.wav")[audio.SampleRate:]
	protected := func() (all [2]bool) {
		for range 5 {
			c.voice.frame.Said = babble[:audio.FrameSamples]
			c.voice.tellListeners(list, &c.ears[0])
			babble = babble[audio.FrameSamples:]
		}
		for i, l := range list[:2] {
			all[i] = nulls[l].last[0]>>3 == 9
		}
		return all
	}
	list[2].Reported(0, 1)
	if got := protected(); got != [2]bool{} {
		t.Errorf("protected %v though only a listener of PCMU misses any", got)
	}
	list[1].Reported(1, 1) // of a track that is not the sound
	list[1].Reported(0, 0.5)
	if got := protected(); got != [2]bool{true, true} {
		t.Errorf("protected %v, want both", got)
	}
}

func TestAdaptingAllocatesNothing(t *testing.T) {
	withOpus(t)
	if raceDetector {
		t.Skip("under the race detector calls to libopus allocate")
	}
	m, spoken := newMouth(format{Codec: codec.Opus}), recordingOf(t, "standup.wav")[:audio.FrameSamples]
	m.say(spoken)
	if n := testing.AllocsPerRun(20, func() {
		for _, lost := range []int{12, 13, 0} {
			m.adapt(lost)
			m.say(spoken)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// An encoder is made when something is said, and not kept for ever; the next one knows how much is missed.
func TestAnEncoderIsThereWhileItIsNeeded(t *testing.T) {
	withOpus(t)
	spoken := recordingOf(t, "standup.wav")[audio.SampleRate:]
	m := newMouth(format{Codec: codec.Opus})
	m.adapt(20)
	for range 2 {
		if m.encoder != nil {
			t.Fatal("there is an encoder, and nothing to say")
		}
		for range 3 {
			if p := m.say(spoken[:audio.FrameSamples]); p == nil || p.Payload[0]>>3 != 9 {
				t.Fatalf("said %v, want it protected", p)
			}
			spoken = spoken[audio.FrameSamples:]
		}
		for range restsForGood - 1 {
			m.rest()
		}
		if m.encoder == nil {
			t.Fatal("let go of too soon")
		}
		m.rest()
	}
	g := newMouth(format{Codec: codec.G722})
	g.say(spoken[:audio.FrameSamples])
	if g.skip(restsForGood); g.encoder == nil {
		t.Error("G.722 begins anew after a pause, while the far side's decoder goes on")
	}
}
