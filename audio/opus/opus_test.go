// SPDX-License-Identifier: Apache-2.0

package opus

import (
	"errors"
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
)

func newEncoder(t testing.TB, c Config) *Encoder {
	t.Helper()
	e, err := library(t).NewEncoder(c)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newDecoder(t testing.TB) *Decoder {
	t.Helper()
	d, err := library(t).NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func encode(t testing.TB, e *Encoder, frame []int16) []byte {
	t.Helper()
	packet, err := e.Encode(nil, frame)
	if err != nil {
		t.Fatal(err)
	}
	return packet
}

// packets encodes speech in frames of 20 ms.
func packets(t testing.TB, e *Encoder, samples []int16) (out [][]byte) {
	t.Helper()
	for ; len(samples) >= audio.FrameSamples; samples = samples[audio.FrameSamples:] {
		out = append(out, encode(t, e, samples[:audio.FrameSamples]))
	}
	return out
}

// must is for calls that append and may fail.
func must(t testing.TB, pcm []int16, err error) []int16 {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return pcm
}

func compare(t testing.TB, spoken, heard []int16) measure.Report {
	t.Helper()
	r, err := measure.Compare(spoken, heard, audio.SampleRate)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	return r
}

func TestSpeechSurvivesARoundTrip(t *testing.T) {
	tests := map[string]struct {
		config      Config
		correlation float64
		kbps        float64
		delay       time.Duration
	}{
		"with low delay":       {LowDelay(), 0.98, 52, 3 * time.Millisecond},
		"prepared for loss":    {Lossy(), 0.9, 34, 8 * time.Millisecond},
		"with the most effort": {Config{Bitrate: 64000, Complexity: 10}, 0.95, 68, 8 * time.Millisecond},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e, d := newEncoder(t, tc.config), newDecoder(t)
			spoken := speech(t, "standup.wav")[:4*audio.SampleRate]
			var heard []int16
			bytes := 0
			for _, p := range packets(t, e, spoken) {
				bytes += len(p)
				info, err := Parse(p)
				if err != nil || info.Duration() != audio.FrameDuration || info.Stereo {
					t.Fatalf("%+v, %v", info, err)
				}
				pcm, err := d.Decode(heard, p)
				heard = must(t, pcm, err)
			}
			if len(heard) != len(spoken) {
				t.Errorf("%d samples of %d", len(heard), len(spoken))
			}
			r := compare(t, spoken, heard)
			kbps := float64(8*bytes) / 1000 / (float64(len(spoken)) / audio.SampleRate)
			t.Logf("%.1f kbit/s", kbps)
			if r.Correlation < tc.correlation {
				t.Errorf("correlation %.4f, want at least %v", r.Correlation, tc.correlation)
			}
			if math.Abs(r.LevelDB) > 1 {
				t.Errorf("level changed by %.2f dB", r.LevelDB)
			}
			if r.LongestGap > 5*time.Millisecond { // the end that is still in the codec
				t.Errorf("a gap of %v", r.LongestGap)
			}
			if r.Delay > tc.delay {
				t.Errorf("delay %v, want at most %v", r.Delay, tc.delay)
			}
			if kbps > tc.kbps {
				t.Errorf("%.1f kbit/s, want at most %v", kbps, tc.kbps)
			}
		})
	}
}

func TestSilenceNeedNotBeSent(t *testing.T) {
	for name, c := range map[string]Config{"low delay": LowDelay(), "lossy": Lossy()} {
		t.Run(name, func(t *testing.T) {
			e, d := newEncoder(t, c), newDecoder(t)
			packets(t, e, speech(t, "prompt.wav")[audio.SampleRate:])
			sent := 0
			var heard []int16
			for _, p := range packets(t, e, make([]int16, 3*audio.SampleRate)) {
				info, err := Parse(p)
				if err != nil {
					t.Fatal(err)
				}
				if !info.DTX {
					sent++
				}
				pcm, err := d.Decode(heard, p)
				heard = must(t, pcm, err)
			}
			// Some until it is sure, and one each 400 ms from then on.
			if sent > 40 || sent < 4 {
				t.Errorf("%d packets of 150 are to be sent", sent)
			}
			if l := audio.DBov(audio.Energy(heard), len(heard)); l > -65 {
				t.Errorf("silence comes out at %.1f dBov", l)
			}
		})
	}
}

