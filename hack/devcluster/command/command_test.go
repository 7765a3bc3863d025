// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/hack/devcluster/assets"
)

func TestParseImages(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	program, text := filepath.Join(dir, "manager"), filepath.Join(dir, "notes")
	for path, mode := range map[string]os.FileMode{program: 0o755, text: 0o644} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	got, err := parseImages([]string{"callfleet/manager:dev=" + program, "registry:5000/m=manager"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"callfleet/manager:dev": program, "registry:5000/m": program}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"manager", "=manager", "m=absent", "m=notes", "m=" + dir} {
		if images, err := parseImages([]string{bad}); err == nil {
			t.Errorf("%q gives %v", bad, images)
		}
	}
}

func TestParseNodes(t *testing.T) {
	for text, want := range map[string]int{"processes": 0, "kubelet:1": 1, "kubelet:4": 4} {
		if got, err := parseNodes(text); got != want || err != nil {
			t.Errorf("%s is %d real nodes, %v; want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "kubelet", "kubelet:", "kubelet:0", "kubelet:5", "kubelet:-1", "kubelet:two", "2"} {
		if got, err := parseNodes(bad); err == nil || !strings.Contains(err.Error(), "kubelet:N") {
			t.Errorf("%q is %d real nodes, %v; want an error that says what there is", bad, got, err)
		}
	}
}

func TestDefaultDirIsThatOfTheRepository(t *testing.T) {
	repo := t.TempDir()
	deep := filepath.Join(repo, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if got, want := defaultDir(), filepath.Join(deep, ".devcluster"); got != want {
		t.Errorf("outside a module: %s, want %s", got, want)
	}
	if err := os.WriteFile(filepath.Join(repo, "go.mod"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := defaultDir(), filepath.Join(repo, ".devcluster"); got != want {
		t.Errorf("inside a module: %s, want %s", got, want)
	}
}

func TestWithoutACluster(t *testing.T) {
	dir := t.TempDir()
	if out, err := run("down", "--dir", dir); err != nil || !strings.Contains(out, "There is no cluster") {
		t.Errorf("down: %q, %v; there is nothing to do, so nothing went wrong", out, err)
	}
	for _, args := range [][]string{{"status"}, {"stop", "etcd"}, {"start", "node"}, {"image", "a=" + os.Args[0]}} {
		if out, err := run(append(args, "--dir", dir)...); err == nil || !strings.Contains(err.Error(), `run "devcluster up"`) {
			t.Errorf("%v: %q, %v; want an error that says what to do", args, out, err)
		}
	}
	if _, err := run("stop", "kubelet", "--dir", dir); err == nil || !strings.Contains(err.Error(), "kubelet") {
		t.Errorf("an unknown component: %v", err)
	}
}

func TestAssetsPrintsOneFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range assets.All() {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv(assets.EnvVar, dir)
	if out, err := run("assets"); err != nil || out != dir+"\n" {
		t.Errorf("assets printed %q, %v; want just the folder", out, err)
	}
}

func run(args ...string) (stdout string, err error) {
	cmd := New()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&bytes.Buffer{})
	cmd.SetArgs(args)
	err = cmd.Execute()
	return out.String(), err
}
