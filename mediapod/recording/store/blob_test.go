// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/memblob"

	"github.com/callfleet/callfleet/mediapod/recording"
)

// drivers are buckets that need no service.
func drivers(t *testing.T) map[string]*blob.Bucket {
	t.Helper()
	files, err := fileblob.OpenBucket(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*blob.Bucket{"memory": memblob.OpenBucket(nil), "files": files}
}

func TestARecordingIsMovedIntoABlobBucket(t *testing.T) {
	for name, bucket := range drivers(t) {
		t.Run(name, func(t *testing.T) {
			defer bucket.Close()
			dir := t.TempDir()
			m := record(t, dir, "call")
			if err := move(t.Context(), newUploader(t, Config{Dir: dir, Bucket: Blob{bucket}, Prefix: "bots/a/"}), "call"); err != nil {
				t.Fatal(err)
			}
			if left := files(t, dir); len(left) != 0 {
				t.Errorf("there is %v", left)
			}
			for _, f := range m.Files {
				o, err := Blob{bucket}.Stat(t.Context(), "bots/a/call/"+f.File)
				if err != nil || o != (Object{f.Bytes, f.SHA256}) {
					t.Errorf("%s is %+v, %v", f.File, o, err)
				}
				if a, err := bucket.Attributes(t.Context(), "bots/a/call/"+f.File); err != nil || a.ContentType != "audio/wav" {
					t.Errorf("%s is %+v, %v", f.File, a, err)
				}
			}
		})
	}
}

// What breaks on the way is not kept: a bucket must not show half a file.
func TestABlobIsStoredWholeOrNotAtAll(t *testing.T) {
	broken := errors.New("the disk is gone")
	for name, bucket := range drivers(t) {
		t.Run(name, func(t *testing.T) {
			defer bucket.Close()
			b := Blob{bucket}
			if err := b.Put(t.Context(), "a", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
				t.Errorf("it says %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cut := iotest.DataErrReader(strings.NewReader("half"))
			if err := b.Put(ctx, "b", io.MultiReader(cut, readerFunc(func([]byte) (int, error) { cancel(); return 0, nil }), strings.NewReader("rest"))); !errors.Is(err, context.Canceled) {
				t.Errorf("it says %v", err)
			}
			for _, key := range []string{"a", "b"} {
				if o, err := b.Stat(t.Context(), key); err == nil {
					t.Errorf("%s is there: %+v", key, o)
				}
			}
		})
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// hanging is a bucket that takes nothing until its context ends.
type hanging struct{ Bucket }

func (hanging) Put(ctx context.Context, _ string, _ io.Reader) error { <-ctx.Done(); return ctx.Err() }

func TestAnUploadThatHangsIsTriedAgain(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, "call")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // in the place of the attempt's own, which is long
	defer cancel()
	u := newUploader(t, Config{Dir: dir, Bucket: hanging{}})
	if err := u.send(ctx, "call", recording.File{File: "call.mix.wav"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("it says %v", err)
	}
}

func TestWhatIsNotStoredIsNotRemoved(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, "call")
	before := files(t, dir)
	u := newUploader(t, Config{Dir: dir, Bucket: &flaky{Bucket: Directory{t.TempDir()}, puts: []func(string) error{nil, away}}, Wait: func(context.Context, time.Duration) error {
		return errors.New("no more")
	}})
	if err := u.Remove("call"); err == nil {
		t.Error("a recording is removed that was never stored")
	}
	if err := move(t.Context(), u, "call"); err == nil {
		t.Error("it is moved to a bucket that is away")
	}
	if err := u.Remove("call"); err == nil {
		t.Error("a recording is removed of which one file is stored")
	}
	if after := files(t, dir); len(after) != len(before)+1 { // and what was noted
		t.Errorf("there was %v, and is %v", before, after)
	}
}

// The next process finds whose recording it is, and how far it came.
func TestTheLedgerOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Dir: dir, Bucket: Directory{t.TempDir()}}
	u := newUploader(t, cfg)
	if err := u.Own("call", "session/standup"); err != nil { // before there is a file
		t.Fatal(err)
	}
	m := record(t, dir, "call")
	entry := func() Entry {
		t.Helper()
		list, err := newUploader(t, cfg).Entries()
		if err != nil || len(list) != 1 {
			t.Fatalf("entries %+v, %v", list, err)
		}
		return list[0]
	}
	all := func() bool {
		again := newUploader(t, cfg)
		return again.Has("call", "call.mix.wav") && again.Has("call", "call.p1.wav") && again.Has("call", "call.json")
	}
	if e := entry(); all() || !e.Ended.Equal(m.Ended) || !e.Settled.IsZero() {
		t.Errorf("at first %+v", e)
	}
	if err := u.Store(t.Context(), "call"); err != nil {
		t.Fatal(err)
	}
	if !all() {
		t.Errorf("once it is stored %+v", entry())
	}
	if whose := newUploader(t, cfg).Owner("call"); whose != "session/standup" {
		t.Errorf("it is of %q", whose)
	}
	noon := time.Unix(1_700_000_000, 0).UTC()
	if err := u.Settle("call", noon); err != nil {
		t.Fatal(err)
	}
	if e := entry(); !e.Settled.Equal(noon) || !all() {
		t.Errorf("once it is told %+v", e)
	}
	if err := u.Own("other", "x"); err != nil {
		t.Fatal(err)
	}
	if err := u.Forget("other"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "strange.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if list, err := u.Entries(); err == nil || len(list) != 1 {
		t.Errorf("with a file that is no manifest: %+v, %v", list, err)
	}
}

// A disk that takes no note now is no reason to give an upload up: storing is what makes room there.
func TestADiskThatIsFullIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	record(t, dir, "call")
	state := filepath.Join(dir, "call.upload")
	if err := os.MkdirAll(filepath.Join(state, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	u := newUploader(t, Config{Dir: dir, Bucket: Directory{t.TempDir()}, Wait: func(context.Context, time.Duration) error { return os.RemoveAll(state) }})
	if err := move(t.Context(), u, "call"); err != nil {
		t.Fatal(err)
	}
	if left := files(t, dir); len(left) != 0 {
		t.Errorf("there is %v", left)
	}
}
