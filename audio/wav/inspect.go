// SPDX-License-Identifier: Apache-2.0

package wav

import (
	"bytes"
	"fmt"
)

// Format tags of WAVE files (Microsoft, mmreg.h). PCM is the only one whose samples are as they are heard.
const (
	PCM        = formatPCM
	IEEEFloat  = formatFloat
	ADPCM      = 0x0002
	ALaw       = 0x0006
	MuLaw      = 0x0007
	MPEGLayer3 = 0x0055
)

// Header is what a WAV file says of itself.
type Header struct {
	// Format is a tag such as PCM; that of the sub-format if the file is extensible.
	Format     int
	Channels   int
	SampleRate int // Hz
	Bits       int // of one sample of one channel
	// ClaimedBytes are what the header says there is of data: 0 or 0xFFFFFFFF where a program wrote into a pipe.
	// DataBytes are how many of them are there: fewer in a file that was cut short.
	DataBytes, ClaimedBytes int64
}

// Inspect reads the header of a file, whatever its format.
func Inspect(file []byte) (Header, error) {
	r := bytes.NewReader(file)
	f, claimed, err := open(r)
	if err != nil {
		return Header{}, err
	}
	return Header{
		Format: int(f.tag), Channels: f.channels, SampleRate: f.rate, Bits: f.bits,
		DataBytes: min(int64(r.Len()), claimed), ClaimedBytes: claimed,
	}, nil
}

// FormatName is what a format tag is called.
func FormatName(tag int) string {
	switch tag {
	case PCM:
		return "PCM"
	case IEEEFloat:
		return "float"
	case ADPCM:
		return "ADPCM"
	case ALaw:
		return "A-law"
	case MuLaw:
		return "µ-law"
	case MPEGLayer3:
		return "MP3"
	}
	return fmt.Sprintf("format %#04x", tag)
}
