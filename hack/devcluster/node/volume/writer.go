// SPDX-License-Identifier: Apache-2.0

// Package volume puts the volumes of a pod on the host's disk: what is in them
// and how they are updated while somebody reads them.
package volume

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Payload is what a volume holds: files by their slash-separated path in it.
type Payload map[string]File

// File is one file of a volume.
type File struct {
	Data []byte
	Mode fs.FileMode
}

// dataLink is the link that is switched from one generation to the next. The
// layout is that of kubelet's AtomicWriter, because programs that watch their
// files know it:
//
//	<dir>/..data      -> ..4017239 (the generation)
//	<dir>/tls.crt     -> ..data/tls.crt
const dataLink = "..data"

// Write makes dir hold the payload. Readers see the old content or the new,
// never a mixture. It says whether anything had to change.
func Write(dir string, payload Payload) (changed bool, err error) {
	for path := range payload {
		if err := checkPath(path); err != nil {
			return false, err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("writing volume: %w", err)
	}
	old, err := os.Readlink(filepath.Join(dir, dataLink))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("writing volume: %w", err)
	}
	if old != "" && holds(filepath.Join(dir, old), payload) {
		return false, nil
	}
	generation, err := writeGeneration(dir, payload)
	if err != nil {
		return false, fmt.Errorf("writing volume: %w", err)
	}
	if err := switchLink(dir, dataLink, filepath.Base(generation)); err != nil {
		return false, fmt.Errorf("writing volume: %w", err)
	}
	if err := exposeEntries(dir, payload); err != nil {
		return false, fmt.Errorf("writing volume: %w", err)
	}
	if old != "" {
		if err := os.RemoveAll(filepath.Join(dir, old)); err != nil {
			return false, fmt.Errorf("writing volume: removing the last generation: %w", err)
		}
	}
	return true, nil
}

func checkPath(path string) error {
	if !filepath.IsLocal(path) || filepath.ToSlash(filepath.Clean(path)) != path || strings.HasPrefix(path, "..") {
		return fmt.Errorf("a volume cannot hold a file called %q", path)
	}
	return nil
}

func holds(generation string, payload Payload) bool {
	files := 0
	err := filepath.WalkDir(generation, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		name, err := filepath.Rel(generation, path)
		if err != nil {
			return err
		}
		want, ok := payload[filepath.ToSlash(name)]
		if !ok {
			return fs.ErrNotExist
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if info.Mode().Perm() != want.Mode.Perm() || !bytes.Equal(data, want.Data) {
			return fs.ErrNotExist
		}
		return nil
	})
	return err == nil && files == len(payload)
}

func writeGeneration(dir string, payload Payload) (string, error) {
	generation, err := os.MkdirTemp(dir, "..")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(generation, 0o755); err != nil {
		return "", err
	}
	for name, file := range payload {
		path := filepath.Join(generation, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", err
		}
		if err := os.WriteFile(path, file.Data, file.Mode.Perm()); err != nil {
			return "", err
		}
		// The mode that was asked for, whatever the umask says.
		if err := os.Chmod(path, file.Mode.Perm()); err != nil {
			return "", err
		}
	}
	return generation, nil
}

// switchLink points dir/name to target in one step.
func switchLink(dir, name, target string) error {
	tmp := filepath.Join(dir, "..tmp-"+name)
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	return os.Rename(tmp, filepath.Join(dir, name))
}

// exposeEntries makes the top-level names of the payload visible in dir and
// removes those that are no longer in it.
func exposeEntries(dir string, payload Payload) error {
	tops := map[string]bool{}
	for path := range payload {
		top, _, _ := strings.Cut(path, "/")
		tops[top] = true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name := entry.Name()
		target, err := os.Readlink(filepath.Join(dir, name))
		// Only what this package made: another volume may be mounted in here.
		ours := err == nil && target == dataLink+"/"+name
		if ours && tops[name] {
			delete(tops, name)
		} else if ours {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	for _, top := range slices.Sorted(maps.Keys(tops)) {
		if err := os.Symlink(dataLink+"/"+top, filepath.Join(dir, top)); err != nil {
			return err
		}
	}
	return nil
}
