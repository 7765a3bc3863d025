// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// What the calling service plays: WAV, 16 kHz, 16 bits, mono, PCM (Graph, "call: playPrompt" and "mediaInfo").
const (
	PromptRate     = 16000
	promptBits     = 16
	promptChannels = 1
)

// remedy ends every message about a file the service would not play.
const remedy = "prompts are WAV with 16 kHz, 16 bit, mono, PCM; convert it: ffmpeg -i FILE -ar 16000 -ac 1 -c:a pcm_s16le prompt.wav"

// CheckPrompt says what keeps the service from playing a file, in words that follow the file's name: "is an MP3 file; …". A file it
// cannot play is silence to those in the call, and the service does not tell why.
func CheckPrompt(file []byte) error {
	if is := otherKind(file); is != "" {
		return fmt.Errorf("is %s; %s", is, remedy)
	}
	h, err := Inspect(file)
	if err != nil {
		return fmt.Errorf("is broken: %w; %s", err, remedy)
	}
	if h.Format != PCM || h.SampleRate != PromptRate || h.Bits != promptBits || h.Channels != promptChannels {
		return fmt.Errorf("is WAV with %s Hz, %d bit, %s, %s; %s",
			thousands(h.SampleRate), h.Bits, channels(h.Channels), FormatName(h.Format), remedy)
	}
	if err := complete(h); err != nil {
		return fmt.Errorf("%w; %s", err, remedy)
	}
	return nil
}

func complete(h Header) error {
	switch {
	case h.ClaimedBytes == math.MaxUint32:
		return errors.New("does not tell its length, as files written into a pipe do not")
	case h.ClaimedBytes == 0:
		return errors.New("holds no sound")
	case h.DataBytes < h.ClaimedBytes:
		return fmt.Errorf("is cut short: it holds %d of %d bytes of sound", h.DataBytes, h.ClaimedBytes)
	}
	return nil
}

// otherKind names what a file that is no WAV is; "" if it is WAV.
func otherKind(raw []byte) string {
	begins := func(magic string) bool { return bytes.HasPrefix(raw, []byte(magic)) }
	switch {
	case len(raw) == 0:
		return "empty"
	case begins("RIFF") && len(raw) >= 12 && string(raw[8:12]) == "WAVE":
		return ""
	case begins("ID3"), len(raw) > 1 && raw[0] == 0xFF && raw[1]&0xE6 == 0xE2: // layer III of any version
		return "an MP3 file"
	case begins("OggS"):
		return "an Ogg file"
	case begins("fLaC"):
		return "a FLAC file"
	case len(raw) >= 8 && string(raw[4:8]) == "ftyp":
		return "an MP4 file"
	case begins("FORM"):
		return "an AIFF file"
	case begins(".snd"):
		return "an AU file"
	case begins("<") || begins("\xef\xbb\xbf<"):
		return "a web page or XML, not sound"
	case begins("version https://git-lfs"):
		return "a Git LFS pointer, not the file itself"
	}
	return "not a WAV file"
}

func channels(n int) string {
	switch n {
	case 1:
		return "mono"
	case 2:
		return "stereo"
	}
	return fmt.Sprintf("%d channels", n)
}

// thousands groups the digits of a sample rate, 44,100.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
