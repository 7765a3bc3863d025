// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/audio/ogg"
	"github.com/callfleet/callfleet/audio/wav"
	"github.com/callfleet/callfleet/mediapod/recording/matroska"
)

// Recover ends the recordings in a directory whose process was killed: their files
// are repaired, and get a manifest that says it is not complete. Call it before a
// recording begins in the directory: one that runs looks as one that was killed.
// What goes wrong with one recording does not keep it from the others. A directory
// that does not exist holds none.
func Recover(dir string) ([]Manifest, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking for recordings to recover: %w", err)
	}
	media := map[string][]string{}
	for _, e := range entries {
		name := e.Name()
		if parts := mediaFile.FindStringSubmatch(name); parts != nil && e.Type().IsRegular() {
			media[parts[1]] = append(media[parts[1]], name)
		} else if base, ok := strings.CutSuffix(name, journalEnding); ok && safeName.MatchString(base) {
			media[base] = append(media[base], nil...) // it may have no file yet
		}
	}
	var found []Manifest
	var problems []error
	for name, files := range media {
		switch _, err := os.Stat(filepath.Join(dir, name+manifestEnding)); {
		case err == nil: // killed after the manifest was there, if there is a journal at all
			if err := os.Remove(filepath.Join(dir, name+journalEnding)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				problems = append(problems, fmt.Errorf("removing a journal: %w", err))
			}
		case errors.Is(err, fs.ErrNotExist):
			m, err := restore(dir, name, files)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			found = append(found, m)
		default:
			problems = append(problems, fmt.Errorf("looking for the manifest of %s: %w", name, err))
		}
	}
	slices.SortFunc(found, func(a, b Manifest) int { return strings.Compare(a.Name, b.Name) })
	return found, errors.Join(problems...)
}

// restore makes the manifest of one recording.
func restore(dir, name string, files []string) (Manifest, error) {
	m := journaled(dir, name)
	known := map[string]File{}
	for _, f := range m.Files {
		known[f.File] = f
	}
	m.Files = nil
	slices.Sort(files)
	var length time.Duration
	for _, file := range files {
		f, ok := known[file]
		if !ok { // made just before
			parts := mediaFile.FindStringSubmatch(file)
			f = File{File: file, Track: parts[2], Kind: KindAudio, Codec: map[string]string{"wav": "pcm", "opus": "opus"}[parts[4]]}
		}
		played, err := repairFile(filepath.Join(dir, file))
		if err != nil {
			f.Error = err.Error()
		}
		start := time.Duration(f.StartMs) * time.Millisecond
		if f.Kind == KindVideo { // its times are since the recording's start
			played = max(played-start, 0)
		}
		f.DurationMs = played.Milliseconds()
		length = max(length, start+played)
		if err := f.measure(context.Background(), dir); err != nil {
			return Manifest{}, err
		}
		m.Files = append(m.Files, f)
	}
	m.Ended = m.Started.Add(length)
	if err := m.write(filepath.Join(dir, name+manifestEnding)); err != nil {
		return Manifest{}, err
	}
	if err := os.Remove(filepath.Join(dir, name+journalEnding)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, fmt.Errorf("removing the journal of %s: %w", name, err)
	}
	return m, nil
}

// journaled is what the journal knows, if there is one that can be read.
func journaled(dir, name string) Manifest {
	nothing := Manifest{Schema: Schema, Name: name}
	f, err := os.Open(filepath.Join(dir, name+journalEnding))
	if err != nil {
		return nothing
	}
	defer f.Close()
	m, err := ReadManifest(f)
	if err != nil || m.Name != name {
		return nothing
	}
	m.Complete = false
	return m
}

// repairFile ends a media file, and says when it does.
func repairFile(path string) (played time.Duration, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, fmt.Errorf("repairing a recorded file: %w", err)
	}
	defer func() { err = errors.Join(err, f.Sync(), f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("repairing a recorded file: %w", err)
	}
	switch filepath.Ext(path) {
	case ".wav":
		return wav.Repair(f, info.Size())
	case ".opus":
		return ogg.Repair(f, info.Size())
	}
	return matroska.Repair(f, info.Size())
}
