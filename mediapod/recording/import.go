// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/callfleet/callfleet/audio/wav"
)

// maxImportBytes is more than eight minutes at 16 kHz; the service records two at most.
const maxImportBytes = 16 << 20

// Import makes a recording of a WAV file that was recorded elsewhere: one track, whose file is as it came. A process that is killed
// meanwhile leaves what Recover can tell of. Nothing stays if it fails.
func Import(ctx context.Context, cfg Config, track string, file io.Reader) (m Manifest, err error) {
	if err := cfg.complete(); err != nil {
		return Manifest{}, err
	}
	if !safeName.MatchString(track) {
		return Manifest{}, fmt.Errorf("a track cannot be named %q; use up to 100 letters, digits, - and _", track)
	}
	raw, err := io.ReadAll(io.LimitReader(contextReader{ctx, file}, maxImportBytes+1))
	if err != nil {
		return Manifest{}, fmt.Errorf("reading a recording that was made elsewhere: %w", err)
	}
	if len(raw) > maxImportBytes {
		return Manifest{}, fmt.Errorf("a recording that was made elsewhere has more than %d MiB; record less at a time", maxImportBytes>>20)
	}
	length, err := playTime(raw)
	if err != nil {
		return Manifest{}, err
	}
	now := cfg.Clock.Now().UTC()
	f := File{File: cfg.Name + "." + track + ".wav", Track: track, Kind: KindAudio, Codec: "pcm", DurationMs: length.Milliseconds()}
	m = Manifest{
		Schema: Schema, Name: cfg.Name, RecordingID: cfg.RecordingID, CallID: cfg.CallID,
		Started: now.Add(-length), Ended: now, Files: []File{f},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.Remove(cfg.Dir))
		}
	}()
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("making the directory of recordings: %w", err)
	}
	journal := filepath.Join(cfg.Dir, cfg.Name+journalEnding)
	if err := m.write(journal); err != nil {
		return m, err
	}
	if err := put(cfg, f.File, raw); err != nil {
		return m, fmt.Errorf("writing a recording that was made elsewhere: %w", err)
	}
	if err := m.Files[0].measure(ctx, cfg.Dir); err != nil {
		return m, err
	}
	m.Complete = true
	if err := m.write(filepath.Join(cfg.Dir, cfg.Name+manifestEnding)); err != nil {
		return m, err
	}
	return m, os.Remove(journal)
}

func put(cfg Config, name string, raw []byte) error {
	f, err := cfg.create(filepath.Join(cfg.Dir, name))
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Sync(), f.Close())
}

// playTime is how long a file of plain samples plays.
func playTime(raw []byte) (time.Duration, error) {
	h, err := wav.Inspect(raw)
	if err != nil {
		return 0, fmt.Errorf("what was recorded elsewhere is no WAV file: %w", err)
	}
	perSecond := int64(h.SampleRate) * int64(h.Channels) * int64(h.Bits/8)
	if h.Format != wav.PCM || perSecond <= 0 {
		return 0, fmt.Errorf("what was recorded elsewhere is WAV with %s; PCM is needed", wav.FormatName(h.Format))
	}
	return time.Duration(h.DataBytes) * time.Second / time.Duration(perSecond), nil
}

// Remove deletes a recording that is not to be kept. The files go first: what is left if that is interrupted is found again.
func (m *Manifest) Remove(dir string) error {
	var problems []error
	names := make([]string, 0, len(m.Files)+2)
	for _, f := range m.Files {
		names = append(names, f.File)
	}
	for _, name := range append(names, m.Name+manifestEnding, m.Name+journalEnding) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
