// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Schema is the version of the manifest's form.
const Schema = 1

// Endings of the files beside a recording's media.
const (
	manifestEnding = ".json"
	journalEnding  = ".recording" // a manifest of what is still being recorded
)

// maxManifestBytes bounds what is read: thousands of participants and files.
const maxManifestBytes = 4 << 20

// Manifest is the JSON file beside a recording.
type Manifest struct {
	Schema int    `json:"schema"`
	Name   string `json:"name"`
	// RecordingID and CallID are the owner's.
	RecordingID string `json:"recordingId,omitempty"`
	CallID      string `json:"callId,omitempty"`
	// Complete says that the recording was closed. It is false after a crash: the
	// files may lack a second, and what is not in them is not known.
	Complete bool `json:"complete"`
	// Stopped is why the recording ended before it was closed, such as a limit.
	Stopped string `json:"stopped,omitempty"`
	// Started is when the gate was opened, and Ended when it was shut: after a
	// crash, when the longest file ends.
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	// Pauses are silent in all files.
	Pauses       []Span        `json:"pauses,omitempty"`
	Participants []Participant `json:"participants,omitempty"`
	// Gaps are where a track's file lacks what was sent.
	Gaps  []Gap  `json:"gaps,omitempty"`
	Files []File `json:"files"`
}

// Gap is a time in which nothing of a track was kept though it was sent, in milliseconds since Started. ToMs is absent for one that
// lasted to the end.
type Gap struct {
	Track  string `json:"track"`
	FromMs int64  `json:"fromMs"`
	ToMs   *int64 `json:"toMs,omitempty"`
	Reason string `json:"reason"`
}

// Span is a part of the recording, in milliseconds since Started.
type Span struct {
	FromMs int64 `json:"fromMs"`
	ToMs   int64 `json:"toMs"`
}

// Participant is somebody who was in the call while it was recorded.
type Participant struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// JoinedMs and LeftMs are since Started. LeftMs is absent for who stayed.
	JoinedMs int64  `json:"joinedMs"`
	LeftMs   *int64 `json:"leftMs,omitempty"`
}

// File is one file of a recording.
type File struct {
	// File is its name in the manifest's directory.
	File        string `json:"file"`
	Track       string `json:"track"`
	Participant string `json:"participant,omitempty"`
	Kind        Kind   `json:"kind"`
	// Codec is "pcm", "opus", "vp8" or "h264".
	Codec  string `json:"codec"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// StartMs is when the file's first sample or frame is, since Started: of a WAV
	// or Ogg file the time to add to its own. The times in Matroska are since Started.
	StartMs    int64   `json:"startMs"`
	DurationMs int64   `json:"durationMs"`
	Dropped    Dropped `json:"dropped"`
	// Error is why the file ends early, or cannot be opened.
	Error string `json:"error,omitempty"`
}

// Dropped counts a track's frames that were offered while the gate was open and
// are not in its files. They are silence there.
type Dropped struct {
	Overflow uint64 `json:"overflow"` // the queue was full: the disk stalled
	Late     uint64 `json:"late"`     // their time had been filled
	Early    uint64 `json:"early"`    // before the start, or more than a second ahead
	// Unsupported are frames that the file cannot hold: Opus in WAV, samples without
	// an encoder, what is no frame, video before its first key frame.
	Unsupported uint64 `json:"unsupported"`
	Failed      uint64 `json:"failed"` // the disk took them no more
}

var (
	safeName   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	mediaFile  = regexp.MustCompile(`^([A-Za-z0-9_-]{1,100})\.([A-Za-z0-9_-]{1,100})(\.[0-9]{1,6})?\.(wav|opus|webm|mkv)$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// ReadManifest reads a manifest. It may have been changed by others: its files are
// names without a path, of the form that recordings have.
func ReadManifest(r io.Reader) (Manifest, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxManifestBytes+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("reading the recording's manifest: %w", err)
	}
	if len(b) > maxManifestBytes {
		return Manifest{}, fmt.Errorf("the recording's manifest has more than %d bytes", maxManifestBytes)
	}
	var m Manifest
	if err := json.Unmarshal(b, &m); err != nil {
		return Manifest{}, fmt.Errorf("the recording's manifest is not valid: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	switch {
	case m.Schema != Schema:
		return fmt.Errorf("the recording's manifest has schema %d, this version reads %d; use the version that wrote it", m.Schema, Schema)
	case !safeName.MatchString(m.Name):
		return fmt.Errorf("the recording's manifest has the name %q; names have letters, digits, - and _", m.Name)
	}
	for _, f := range m.Files {
		switch parts := mediaFile.FindStringSubmatch(f.File); {
		case parts == nil || parts[1] != m.Name:
			return fmt.Errorf("the recording's manifest names the file %q, which is none of recording %q", f.File, m.Name)
		case f.Bytes < 0 || f.SHA256 != "" && !digestForm.MatchString(f.SHA256):
			return fmt.Errorf("the recording's manifest has no valid size and SHA-256 of %q", f.File)
		}
	}
	return nil
}

// Verify reads a recording's files and compares them with the manifest.
func (m *Manifest) Verify(ctx context.Context, dir string) error {
	for _, want := range m.Files {
		got := File{File: want.File}
		if err := got.measure(ctx, dir); err != nil {
			return err
		}
		if got.Bytes != want.Bytes || got.SHA256 != want.SHA256 {
			return fmt.Errorf("the file %s has %d bytes and SHA-256 %s, its manifest says %d and %s; it was changed after the recording",
				want.File, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
		}
	}
	return nil
}

// measure takes a file's size and hash.
func (f *File) measure(ctx context.Context, dir string) error {
	file, err := os.Open(filepath.Join(dir, f.File))
	if err != nil {
		return fmt.Errorf("hashing a recorded file: %w", err)
	}
	defer file.Close()
	sum := sha256.New()
	if f.Bytes, err = io.Copy(sum, contextReader{ctx, file}); err != nil {
		return fmt.Errorf("hashing the recorded file %s: %w", f.File, err)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// write puts the manifest where it belongs, whole or not at all.
func (m *Manifest) write(path string) (err error) {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("making the recording's manifest: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".manifest-*")
	if err != nil {
		return fmt.Errorf("writing the recording's manifest: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("writing the recording's manifest: %w", err), os.Remove(f.Name()))
		}
	}()
	_, werr := f.Write(append(b, '\n'))
	if err := errors.Join(werr, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
