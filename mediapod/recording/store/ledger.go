// SPDX-License-Identifier: Apache-2.0

package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/mediapod/recording"
)

// Entry is a finished recording on the disk.
type Entry struct {
	Name  string
	Ended time.Time
	// Settled is since when its owner knows that all of it is in the bucket.
	Settled time.Time
}

// state is what is known of a recording's upload. It is on disk, so that another process goes on where one was killed.
type state struct {
	Owner   string    `json:"owner,omitempty"`
	Stored  []string  `json:"stored,omitempty"`
	Settled time.Time `json:"settled,omitzero"`
}

// has: everything of the recording is stored.
func (s state) has(m recording.Manifest, sum recording.File) bool {
	for _, f := range append(slices.Clone(m.Files), sum) {
		if f.SHA256 != "" && !slices.Contains(s.Stored, f.File) {
			return false
		}
	}
	return true
}

// Entries are the recordings that are finished and still here. Those that cannot be read are told of, and left out.
func (u *Uploader) Entries() ([]Entry, error) {
	files, err := os.ReadDir(u.cfg.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for recordings to upload: %w", err)
	}
	var list []Entry
	var problems []error
	for _, f := range files {
		name, ok := strings.CutSuffix(f.Name(), manifestEnding)
		if !ok || !f.Type().IsRegular() {
			continue
		}
		m, err := u.Manifest(name)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		list = append(list, Entry{Name: name, Ended: m.Ended, Settled: u.state(name).Settled})
	}
	return list, errors.Join(problems...)
}

// Own notes whose recording it is, in words of the owner's. It may be noted before there is a recording.
func (u *Uploader) Own(name, owner string) error {
	s := u.state(name)
	if s.Owner == owner {
		return nil
	}
	s.Owner = owner
	return u.note(name, s)
}

// Owner is what was noted with Own.
func (u *Uploader) Owner(name string) string { return u.state(name).Owner }

// Has reports whether a file of a recording is noted to be in the bucket.
func (u *Uploader) Has(name, file string) bool { return slices.Contains(u.state(name).Stored, file) }

// Forget drops what was noted of a recording that came to nothing.
func (u *Uploader) Forget(name string) error { return u.remove(name + stateEnding) }

// Settle notes that the owner knows that the recording is stored.
func (u *Uploader) Settle(name string, at time.Time) error {
	s := u.state(name)
	s.Settled = at
	return u.note(name, s)
}

// Manifest reads a recording's.
func (u *Uploader) Manifest(name string) (recording.Manifest, error) {
	m, _, err := u.manifest(name)
	return m, err
}

// state reads how far an upload came. One that cannot be read is one that did not begin: files are stored again.
func (u *Uploader) state(name string) (s state) {
	b, err := os.ReadFile(filepath.Join(u.cfg.Dir, name+stateEnding))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return state{}
	}
	return s
}

func (u *Uploader) note(name string, s state) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(u.cfg.Dir, 0o700); err != nil {
		return fmt.Errorf("noting what of %s is uploaded: %w", name, err)
	}
	if err := replace(filepath.Join(u.cfg.Dir, name+stateEnding), strings.NewReader(string(b))); err != nil {
		return fmt.Errorf("noting what of %s is uploaded: %w", name, err)
	}
	return nil
}
