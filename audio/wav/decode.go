// SPDX-License-Identifier: Apache-2.0

// Package wav reads and writes RIFF/WAVE audio as mono clips of 16-bit samples,
// and resamples them.
//
// The format is that of Microsoft's "Multimedia Programming Interface and Data
// Specifications 1.0" with WAVE_FORMAT_EXTENSIBLE of "Multiple channel audio
// data and WAVE files".
package wav

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// Clip is a piece of mono audio.
type Clip struct {
	// SampleRate is in Hz.
	SampleRate int
	Samples    []int16
}

// Format tags of the fmt chunk.
const (
	formatPCM        = 0x0001
	formatFloat      = 0x0003
	formatExtensible = 0xFFFE
)

// What Decode takes. The rates reach from narrowband telephony's half to studio
// equipment; the channels are those of the largest speaker layout in use.
const (
	minRate, maxRate = 4000, 192000
	maxChannels      = 32
)

// ErrTooLarge is returned when the audio is longer than the caller allows.
var ErrTooLarge = errors.New("the WAV file is larger than allowed")

// Decode reads a WAV file with PCM samples of 8, 16, 24 or 32 bits or with floats
// of 32 or 64, and mixes its channels down to one by averaging. It reads no more
// than maxBytes of the file. A data chunk without a length, as programs write
// into a pipe, or cut short, ends with the file.
func Decode(r io.Reader, maxBytes int64) (Clip, error) {
	limited := &io.LimitedReader{R: r, N: maxBytes + 1}
	clip, err := decode(limited)
	if limited.N <= 0 {
		return Clip{}, fmt.Errorf("%w: the limit is %d bytes", ErrTooLarge, maxBytes)
	}
	return clip, err
}

func decode(r io.Reader) (Clip, error) {
	f, size, err := open(r)
	if err != nil {
		return Clip{}, err
	}
	if err := f.check(); err != nil {
		return Clip{}, err
	}
	return readData(r, f, size)
}

// open reads up to the first sample, and gives the format and the length that the header claims.
func open(r io.Reader) (f format, size int64, err error) {
	var head [12]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return format{}, 0, fmt.Errorf("not a WAV file: reading the header: %w", short(err))
	}
	if string(head[:4]) != "RIFF" || string(head[8:]) != "WAVE" {
		return format{}, 0, errors.New("not a WAV file: it does not begin with RIFF and WAVE")
	}
	found := false
	for {
		var chunk [8]byte
		if _, err := io.ReadFull(r, chunk[:]); err != nil {
			return format{}, 0, fmt.Errorf("the WAV file has no data chunk: %w", short(err))
		}
		id, size := string(chunk[:4]), int64(binary.LittleEndian.Uint32(chunk[4:]))
		switch {
		case id == "fmt ":
			var err error
			if f, err = readFormat(r, size); err != nil {
				return format{}, 0, err
			}
			found = true
		case id == "data" && !found:
			return format{}, 0, errors.New("the WAV file's data comes before its format")
		case id == "data":
			return f, size, nil
		default:
			if err := skip(r, size+size&1); err != nil {
				return format{}, 0, fmt.Errorf("the WAV file ends within its %q chunk: %w", id, short(err))
			}
		}
	}
}

// format is what matters of the fmt chunk.
type format struct {
	tag      uint16
	channels int
	rate     int
	bits     int // of one sample of one channel
	bytes    int // that those take
}

func readFormat(r io.Reader, size int64) (format, error) {
	const plain, extended, most = 16, 40, 1024
	if size < plain || size > most {
		return format{}, fmt.Errorf("the WAV file's format chunk has %d bytes, expected %d to %d", size, plain, extended)
	}
	b := make([]byte, size+size&1)
	if _, err := io.ReadFull(r, b); err != nil {
		return format{}, fmt.Errorf("the WAV file ends within its format: %w", short(err))
	}
	le := binary.LittleEndian
	f := format{tag: le.Uint16(b), channels: int(le.Uint16(b[2:])), rate: int(le.Uint32(b[4:]))}
	f.bits = int(le.Uint16(b[14:]))
	f.bytes = f.bits / 8
	if f.tag == formatExtensible {
		if size < extended {
			return format{}, fmt.Errorf("the WAV file's extensible format chunk has %d bytes, expected %d", size, extended)
		}
		// The sub-format GUID begins with the tag it stands for.
		f.tag = le.Uint16(b[24:])
	}
	return f, nil
}

// check says why Decode does not take the format.
func (f format) check() error {
	known := f.tag == formatPCM && (f.bits == 8 || f.bits == 16 || f.bits == 24 || f.bits == 32) ||
		f.tag == formatFloat && (f.bits == 32 || f.bits == 64)
	switch {
	case !known:
		return fmt.Errorf("the WAV file has format %#04x with %d bits; convert it to PCM with 8, 16, 24 or 32 bits or to float", f.tag, f.bits)
	case f.channels < 1 || f.channels > maxChannels:
		return fmt.Errorf("the WAV file has %d channels, expected 1 to %d", f.channels, maxChannels)
	case f.rate < minRate || f.rate > maxRate:
		return fmt.Errorf("the WAV file has %d samples a second, expected %d to %d", f.rate, minRate, maxRate)
	}
	return nil
}

func readData(r io.Reader, f format, size int64) (Clip, error) {
	clip := Clip{SampleRate: f.rate}
	if size != 0 && size != math.MaxUint32 {
		r = io.LimitReader(r, size)
	}
	frame := f.bytes * f.channels
	// Read in whole frames. What is claimed by the header is never allocated ahead.
	buf := make([]byte, 4096*frame)
	for {
		n, err := io.ReadFull(r, buf)
		for at := 0; at+frame <= n; at += frame {
			clip.Samples = append(clip.Samples, f.mix(buf[at:at+frame]))
		}
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			return clip, nil
		case err != nil:
			return Clip{}, fmt.Errorf("reading the WAV file's data: %w", err)
		}
	}
}

// mix averages the channels of one frame. Clipping floats are held at full scale.
func (f format) mix(frame []byte) int16 {
	var sum float64
	for at := 0; at < len(frame); at += f.bytes {
		sum += f.sample(frame[at : at+f.bytes])
	}
	return toInt16(sum / float64(f.channels))
}

// sample is one sample in the units of 16 bits.
func (f format) sample(b []byte) float64 {
	le := binary.LittleEndian
	switch {
	case f.tag == formatFloat && f.bytes == 4:
		return 32768 * float64(math.Float32frombits(le.Uint32(b)))
	case f.tag == formatFloat:
		return 32768 * math.Float64frombits(le.Uint64(b))
	case f.bytes == 1: // unsigned, alone among them
		return float64(int(b[0])-128) * 256
	case f.bytes == 2:
		return float64(int16(le.Uint16(b)))
	case f.bytes == 3:
		return float64(int32(uint32(b[0])<<8|uint32(b[1])<<16|uint32(b[2])<<24)) / 65536
	}
	return float64(int32(le.Uint32(b))) / 65536
}

func toInt16(v float64) int16 {
	switch v = math.Round(v); {
	case v >= math.MaxInt16:
		return math.MaxInt16
	case v <= math.MinInt16:
		return math.MinInt16
	case v != v: // a float sample may be NaN
		return 0
	}
	return int16(v)
}

func skip(r io.Reader, n int64) error {
	_, err := io.CopyN(io.Discard, r, n)
	return err
}

// short says the same thing for a file that ends between and within its parts.
func short(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