// Every fifth packet is lost. The copy in the next one brings more of it back
// than continuing what was there.
func TestALostPacketIsRecoveredFromTheNext(t *testing.T) {
	spoken := speech(t, "standup.wav")[:4*audio.SampleRate]
	all := packets(t, newEncoder(t, Lossy()), spoken)
	play := func(recover bool) measure.Report {
		d := newDecoder(t)
		var heard []int16
		for i, p := range all {
			var err error
			switch {
			case i%5 != 4 || i+1 == len(all):
				heard, err = d.Decode(heard, p)
			case recover:
				heard, err = d.Recover(heard, all[i+1], audio.FrameSamples)
			default:
				heard, err = d.Conceal(heard, audio.FrameSamples)
			}
			heard = must(t, heard, err)
		}
		if len(heard) != len(spoken) {
			t.Fatalf("%d samples of %d", len(heard), len(spoken))
		}
		return compare(t, spoken, heard)
	}
	recovered, concealed := play(true), play(false)
	if recovered.Correlation < concealed.Correlation+0.03 || recovered.Correlation < 0.85 {
		t.Errorf("correlation %.4f recovered, %.4f concealed", recovered.Correlation, concealed.Correlation)
	}
	if recovered.LongestGap > 5*time.Millisecond || concealed.LongestGap > 20*time.Millisecond {
		t.Errorf("gaps of %v recovered, %v concealed", recovered.LongestGap, concealed.LongestGap)
	}
}

// Speech after a pause is not held up by it, whatever the pause looks like.
func TestSpeechAfterAPauseIsWhole(t *testing.T) {
	spoken := speech(t, "prompt.wav")
	padded := append(make([]int16, audio.SampleRate), spoken...)
	e, d := newEncoder(t, LowDelay()), newDecoder(t)
	var heard []int16
	skipped := 0
	for _, p := range packets(t, e, padded) {
		var err error
		if info, _ := Parse(p); info.DTX { // as at the far side, which was sent nothing
			skipped++
			heard, err = d.Conceal(heard, audio.FrameSamples)
		} else {
			heard, err = d.Decode(heard, p)
		}
		heard = must(t, heard, err)
	}
	if skipped < 30 {
		t.Errorf("%d packets skipped", skipped)
	}
	if r := compare(t, spoken, heard); r.Correlation < 0.98 || r.LongestGap != 0 || math.Abs(r.LevelDB) > 1 {
		t.Errorf("%+v", r)
	}
}

func TestALongLossFadesAway(t *testing.T) {
	for name, c := range map[string]Config{"low delay": LowDelay(), "lossy": Lossy()} {
		t.Run(name, func(t *testing.T) {
			d := newDecoder(t)
			var pcm []int16
			for _, p := range packets(t, newEncoder(t, c), speech(t, "standup.wav")[:audio.SampleRate]) {
				var err error
				pcm, err = d.Decode(pcm[:0], p)
				pcm = must(t, pcm, err)
			}
			pcm, err := d.Conceal(nil, 2*audio.SampleRate)
			pcm = must(t, pcm, err)
			if len(pcm) != 2*audio.SampleRate {
				t.Fatalf("%d samples", len(pcm))
			}
			first, last := pcm[:audio.FrameSamples], pcm[len(pcm)-audio.SampleRate/2:]
			if l := audio.DBov(audio.Energy(first), len(first)); l < -60 {
				t.Errorf("the loss begins at %.1f dBov already", l)
			}
			if l := audio.DBov(audio.Energy(last), len(last)); l > -55 {
				t.Errorf("after one and a half seconds it still has %.1f dBov", l)
			}
		})
	}
}

// A copy covers the end of a loss that is longer than any packet.
func TestALossLongerThanAPacketIsFilled(t *testing.T) {
	all := packets(t, newEncoder(t, Lossy()), speech(t, "standup.wav")[:audio.SampleRate])
	d := newDecoder(t)
	pcm, err := d.Decode(nil, all[20])
	must(t, pcm, err)
	pcm, err = d.Recover(nil, all[30], 9*audio.FrameSamples)
	if pcm = must(t, pcm, err); len(pcm) != 9*audio.FrameSamples {
		t.Errorf("%d samples", len(pcm))
	}
}

