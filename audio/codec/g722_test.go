// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/audiotest"
)

var speech = audiotest.Speech

// extremes drives every clamp of the codec: white noise at full scale, a square
// wave at full scale whose period changes, silence, and single spikes.
func extremes() []int16 {
	r := rand.New(rand.NewPCG(722, 64))
	s := make([]int16, 0, 64000)
	for range 16000 {
		s = append(s, int16(r.Uint32()))
	}
	for period := 2; len(s) < 32000; period++ {
		for i := range 16 * period {
			s = append(s, int16(math.MaxInt16-i/period%2*math.MaxUint16))
		}
	}
	for len(s) < 64000 {
		if s = append(s, 0); len(s)%4001 == 0 {
			s = append(s, math.MinInt16, math.MaxInt16)
		}
	}
	return s[:64000]
}

// encodeAll and decodeAll work in packets, as a call does.
func encodeAll(c Codec, samples []int16) []byte {
	var out []byte
	for e := c.NewEncoder(); len(samples) > 1; {
		n := min(len(samples), audio.FrameSamples)
		out, samples = e.Encode(out, samples[:n]), samples[n:]
	}
	return out
}

func decodeAll(c Codec, payload []byte) []int16 {
	var out []int16
	for d := c.NewDecoder(); len(payload) > 0; {
		n := min(len(payload), PayloadBytes)
		out, payload = d.Decode(out, payload[:n]), payload[n:]
	}
	return out
}

func sum(v any) string {
	h := sha256.New()
	if err := binary.Write(h, binary.LittleEndian, v); err != nil {
		panic(err)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// The expected values are what ffmpeg 5.1 makes of the same samples:
//
//	ffmpeg -f s16le -ar 16000 -i in.raw -c:a g722 -trellis 0 -f g722 out.g722
//	ffmpeg -f g722 -i out.g722 -f s16le out.raw
func TestG722IsBitExact(t *testing.T) {
	tests := map[string]struct {
		samples       []int16
		coded, spoken string // SHA-256 of the payload and of the samples after decoding
	}{
		"prompt":   {speech(t, "prompt.wav"), "f249f1a6f6aba624", "45cbcd3a1172a3fb"},
		"standup":  {speech(t, "standup.wav"), "326b60da37101e13", "88d51a59ce5de85c"},
		"extremes": {extremes(), "9f059a471416e591", "e763d6211184e2bd"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			payload := encodeAll(G722, tc.samples)
			if got := sum(payload); got != tc.coded {
				t.Errorf("encoded to %s, want %s", got, tc.coded)
			}
			if got := sum(decodeAll(G722, payload)); got != tc.spoken {
				t.Errorf("decoded to %s, want %s", got, tc.spoken)
			}
		})
	}
}

// The committed stream shows where a difference begins, which a hash does not.
func TestG722EncodesTheReferenceStream(t *testing.T) {
	want, err := os.ReadFile("testdata/prompt.g722")
	if err != nil {
		t.Fatal(err)
	}
	got := encodeAll(G722, speech(t, "prompt.wav"))
	if len(got) != len(want) {
		t.Fatalf("%d bytes, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("byte %d is %#02x, want %#02x", i, got[i], want[i])
		}
	}
}

// Random codes reach states that no encoder produces.
func TestG722DecodesAnyStream(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 22))
	payload := make([]byte, 64000)
	for i := range payload {
		payload[i] = byte(r.Uint32())
	}
	const want = "3c7ffcb7699a31da"
	if got := sum(decodeAll(G722, payload)); got != want {
		t.Errorf("decoded to %s, want %s", got, want)
	}
}

func TestPacketSizeDoesNotMatter(t *testing.T) {
	samples := speech(t, "prompt.wav")
	for _, c := range Supported() {
		t.Run(c.Name, func(t *testing.T) {
			whole := c.NewEncoder().Encode(nil, samples)
			if packets := encodeAll(c, samples); !bytes.Equal(whole, packets) {
				t.Error("encoding in packets differs from encoding at once")
			}
			at := c.NewDecoder().Decode(nil, whole)
			if sum(at) != sum(decodeAll(c, whole)) {
				t.Error("decoding in packets differs from decoding at once")
			}
		})
	}
}
