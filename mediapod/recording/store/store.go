// SPDX-License-Identifier: Apache-2.0

// Package store moves finished recordings from a pod's disk into a bucket. A file
// is deleted here only when the bucket gave back its size and hash.
//
// What is interrupted is taken up again. Within a process the drivers send a part of
// a file anew when it is lost; a file that failed as a whole, or whose process is
// gone, is sent from its beginning, as gocloud.dev/blob cannot go on with the parts
// that another writer sent. Files that are stored are not sent again.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/mediapod/recording"
)

// Bucket is where recordings go. Keys are slash-separated.
type Bucket interface {
	// Put stores all of r under the key, or nothing. What was there is replaced.
	Put(ctx context.Context, key string, r io.Reader) error
	// Stat returns what is stored, as the bucket has it and not as it was given.
	Stat(ctx context.Context, key string) (Object, error)
}

// Object is what a bucket has under a key.
type Object struct {
	Bytes  int64
	SHA256 string // in hex
}

// Config is what an uploader needs to know.
type Config struct {
	Dir    string // of the recordings
	Bucket Bucket
	// Prefix begins every key, such as "tenant/bot/"; keys go on with the recording's name and the file's.
	Prefix string
	// AtOnce is how many files are on their way at a time, of all recordings; zero means two.
	AtOnce int
	// Wait is nil for the machine's clock. It returns early with the context's error.
	Wait func(ctx context.Context, d time.Duration) error
	// Jitter is how much of half a pause is waited besides the other half, from 0 to 1; nil for chance.
	Jitter func() float64
	// OnRetry is told what went wrong before the next attempt. It may be nil, and is called by those who call Store.
	OnRetry func(name, file string, err error)
}

// A failed attempt is followed by another after a second, and then after twice as
// long each time, up to a minute: a bucket that is away for a night is found again.
// Half of each pause is left to chance, so that the pods of a fleet do not come back
// all at once.
const (
	firstWait = time.Second
	maxWait   = time.Minute
)

// An attempt takes a minute at most, and as long as a slow line (1 Mbit/s) needs to send a file and read it back: what
// takes longer hangs.
const (
	attemptWithin = time.Minute
	slowestLine   = 125_000 / 2 // bytes a second
)

// Endings of the files beside a recording.
const (
	manifestEnding = ".json"
	stateEnding    = ".upload"
)

// ErrChanged means that a file is not what its manifest says. Trying again does not help: somebody has to look.
var ErrChanged = errors.New("the recorded file differs from its manifest; it is kept as it is")

// Uploader moves recordings. One recording is uploaded by one goroutine.
type Uploader struct {
	cfg   Config
	slots chan struct{}
}

