// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"testing"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/measure"
	"github.com/callfleet/callfleet/audio/opus"
)

// need skips a test of Opus where there is no libopus.
func need(t testing.TB, c Codec) {
	t.Helper()
	if c != Opus {
		return
	}
	if _, err := opus.Default(); err != nil {
		t.Skipf("this test needs libopus: %v", err)
	}
}

// coded is one frame's payload, and what it is decoded to without loss.
type coded struct {
	payload []byte
	heard   []int16
}

func packetsOf(c Codec, samples []int16) (out []coded) {
	enc, dec := c.NewEncoder(), c.NewDecoder()
	for ; len(samples) >= audio.FrameSamples; samples = samples[audio.FrameSamples:] {
		payload := enc.Encode(nil, samples[:audio.FrameSamples])
		out = append(out, coded{payload, dec.Decode(nil, payload)})
	}
	return out
}

func TestOpusSendsNothingInAPause(t *testing.T) {
	need(t, Opus)
	enc, sent := Opus.NewEncoder(), 0
	for _, v := range speech(t, "prompt.wav")[8000:][:1] {
		frame := make([]int16, audio.FrameSamples)
		frame[0] = v
		enc.Encode(nil, frame)
	}
	dst := []byte{7}
	for range 100 {
		if got := enc.Encode(dst, make([]int16, audio.FrameSamples)); len(got) > 1 {
			sent++
		} else if len(got) != 1 {
			t.Fatalf("%x", got)
		}
	}
	if sent < 12 || sent > 16 { // 10 until it is a pause, and one in 20
		t.Errorf("%d of 100 packets of silence are sent", sent)
	}
}

func TestOpusTakesOnlyItsFrames(t *testing.T) {
	need(t, Opus)
	if got := Opus.NewEncoder().Encode([]byte{7}, make([]int16, 100)); !bytes.Equal(got, []byte{7}) {
		t.Errorf("100 samples became %x", got)
	}
}

// Opus packets mix modes freely, so that the decoder goes on through a change.
func TestOpusProtectsPacketsThatGetLost(t *testing.T) {
	need(t, Opus)
	const silk = 9 // configuration of RFC 6716 table 2: SILK, wideband, 20 ms
	tests := []struct {
		percent   float64
		protected bool
	}{{0, false}, {2.9, false}, {3, true}, {50, true}, {1.5, true}, {1, true}, {0.9, false}, {1.5, false}, {1000, true}, {-1, false}}
	enc := Opus.NewEncoder()
	spoken := speech(t, "standup.wav")[audio.SampleRate:]
	for i, tc := range tests {
		enc.(LossAdapter).AdaptToLoss(tc.percent)
		for j := range 3 {
			p := enc.Encode(nil, spoken[(3*i+j)*audio.FrameSamples:][:audio.FrameSamples])
			if got := p[0]>>3 == silk; got != tc.protected {
				t.Errorf("step %d, at %v %% loss: protected %v", i, tc.percent, got)
			}
		}
	}
}

func TestOpusRecoversWhatTheNextPacketHolds(t *testing.T) {
	need(t, Opus)
	spoken := speech(t, "standup.wav")[:4*audio.SampleRate]
	enc := Opus.NewEncoder()
	enc.(LossAdapter).AdaptToLoss(20)
	var payloads [][]byte
	for at := 0; at < len(spoken); at += audio.FrameSamples {
		payloads = append(payloads, enc.Encode(nil, spoken[at:at+audio.FrameSamples]))
	}
	correlation := func(fill func(d Decoder, heard []int16, next []byte) []int16) float64 {
		d := Opus.NewDecoder()
		var heard []int16
		for i, p := range payloads {
			if i%5 == 3 && i+1 < len(payloads) && len(payloads[i+1]) > 0 {
				heard = fill(d, heard, payloads[i+1])
			} else if len(p) == 0 {
				heard = d.Conceal(heard, audio.FrameSamples)
			} else {
				heard = d.Decode(heard, p)
			}
		}
		r, err := measure.Compare(spoken, heard, audio.SampleRate)
		if err != nil {
			t.Fatal(err)
		}
		return r.Correlation
	}
	recovered := correlation(func(d Decoder, heard []int16, next []byte) []int16 {
		return d.(Recoverer).Recover(heard, next, audio.FrameSamples)
	})
	concealed := correlation(func(d Decoder, heard []int16, _ []byte) []int16 { return d.Conceal(heard, audio.FrameSamples) })
	if recovered < concealed+0.03 || recovered < 0.9 {
		t.Errorf("correlation %.4f recovered, %.4f concealed", recovered, concealed)
	}
}

// What is no packet is taken for a lost one, as long as the last.
func TestOpusConcealsWhatItCannotDecode(t *testing.T) {
	need(t, Opus)
	d, torso := Opus.NewDecoder(), []byte{9<<3 | 3}
	packets := packetsOf(Opus, speech(t, "standup.wav")[16000:][:3200])
	if got := d.Decode(nil, torso); len(got) != audio.FrameSamples {
		t.Errorf("at first a torso is %d samples", len(got))
	}
	for _, p := range packets {
		d.Decode(nil, p.payload)
	}
	heard := d.Decode([]int16{7}, torso)
	if len(heard) != 1+audio.FrameSamples || audio.Energy(heard[1:]) == 0 {
		t.Errorf("a torso is %d samples", len(heard)-1)
	}
	if heard = d.(Recoverer).Recover([]int16{7}, nil, 100); len(heard) != 101 {
		t.Errorf("recovering 100 samples from nothing makes %d", len(heard)-1)
	}
	if heard = d.Decode([]int16{7}, nil); len(heard) != 1+audio.FrameSamples {
		t.Errorf("an empty payload is %d samples", len(heard)-1)
	}
}

func TestWithoutALibraryAnOpusCodecIsAProgrammingError(t *testing.T) {
	if _, err := opus.Default(); err == nil {
		t.Skip("this test needs a system without libopus")
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	Opus.NewEncoder()
}
