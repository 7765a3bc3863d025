// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"
)

// riff is a WAV file with this header around eight bytes of sound.
func riff(tag, channels, bits uint16, rate, claimed uint32) []byte {
	le := binary.LittleEndian
	out := append([]byte("RIFF\x2c\x00\x00\x00WAVEfmt \x10\x00\x00\x00"), le.AppendUint16(nil, tag)...)
	out = le.AppendUint16(out, channels)
	out = le.AppendUint32(out, rate)
	out = le.AppendUint32(out, rate*uint32(channels*bits/8))
	out = le.AppendUint16(out, channels*bits/8)
	out = le.AppendUint16(out, bits)
	out = le.AppendUint32(append(out, "data"...), claimed)
	return append(out, 1, 2, 3, 4, 5, 6, 7, 8)
}

// TestAMessageSaysWhatAFileIsInstead: the service says nothing, and plays silence.
func TestAMessageSaysWhatAFileIsInstead(t *testing.T) {
	tests := map[string]struct {
		raw  []byte
		want string
	}{
		"empty":          {nil, "is empty"},
		"CD quality":     {riff(1, 2, 16, 44100, 8), "is WAV with 44,100 Hz, 16 bit, stereo, PCM"},
		"telephone":      {riff(7, 1, 8, 8000, 8), "is WAV with 8,000 Hz, 8 bit, mono, µ-law"},
		"float":          {riff(3, 1, 32, 16000, 8), "is WAV with 16,000 Hz, 32 bit, mono, float"},
		"surround":       {riff(1, 6, 16, 16000, 8), "16 bit, 6 channels, PCM"},
		"unknown":        {riff(0x161, 1, 16, 16000, 8), "format 0x0161"},
		"piped":          {riff(1, 1, 16, 16000, math.MaxUint32), "does not tell its length"},
		"silent":         {riff(1, 1, 16, 16000, 0), "holds no sound"},
		"cut":            {riff(1, 1, 16, 16000, 80), "holds 8 of 80 bytes"},
		"headless":       {[]byte("RIFF\x00\x00\x00\x00WAVE"), "is broken"},
		"MP3 with a tag": {[]byte("ID3\x03rest"), "an MP3 file"},
		"MP3":            {[]byte{0xFF, 0xFB, 0x90, 0}, "an MP3 file"},
		"Ogg":            {[]byte("OggS...."), "an Ogg file"},
		"FLAC":           {[]byte("fLaC...."), "a FLAC file"},
		"MP4":            {[]byte("\x00\x00\x00\x20ftypM4A "), "an MP4 file"},
		"AIFF":           {[]byte("FORM\x00\x00\x00\x00AIFF"), "an AIFF file"},
		"AU":             {[]byte(".snd...."), "an AU file"},
		"a sign-in page": {[]byte("<!doctype html><p>sign in"), "a web page or XML"},
		"a Git LFS stub": {[]byte("version https://git-lfs.github.com/spec/v1"), "Git LFS pointer"},
		"text":           {[]byte("hello"), "is not a WAV file"},
		"an AVI film":    {[]byte("RIFF\x00\x00\x00\x00AVI LIST"), "is not a WAV file"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := CheckPrompt(tc.raw)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want %q", err, tc.want)
			}
			if !strings.Contains(err.Error(), "ffmpeg") {
				t.Errorf("%v: does not say what to do", err)
			}
		})
	}
	if err := CheckPrompt(riff(1, 1, 16, 16000, 8)); err != nil {
		t.Errorf("a good file: %v", err)
	}
}

// FuzzCheckPrompt: what it lets through, our own decoder takes too, as what it is said to be.
func FuzzCheckPrompt(f *testing.F) {
	f.Add(riff(1, 1, 16, 16000, 8))
	f.Add(riff(1, 2, 16, 16000, 8))
	f.Add(riff(1, 1, 16, 16000, 80))
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEdata\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if err := CheckPrompt(raw); err != nil {
			return
		}
		clip, err := Decode(bytes.NewReader(raw), 1<<20)
		if err != nil || clip.SampleRate != PromptRate {
			t.Fatalf("passed, but decodes to %d Hz, error %v", clip.SampleRate, err)
		}
	})
}