func TestAnEncoderCanBeConfiguredWhileItRuns(t *testing.T) {
	e, d := newEncoder(t, LowDelay()), newDecoder(t)
	spoken := speech(t, "standup.wav")
	var heard []int16
	for i := 0; i < len(spoken); i += audio.FrameSamples {
		var err error
		switch i / audio.FrameSamples {
		case 100:
			err = e.Configure(Lossy())
		case 150:
			c := Lossy()
			c.Bitrate = 24000
			err = e.Configure(c)
		case 200:
			err = e.Configure(LowDelay())
		}
		if err != nil {
			t.Fatal(err)
		}
		pcm, err := d.Decode(heard, encode(t, e, spoken[i:i+audio.FrameSamples]))
		heard = must(t, pcm, err)
	}
	// The modes differ in delay, so that each part is compared by itself.
	for name, part := range map[string][2]int{"before": {0, 100}, "between": {101, 200}, "after": {201, 333}} {
		from, to := part[0]*audio.FrameSamples, part[1]*audio.FrameSamples
		if r := compare(t, spoken[from:to], heard[from:to]); r.Correlation < 0.85 || r.LongestGap > 5*time.Millisecond {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestWhatCannotBeIsRefused(t *testing.T) {
	lib := library(t)
	for name, c := range map[string]Config{
		"no bitrate":       {},
		"too many bits":    {Bitrate: 600000},
		"complexity":       {Bitrate: 24000, Complexity: 11},
		"loss percentage":  {Bitrate: 24000, LossPercent: 101},
		"negative bitrate": {Bitrate: -1},
	} {
		if _, err := lib.NewEncoder(c); err == nil {
			t.Errorf("%s: an encoder", name)
		}
		if err := newEncoder(t, LowDelay()).Configure(c); err == nil {
			t.Errorf("%s: configured", name)
		}
	}
	e, d := newEncoder(t, LowDelay()), newDecoder(t)
	for _, n := range []int{0, 1, 319, 321, 5000} {
		if p, err := e.Encode([]byte{7}, make([]int16, n)); err == nil || len(p) != 1 {
			t.Errorf("%d samples became %x", n, p)
		}
	}
	before := []int16{7}
	for name, f := range map[string]func() ([]int16, error){
		"decoding nothing":        func() ([]int16, error) { return d.Decode(before, nil) },
		"recovering from nothing": func() ([]int16, error) { return d.Recover(before, nil, 320) },
		"concealing half a frame": func() ([]int16, error) { return d.Conceal(before, 33) },
		"concealing less":         func() ([]int16, error) { return d.Conceal(before, -320) },
		"decoding a torso":        func() ([]int16, error) { return d.Decode(before, []byte{9<<3 | 3}) },
	} {
		if pcm, err := f(); err == nil || len(pcm) != 1 {
			t.Errorf("%s: %d samples, %v", name, len(pcm), err)
		}
	}
	if _, err := d.Decode(nil, []byte{9<<3 | 3}); !errors.Is(err, Error(4)) {
		t.Errorf("a torso: %v", err)
	}
}

func TestCodingAllocatesNothing(t *testing.T) {
	spoken := speech(t, "prompt.wav")[8000:]
	for name, c := range map[string]Config{"low delay": LowDelay(), "lossy": Lossy()} {
		t.Run(name, func(t *testing.T) {
			e, d, at := newEncoder(t, c), newDecoder(t), 0
			packet, pcm := make([]byte, 0, MaxFrameBytes), make([]int16, 0, 2*audio.FrameSamples)
			n := testing.AllocsPerRun(100, func() {
				packet, _ = e.Encode(packet[:0], spoken[at:at+audio.FrameSamples])
				at = (at + audio.FrameSamples) % (30 * audio.FrameSamples)
				pcm, _ = d.Decode(pcm[:0], packet)
				pcm, _ = d.Conceal(pcm[:0], audio.FrameSamples)
				pcm, _ = d.Recover(pcm, packet, audio.FrameSamples)
				if c.LowDelay {
					c.Bitrate ^= 8
				}
				if err := e.Configure(c); err != nil {
					t.Error(err)
				}
			})
			if n != 0 && !raceDetector {
				t.Errorf("%v allocations for a frame", n)
			}
			if len(packet) < 20 || len(pcm) != 2*audio.FrameSamples {
				t.Errorf("a frame became %d bytes and %d samples", len(packet), len(pcm))
			}
		})
	}
}

// Nothing is left of codecs that nobody uses, and the collector running while
// they are used harms none.
func TestCodecsAreCollected(t *testing.T) {
	lib := library(t)
	spoken := speech(t, "prompt.wav")[:20*audio.FrameSamples]
	want := packets(t, newEncoder(t, LowDelay()), spoken)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for round := range 20 {
		e, d := newEncoder(t, LowDelay()), newDecoder(t)
		for i, w := range want {
			if i == 10 {
				runtime.GC()
			}
			p := encode(t, e, spoken[i*audio.FrameSamples:][:audio.FrameSamples])
			if string(p) != string(w) {
				t.Fatalf("round %d: packet %d differs", round, i)
			}
			pcm, err := d.Decode(nil, p)
			must(t, pcm, err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > int64(5*lib.encoders.size) {
		t.Errorf("20 codecs left %d bytes", grown)
	}
}

func BenchmarkEncode(b *testing.B) {
	spoken := speech(b, "standup.wav")
	for name, c := range map[string]Config{"low delay": LowDelay(), "lossy": Lossy()} {
		b.Run(name, func(b *testing.B) {
			e, packet, at := newEncoder(b, c), make([]byte, 0, MaxFrameBytes), 0
			b.ReportAllocs()
			for b.Loop() {
				packet, _ = e.Encode(packet[:0], spoken[at:at+audio.FrameSamples])
				at = (at + audio.FrameSamples) % len(spoken)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, c := range map[string]Config{"low delay": LowDelay(), "lossy": Lossy()} {
		b.Run(name, func(b *testing.B) {
			all := packets(b, newEncoder(b, c), speech(b, "standup.wav"))
			d, pcm, at := newDecoder(b), make([]int16, 0, audio.FrameSamples), 0
			b.ReportAllocs()
			for b.Loop() {
				pcm, _ = d.Decode(pcm[:0], all[at])
				at = (at + 1) % len(all)
			}
		})
	}
}