// New makes an uploader.
func New(cfg Config) (*Uploader, error) {
	if cfg.Dir == "" || cfg.Bucket == nil {
		return nil, errors.New("an uploader needs a directory and a bucket")
	}
	if cfg.Wait == nil {
		cfg.Wait = wait
	}
	if cfg.Jitter == nil {
		cfg.Jitter = rand.Float64
	}
	if cfg.OnRetry == nil {
		cfg.OnRetry = func(string, string, error) {}
	}
	if cfg.AtOnce == 0 {
		cfg.AtOnce = 2
	}
	return &Uploader{cfg, make(chan struct{}, cfg.AtOnce)}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Key is where a recording's file goes.
func (u *Uploader) Key(name, file string) string { return u.cfg.Prefix + name + "/" + file }

// Store puts one recording into the bucket: its files, then its manifest, so that
// whoever finds a manifest in the bucket finds all it names. It tries until the
// context ends, and goes on where another process stopped: with the file that is not
// stored yet. A file that is not what its manifest says does not keep the others from
// being stored, but the manifest, and is an ErrChanged. Nothing is deleted.
func (u *Uploader) Store(ctx context.Context, name string) error {
	m, sum, err := u.manifest(name)
	if err != nil {
		return err
	}
	done := u.state(name)
	var changed []error
	for _, f := range append(slices.Clone(m.Files), sum) {
		if f.SHA256 == "" { // it could not be made, and is told of in the manifest
			continue
		}
		if slices.Contains(done.Stored, f.File) {
			continue
		}
		if f.File == sum.File && changed != nil {
			break
		}
		err := u.insist(ctx, name, f.File, func() error { return u.attempt(ctx, name, f) })
		if errors.Is(err, ErrChanged) {
			changed = append(changed, err)
			continue
		}
		if err != nil {
			return err
		}
		// A disk that is full may have room again later; it is what is stored that makes it.
		done.Stored = append(done.Stored, f.File)
		if err := u.insist(ctx, name, f.File, func() error { return u.note(name, done) }); err != nil {
			return err
		}
	}
	return errors.Join(changed...)
}

// Remove deletes a recording that was stored, and refuses one that was not.
func (u *Uploader) Remove(name string) error {
	m, sum, err := u.manifest(name)
	if err != nil {
		return err
	}
	if !u.state(name).has(m, sum) {
		return fmt.Errorf("recording %s is not stored in whole; it is kept", name)
	}
	// The manifest is the last but one to go: while it is here, the next process finds the recording.
	for _, f := range m.Files {
		if err := u.remove(f.File); err != nil {
			return err
		}
	}
	return errors.Join(u.remove(sum.File), u.remove(name+stateEnding))
}

// manifest reads a recording's manifest, and describes it as one more file.
func (u *Uploader) manifest(name string) (recording.Manifest, recording.File, error) {
	file := name + manifestEnding
	if filepath.Base(file) != file {
		return recording.Manifest{}, recording.File{}, fmt.Errorf("a recording cannot be named %q", name)
	}
	b, err := os.ReadFile(filepath.Join(u.cfg.Dir, file))
	if err != nil {
		return recording.Manifest{}, recording.File{}, fmt.Errorf("uploading recording %s: %w", name, err)
	}
	m, err := recording.ReadManifest(strings.NewReader(string(b)))
	if err == nil && m.Name != name {
		err = fmt.Errorf("it is that of recording %s", m.Name)
	}
	if err != nil {
		return recording.Manifest{}, recording.File{}, fmt.Errorf("uploading recording %s: %w", name, err)
	}
	sum := sha256.Sum256(b)
	return m, recording.File{File: file, Bytes: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}, nil
}

// insist does something for a file over and over, until it is done or trying again does not help.
func (u *Uploader) insist(ctx context.Context, name, file string, do func() error) error {
	for pause := firstWait; ; pause = min(2*pause, maxWait) {
		err := do()
		if err == nil || errors.Is(err, ErrChanged) {
			return err
		}
		if ctx.Err() == nil {
			u.cfg.OnRetry(name, file, err)
		}
		if werr := u.cfg.Wait(ctx, pause/2+time.Duration(u.cfg.Jitter()*float64(pause/2))); werr != nil {
			return fmt.Errorf("uploading %s was given up: %w; the last attempt: %w", file, werr, err)
		}
	}
}

// attempt stores one file and asks for it.
func (u *Uploader) attempt(ctx context.Context, name string, f recording.File) error {
	select {
	case u.slots <- struct{}{}:
		defer func() { <-u.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	hangs := fmt.Errorf("it takes longer than a slow line would need; see whether the pod reaches the bucket: %w", context.DeadlineExceeded)
	ctx, cancel := context.WithTimeoutCause(ctx, attemptWithin+time.Duration(f.Bytes/slowestLine)*time.Second, hangs)
	defer cancel()
	if err := u.send(ctx, name, f); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		return err
	}
	return nil
}

// send makes one attempt.
func (u *Uploader) send(ctx context.Context, name string, f recording.File) error {
	file, err := os.Open(filepath.Join(u.cfg.Dir, f.File))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is gone: %w", f.File, ErrChanged)
	}
	if err != nil {
		return fmt.Errorf("uploading a recorded file: %w", err)
	}
	defer file.Close()
	key := u.Key(name, f.File)
	sum := sha256.New()
	sent := &counter{r: io.TeeReader(file, sum)}
	if err := u.cfg.Bucket.Put(ctx, key, sent); err != nil {
		return fmt.Errorf("uploading %s: %w", f.File, err)
	}
	if sent.n != f.Bytes || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		// The bucket may have stopped reading early; only what is here decides.
		if _, err := io.Copy(io.Discard, sent); err != nil {
			return fmt.Errorf("reading %s: %w", f.File, err)
		}
		if sent.n != f.Bytes || hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
			return fmt.Errorf("%s has %d bytes, its manifest says %d: %w", f.File, sent.n, f.Bytes, ErrChanged)
		}
	}
	has, err := u.cfg.Bucket.Stat(ctx, key)
	if err != nil {
		return fmt.Errorf("asking the bucket for %s: %w", f.File, err)
	}
	if has != (Object{f.Bytes, f.SHA256}) {
		return fmt.Errorf("the bucket has %d bytes with SHA-256 %s of %s, not the %d with %s that were sent", has.Bytes, has.SHA256, f.File, f.Bytes, f.SHA256)
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (u *Uploader) remove(file string) error {
	if err := os.Remove(filepath.Join(u.cfg.Dir, file)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting what was uploaded: %w", err)
	}
	return nil
}

// replace writes a file, whole or not at all.
func replace(path string, r io.Reader) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".upload-*")
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
