// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/mediapod/recording"
)

// record makes a finished recording of two tracks.
func record(t *testing.T, dir, name string) recording.Manifest {
	t.Helper()
	r, err := recording.New(recording.Config{Dir: dir, Name: name, Format: recording.FormatWAV})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"mix", "p1"} {
		if _, err := r.Track(recording.TrackInfo{ID: id, Kind: recording.KindAudio}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Open(); err != nil {
		t.Fatal(err)
	}
	m, err := r.Close(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// flaky is a bucket that fails as it is told, one entry a call.
type flaky struct {
	Bucket
	puts, stats []func(key string) error
	keys        []string
}

func (f *flaky) Put(ctx context.Context, key string, r io.Reader) error {
	f.keys = append(f.keys, key)
	if err := next(&f.puts, key); err != nil {
		return err
	}
	return f.Bucket.Put(ctx, key, r)
}

func (f *flaky) Stat(ctx context.Context, key string) (Object, error) {
	if err := next(&f.stats, key); err != nil {
		return Object{}, err
	}
	return f.Bucket.Stat(ctx, key)
}

func next(what *[]func(string) error, key string) error {
	if len(*what) == 0 {
		return nil
	}
	do := (*what)[0]
	*what = (*what)[1:]
	if do == nil {
		return nil
	}
	return do(key)
}

func away(string) error { return errors.New("the bucket is away") }

func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func newUploader(t *testing.T, cfg Config) *Uploader {
	t.Helper()
	u, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// move stores a recording and deletes it here.
func move(ctx context.Context, u *Uploader, name string) error {
	if err := u.Store(ctx, name); err != nil {
		return err
	}
	return u.Remove(name)
}

// names are those of the recordings that are here.
func names(t *testing.T, u *Uploader) (list []string) {
	t.Helper()
	entries, err := u.Entries()
	if err != nil {
		t.Error(err)
	}
	for _, e := range entries {
		list = append(list, e.Name)
	}
	return list
}

func TestARecordingIsMovedWithItsManifestLast(t *testing.T) {
	dir, bucket := t.TempDir(), t.TempDir()
	want := record(t, dir, "call")
	record(t, dir, "other")
	f := &flaky{Bucket: Directory{bucket}}
	u := newUploader(t, Config{Dir: dir, Bucket: f, Prefix: "bots/a/"})
	if here := names(t, u); !slices.Equal(here, []string{"call", "other"}) {
		t.Errorf("there is %v", here)
	}
	if err := move(t.Context(), u, "call"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"bots/a/call/call.mix.wav", "bots/a/call/call.p1.wav", "bots/a/call/call.json"}, f.keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	stored := filepath.Join(bucket, "bots", "a", "call")
	m, err := os.Open(filepath.Join(stored, "call.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	got, err := recording.ReadManifest(m)
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("manifest: %v\n%s", err, cmp.Diff(want, got))
	}
	if err := got.Verify(t.Context(), stored); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"other.json", "other.mix.wav", "other.p1.wav"}, files(t, dir)); diff != "" {
		t.Errorf("left on disk (-want +got):\n%s", diff)
	}
}

func TestWhatFailsIsTriedAgainLaterAndLater(t *testing.T) {
	dir, bucket := t.TempDir(), t.TempDir()
	record(t, dir, "call")
	spoil := func(key string) error { // a byte is lost within the bucket
		return os.WriteFile(filepath.Join(bucket, filepath.FromSlash(key)), []byte("x"), 0o600)
	}
	var waits []time.Duration
	var told []string
	u := newUploader(t, Config{
		Dir: dir, Bucket: &flaky{Bucket: Directory{bucket}, puts: []func(string) error{away, away, away, away, away, away, away, away},
			stats: []func(string) error{spoil, away}},
		Wait:    func(_ context.Context, d time.Duration) error { waits = append(waits, d/time.Second); return nil },
		Jitter:  func() float64 { return 1 },
		OnRetry: func(_, file string, err error) { told = append(told, file+": "+err.Error()) },
	})
	if err := move(t.Context(), u, "call"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60, 60}, waits); diff != "" {
		t.Errorf("waits in seconds (-want +got):\n%s", diff)
	}
	if len(told) != 10 || !strings.Contains(told[8], "the bucket has 1 bytes") || !strings.Contains(told[9], "asking the bucket for call.mix.wav") {
		t.Errorf("told %q", told)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}

// Another process goes on where one was killed, and nothing is deleted before all is stored.
func TestAnUploadGoesOnWhereItWasLeft(t *testing.T) {
	dir, bucket := t.TempDir(), t.TempDir()
	record(t, dir, "call")
	gone := errors.New("the pod goes")
	first := &flaky{Bucket: Directory{bucket}, puts: []func(string) error{nil, away}}
	u := newUploader(t, Config{Dir: dir, Bucket: first, Wait: func(context.Context, time.Duration) error { return gone }})
	if err := move(t.Context(), u, "call"); !errors.Is(err, gone) || !strings.Contains(err.Error(), "the bucket is away") {
		t.Errorf("given up with %v", err)
	}
	if diff := cmp.Diff([]string{"call.json", "call.mix.wav", "call.p1.wav", "call.upload"}, files(t, dir)); diff != "" {
		t.Errorf("left on disk (-want +got):\n%s", diff)
	}
	second := &flaky{Bucket: Directory{bucket}}
	if err := move(t.Context(), newUploader(t, Config{Dir: dir, Bucket: second}), "call"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"call/call.p1.wav", "call/call.json"}, second.keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}

// It was killed while it deleted: everything is in the bucket.
func TestAnUploadThatWasDeletingEnds(t *testing.T) {
	dir, bucket := t.TempDir(), t.TempDir()
	record(t, dir, "call")
	f := &flaky{Bucket: Directory{bucket}}
	if err := os.WriteFile(filepath.Join(dir, "call.upload"), []byte(`{"stored":["call.mix.wav","call.p1.wav","call.json"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "call.mix.wav")); err != nil {
		t.Fatal(err)
	}
	if err := move(t.Context(), newUploader(t, Config{Dir: dir, Bucket: f}), "call"); err != nil || len(f.keys) != 0 {
		t.Errorf("%v, stored again: %v", err, f.keys)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}

// TestAFileThatChangedIsKept, and those that did not are stored.
func TestAFileThatChangedIsKept(t *testing.T) {
	dir := t.TempDir()
	m := record(t, dir, "call")
	before := files(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "call.mix.wav"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	bucket := Directory{t.TempDir()}
	u := newUploader(t, Config{Dir: dir, Bucket: bucket, Wait: func(context.Context, time.Duration) error {
		t.Error("it is tried again")
		return errors.New("no more")
	}})
	if err := move(t.Context(), u, "call"); !errors.Is(err, ErrChanged) {
		t.Errorf("error %v", err)
	}
	if !u.Has("call", "call.p1.wav") || u.Has("call", "call.mix.wav") {
		t.Error("what is whole is not stored, or what is not is")
	}
	if o, err := bucket.Stat(t.Context(), "call/call.p1.wav"); err != nil || o != (Object{m.Files[1].Bytes, m.Files[1].SHA256}) {
		t.Errorf("the bucket has %+v of the file that is whole, %v", o, err)
	}
	if o, err := bucket.Stat(t.Context(), "call/call.json"); err == nil {
		t.Errorf("the bucket has a manifest that names a file which it has not: %+v", o)
	}
	if diff := cmp.Diff(append(before, "call.upload"), files(t, dir)); diff != "" {
		t.Errorf("files (-before +after):\n%s", diff)
	}
	if err := os.Remove(filepath.Join(dir, "call.mix.wav")); err != nil {
		t.Fatal(err)
	}
	if err := move(t.Context(), u, "call"); !errors.Is(err, ErrChanged) {
		t.Errorf("a file that is gone: %v", err)
	}
}

func TestUploaderRefusesWhatIsNoRecording(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, "call")
	if err := os.Rename(filepath.Join(dir, "call.json"), filepath.Join(dir, "other.json")); err != nil {
		t.Fatal(err)
	}
	u := newUploader(t, Config{Dir: dir, Bucket: Directory{t.TempDir()}})
	for _, name := range []string{"other", "none", "../call", ""} {
		if err := move(t.Context(), u, name); err == nil {
			t.Errorf("recording %q is uploaded", name)
		}
	}
	for _, cfg := range []Config{{Dir: dir}, {Bucket: Directory{"x"}}} {
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is enough", cfg)
		}
	}
	if here := names(t, newUploader(t, Config{Dir: filepath.Join(dir, "none"), Bucket: Directory{"x"}})); here != nil {
		t.Errorf("a directory that is not there has %v", here)
	}
}

func TestDirectoryKeepsToItself(t *testing.T) {
	d := Directory{t.TempDir()}
	for _, key := range []string{"../a", "/a", "a/../../b", ""} {
		if err := d.Put(t.Context(), key, strings.NewReader("x")); err == nil {
			t.Errorf("key %q is taken", key)
		}
		if _, err := d.Stat(t.Context(), key); err == nil {
			t.Errorf("key %q is found", key)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Put(ctx, "a/b", strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
	if left := files(t, filepath.Join(d.Path, "a")); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}
