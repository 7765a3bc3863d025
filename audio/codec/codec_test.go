// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"testing"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/opus"
)

func TestByName(t *testing.T) {
	tests := map[string]struct {
		want Codec
		ok   bool
	}{
		"G722":       {G722, true},
		"g722":       {G722, true},
		"audio/pcmu": {PCMU, true},
		"AUDIO/PCMA": {PCMA, true},
		"opus":       {Codec{}, false},
		"audio/":     {Codec{}, false},
		"":           {Codec{}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got, ok := ByName(name); got != tc.want || ok != tc.ok {
				t.Errorf("ByName = %v, %v", got, ok)
			}
		})
	}
}

func TestTheListsAreInOrderOfPreference(t *testing.T) {
	names := func(codecs []Codec) (out string) {
		for _, c := range codecs {
			out += c.Name + " "
		}
		return out
	}
	if got := names(Supported()); got != "G722 PCMU PCMA " {
		t.Errorf("always there are %s", got)
	}
	want := "opus G722 PCMU PCMA "
	if _, err := opus.Default(); err != nil {
		want = "G722 PCMU PCMA "
	}
	if got := names(All()); got != want {
		t.Errorf("this process has %s, want %s", got, want)
	}
	if c, ok := Find([]Codec{PCMA, Opus}, "audio/OPUS"); !ok || c != Opus {
		t.Errorf("Find = %v, %v", c, ok)
	}
}

// 20 ms of RTP time, and SDP attributes as RFC 3551 and RFC 7587 have them.
func TestEveryCodecKnowsItsClock(t *testing.T) {
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		if got := c.ClockRate / 50; got != c.TimestampStep {
			t.Errorf("%s: a step of %d at %d Hz", c.Name, c.TimestampStep, c.ClockRate)
		}
		if isOpus := c == Opus; (c.Channels == 2) != isOpus || (c.Fmtp != "") != isOpus || (c.PayloadType >= 96) != isOpus {
			t.Errorf("%+v", c)
		}
		if c.MimeType != "audio/"+c.Name {
			t.Errorf("%s is %s", c.Name, c.MimeType)
		}
	}
}

func TestSpeechSurvivesARoundTrip(t *testing.T) {
	tests := map[string]struct {
		codec       Codec
		correlation float64
	}{
		"G722 loses little":                {G722, 0.99},
		"PCMU loses what is above 3.4 kHz": {PCMU, 0.95},
		"PCMA loses what is above 3.4 kHz": {PCMA, 0.95},
		"Opus loses least":                 {Opus, 0.99},
	}
	spoken := speech(t, "standup.wav")
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			need(t, tc.codec)
			var heard []int16
			for _, p := range packetsOf(tc.codec, spoken) {
				heard = append(heard, p.heard...)
			}
			r, err := measure.Compare(spoken, heard, audio.SampleRate)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%+v", r)
			if r.Correlation < tc.correlation {
				t.Errorf("correlation %.4f, want at least %v", r.Correlation, tc.correlation)
			}
			if r.LevelDB < -1 || r.LevelDB > 1 {
				t.Errorf("level changed by %.2f dB", r.LevelDB)
			}
			if r.LongestGap != 0 {
				t.Errorf("a gap of %v", r.LongestGap)
			}
			if r.Delay <= 0 || r.Delay.Milliseconds() > 5 {
				t.Errorf("delay %v, want the filters' one to four milliseconds", r.Delay)
			}
		})
	}
}

func TestSilenceStaysSilent(t *testing.T) {
	for _, c := range []Codec{G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			heard := decodeAll(c, encodeAll(c, make([]int16, audio.SampleRate)))
			if got := audio.DBov(audio.Energy(heard), len(heard)); got > -65 {
				t.Errorf("digital silence comes out at %.1f dBov", got)
			}
		})
	}
}

func TestCodingAllocatesNothing(t *testing.T) {
	frame := speech(t, "prompt.wav")[8000:][:audio.FrameSamples]
	for _, c := range []Codec{Opus, G722, PCMU, PCMA} {
		t.Run(c.Name, func(t *testing.T) {
			need(t, c)
			enc, dec := c.NewEncoder(), c.NewDecoder()
			payload, pcm := make([]byte, 0, MaxPayloadBytes), make([]int16, 0, audio.FrameSamples)
			n := testing.AllocsPerRun(100, func() {
				payload = enc.Encode(payload[:0], frame)
				pcm = dec.Conceal(pcm[:0], audio.FrameSamples)
				pcm = dec.Decode(pcm[:0], payload)
			})
			if n != 0 && !(raceDetector && c == Opus) {
				t.Errorf("%v allocations for a frame", n)
			}
			if (len(payload) != PayloadBytes && c != Opus) || len(pcm) != audio.FrameSamples {
				t.Errorf("a frame became %d bytes and %d samples", len(payload), len(pcm))
			}
		})
	}
}

func BenchmarkConceal(b *testing.B) {
	frame := speech(b, "prompt.wav")[8000:][:audio.FrameSamples]
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			payload := c.NewEncoder().Encode(nil, frame)
			dec, pcm := c.NewDecoder(), make([]int16, 0, audio.FrameSamples)
			b.ReportAllocs()
			for b.Loop() { // a loss and the packet that ends it
				pcm = dec.Conceal(pcm[:0], audio.FrameSamples)
				pcm = dec.Decode(pcm[:0], payload)
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	frame := speech(b, "prompt.wav")[8000:][:audio.FrameSamples]
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			enc, payload := c.NewEncoder(), make([]byte, 0, MaxPayloadBytes)
			b.ReportAllocs()
			for b.Loop() {
				payload = enc.Encode(payload[:0], frame)
			}
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	frame := speech(b, "prompt.wav")[8000:][:audio.FrameSamples]
	for _, c := range All() {
		b.Run(c.Name, func(b *testing.B) {
			payload := c.NewEncoder().Encode(nil, frame)
			dec, pcm := c.NewDecoder(), make([]int16, 0, audio.FrameSamples)
			b.ReportAllocs()
			for b.Loop() {
				pcm = dec.Decode(pcm[:0], payload)
			}
		})
	}
}
