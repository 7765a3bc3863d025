// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Format is how audio is kept. Video is in Matroska whatever it is.
type Format string

// The formats.
const (
	// FormatWAV is 16 kHz, 16 bits, mono: 115 MB an hour.
	FormatWAV Format = "wav"
	// FormatOgg is Opus in Ogg: packets as they came, or an encoder's.
	FormatOgg Format = "ogg"
	// FormatWebM is Opus in WebM, for browsers that play no Ogg.
	FormatWebM Format = "webm"
)

// Config is what a recording needs to know.
type Config struct {
	// Dir is where the files go. It is made with Open if it does not exist.
	Dir string
	// Name begins every file's. It has letters, digits, - and _, 100 at most.
	Name string
	// RecordingID and CallID stand in the manifest.
	RecordingID, CallID string

	Format Format
	// NewEncoder makes an Opus encoder for a track that offers samples. Nil: only
	// Opus packets can be recorded as Opus.
	NewEncoder func() OpusEncoder

	// MaxBytes of all files, and MaxDuration, shut the recording when they are
	// reached; MaxBytes within what half a second adds. Zero means no limit.
	MaxBytes    int64
	MaxDuration time.Duration

	// Clock is nil for the machine's.
	Clock Clock
	// OnError is told what went wrong, at most once for every file and limit. It is
	// called by the recording's goroutine, and may not call Close.
	OnError func(error)

	// create overrides how files are made, for tests.
	create func(path string) (diskFile, error)
	// stepped is called after each step, for tests.
	stepped func()
}

// ErrLimit is told to OnError when MaxBytes or MaxDuration is reached.
var ErrLimit = errors.New("the recording has reached its limit and is shut")

// OpusEncoder makes Opus packets of 20 ms. It serves one track.
type OpusEncoder interface {
	// Encode appends the packet for a frame of 320 samples at 16 kHz. Nothing
	// appended means that the frame could not be encoded.
	Encode(dst []byte, frame []int16) []byte
	// Delay is by how much what is decoded is behind what was encoded.
	Delay() time.Duration
}

// Clock is the time as a recording sees it.
type Clock interface {
	Now() time.Time
	// Tick is as time.NewTicker.
	Tick(every time.Duration) (ticks <-chan time.Time, stop func())
}

type machineClock struct{}

func (machineClock) Now() time.Time { return time.Now() }

func (machineClock) Tick(every time.Duration) (<-chan time.Time, func()) {
	t := time.NewTicker(every)
	return t.C, t.Stop
}

func (c *Config) complete() error {
	switch {
	case c.Dir == "":
		return errors.New("a recording needs a directory")
	case !safeName.MatchString(c.Name):
		return fmt.Errorf("a recording cannot be named %q; use up to 100 letters, digits, - and _", c.Name)
	case c.Format != FormatWAV && c.Format != FormatOgg && c.Format != FormatWebM:
		return fmt.Errorf("recordings have no format %q; use wav, ogg or webm", c.Format)
	case c.MaxBytes < 0 || c.MaxDuration < 0:
		return errors.New("the limits of a recording cannot be negative; zero means none")
	}
	if c.Clock == nil {
		c.Clock = machineClock{}
	}
	if c.OnError == nil {
		c.OnError = func(error) {}
	}
	if c.create == nil {
		c.create = createFile
	}
	if c.stepped == nil {
		c.stepped = func() {}
	}
	return nil
}

// createFile makes a file that nobody else has made.
func createFile(path string) (diskFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
}
