// SPDX-License-Identifier: Apache-2.0

package volume

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func TestWriteShowsFilesThroughLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, Payload{"tls.crt": {[]byte("one"), 0o644}, "nested/a/b": {[]byte("deep"), 0o400}}, true)
	wantContent(t, dir, map[string]string{"tls.crt": "one", "nested/a/b": "deep"})
	info, err := os.Stat(filepath.Join(dir, "nested/a/b"))
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("mode = %v, %v; want 0400", info.Mode(), err)
	}
	link, err := os.Readlink(filepath.Join(dir, "tls.crt"))
	if err != nil || link != "..data/tls.crt" {
		t.Errorf("tls.crt -> %q, %v; want kubelet's layout", link, err)
	}
}

func TestWriteChangesOnlyWhatDiffers(t *testing.T) {
	dir := t.TempDir()
	first := Payload{"a": {[]byte("1"), 0o644}, "gone": {[]byte("x"), 0o644}}
	write(t, dir, first, true)
	write(t, dir, first, false)
	write(t, dir, Payload{"a": {[]byte("2"), 0o644}, "new": {[]byte("n"), 0o644}}, true)
	wantContent(t, dir, map[string]string{"a": "2", "new": "n"})
	write(t, dir, Payload{"a": {[]byte("2"), 0o600}, "new": {[]byte("n"), 0o644}}, true)
	write(t, dir, Payload{}, true)
	wantContent(t, dir, map[string]string{})
	generations, err := filepath.Glob(filepath.Join(dir, "..[0-9]*"))
	if err != nil || len(generations) != 1 {
		t.Errorf("generations left: %v, %v; want the current one only", generations, err)
	}
}

func TestWriteKeepsWhatOthersPutThere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, Payload{"a": {[]byte("1"), 0o644}}, true)
	if err := os.Symlink("/elsewhere", filepath.Join(dir, "mounted")); err != nil {
		t.Fatal(err)
	}
	write(t, dir, Payload{"b": {[]byte("1"), 0o644}}, true)
	if _, err := os.Readlink(filepath.Join(dir, "mounted")); err != nil {
		t.Errorf("the link of a nested mount is gone: %v", err)
	}
}

func TestReadersNeverSeeAMixture(t *testing.T) {
	dir := t.TempDir()
	pair := func(s string) Payload {
		return Payload{"crt": {[]byte(s), 0o644}, "key": {[]byte(s), 0o644}}
	}
	write(t, dir, pair("0"), true)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			// As a program does that opens the folder once: the link is resolved once.
			generation, err := filepath.EvalSymlinks(filepath.Join(dir, "..data"))
			if err != nil {
				continue
			}
			crt, errCrt := os.ReadFile(filepath.Join(generation, "crt"))
			key, errKey := os.ReadFile(filepath.Join(generation, "key"))
			if errCrt == nil && errKey == nil && string(crt) != string(key) {
				t.Errorf("crt %q with key %q", crt, key)
				return
			}
		}
	})
	for i := range 200 {
		write(t, dir, pair(strings.Repeat("x", i+1)), true)
	}
	close(stop)
	wg.Wait()
}

func TestWriteRefusesPathsThatLeaveTheVolume(t *testing.T) {
	for _, path := range []string{"../x", "/etc/passwd", "a/../../b", "..data", "", "a//b", "."} {
		if _, err := Write(t.TempDir(), Payload{path: {}}); err == nil {
			t.Errorf("%q is accepted", path)
		}
	}
}

func TestContent(t *testing.T) {
	meta := metav1.ObjectMeta{Namespace: "voice", Name: "x"}
	secret := &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"id": []byte("1"), "pw": []byte("2")}}
	cm := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"t": "text"}, BinaryData: map[string][]byte{"b": {0}}}
	items := []corev1.KeyToPath{{Key: "pw", Path: "sub/password", Mode: ptr.To[int32](0o400)}}
	absent := []corev1.KeyToPath{{Key: "absent", Path: "a"}}
	for name, c := range map[string]struct {
		make func() (Payload, error)
		want map[string]fs.FileMode
		err  string
	}{
		"whole secret":        {make: func() (Payload, error) { return Secret(secret, nil, nil, false) }, want: map[string]fs.FileMode{"id": 0o644, "pw": 0o644}},
		"default mode":        {make: func() (Payload, error) { return Secret(secret, nil, ptr.To[int32](0o440), false) }, want: map[string]fs.FileMode{"id": 0o440, "pw": 0o440}},
		"items":               {make: func() (Payload, error) { return Secret(secret, items, nil, false) }, want: map[string]fs.FileMode{"sub/password": 0o400}},
		"missing key":         {make: func() (Payload, error) { return Secret(secret, absent, nil, false) }, err: "non-existent"},
		"optional key":        {make: func() (Payload, error) { return Secret(secret, absent, nil, true) }, want: map[string]fs.FileMode{}},
		"config map, binary":  {make: func() (Payload, error) { return ConfigMap(cm, nil, nil, false) }, want: map[string]fs.FileMode{"t": 0o644, "b": 0o644}},
		"one file of a text":  {make: func() (Payload, error) { return Text("token", "x", nil, ptr.To[int32](0o600)), nil }, want: map[string]fs.FileMode{"token": 0o600}},
		"config map, missing": {make: func() (Payload, error) { return ConfigMap(cm, absent, nil, false) }, err: "configmap voice/x"},
	} {
		t.Run(name, func(t *testing.T) {
			payload, err := c.make()
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error = %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]fs.FileMode{}
			for path, file := range payload {
				got[path] = file.Mode
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func write(t *testing.T, dir string, p Payload, wantChanged bool) {
	t.Helper()
	changed, err := Write(dir, p)
	if err != nil {
		t.Fatal(err)
	}
	if changed != wantChanged {
		t.Errorf("changed = %v, want %v", changed, wantChanged)
	}
}

func wantContent(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, "..data")+"/", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(filepath.Join(dir, "..data"), path)
		if err != nil {
			return err
		}
		// Through the visible name, as a program reads it.
		data, err := os.ReadFile(filepath.Join(dir, rel))
		got[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("content (-want +got):\n%s", diff)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "[^.]*"))
	if err != nil {
		t.Fatal(err)
	}
	tops := map[string]bool{}
	for path := range want {
		top, _, _ := strings.Cut(path, "/")
		tops[top] = true
	}
	if len(entries) != len(tops) {
		t.Errorf("visible entries: %v, want those of %v", entries, want)
	}
}
