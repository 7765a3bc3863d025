// SPDX-License-Identifier: Apache-2.0

package prompts

import (
	"encoding/binary"
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

// TestAMessageNamesTheFile; what it says of it package wav tests.
func TestAMessageNamesTheFile(t *testing.T) {
	for want, raw := range map[string][]byte{
		"the file is WAV with 44,100 Hz, 16 bit, stereo, PCM; ": riff(1, 2, 16, 44100, 8),
		"the file is larger than 16 MiB; ":                      make([]byte, MaxBytes+1),
	} {
		if err := playable(File{Raw: raw, From: "the file"}); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := playable(File{Raw: riff(1, 1, 16, 16000, 8)}); err != nil {
		t.Errorf("a good file: %v", err)
	}
}
