// SPDX-License-Identifier: Apache-2.0

package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestNamesAreWrittenOut(t *testing.T) {
	for short, full := range map[string]string{
		"busybox:1":                        "docker.io/library/busybox:1",
		"callfleet/manager:dev":            "docker.io/callfleet/manager:dev",
		"registry.example.com/manager:dev": "registry.example.com/manager:dev",
		"localhost/manager:dev":            "localhost/manager:dev",
		"registry:5000/manager:dev":        "registry:5000/manager:dev",
	} {
		if got := FullName(short); got != full {
			t.Errorf("%s is %s, want %s", short, got, full)
		}
	}
}

// program is a static Go program, which does nothing.
func program(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "idle"), source)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return filepath.Join(dir, "idle")
}

func TestAnImageIsWhatItSays(t *testing.T) {
	binary, out := program(t), filepath.Join(t.TempDir(), "deeper", "image.tar")
	if err := WriteFile(out, Image{Name: "callfleet/idle:dev", Binary: binary}); err != nil {
		t.Fatal(err)
	}
	files := unpack(t, read(t, out))
	if got := string(files["oci-layout"]); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
	var index struct{ Manifests []descriptor }
	decode(t, files["index.json"], &index)
	if len(index.Manifests) != 1 || index.Manifests[0].Annotations["io.containerd.image.name"] != "docker.io/callfleet/idle:dev" {
		t.Fatalf("index %+v", index)
	}
	var manifest struct {
		Config descriptor
		Layers []descriptor
	}
	decode(t, blob(t, files, index.Manifests[0]), &manifest)
	var config struct {
		Config struct {
			Entrypoint []string
			User       string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	decode(t, blob(t, files, manifest.Config), &config)
	if !slices.Equal(config.Config.Entrypoint, []string{"/idle"}) || config.Config.User != "65532:65532" {
		t.Errorf("config %+v", config)
	}
	if len(manifest.Layers) != 1 || !slices.Equal(config.RootFS.DiffIDs, []string{manifest.Layers[0].Digest}) {
		t.Fatalf("layers %+v, by the config %v", manifest.Layers, config.RootFS.DiffIDs)
	}
	layer := unpack(t, blob(t, files, manifest.Layers[0]))
	if !bytes.Equal(layer["idle"], read(t, binary)) || len(layer) != 1 {
		t.Errorf("%d files in the layer, want the program alone", len(layer))
	}
}

func TestTheSameProgramIsTheSameImage(t *testing.T) {
	binary, dir := program(t), t.TempDir()
	a, b := filepath.Join(dir, "a.tar"), filepath.Join(dir, "b.tar")
	if err := errors.Join(WriteFile(a, Image{Name: "x:1", Binary: binary}), WriteFile(b, Image{Name: "x:1", Binary: binary})); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(read(t, a), read(t, b)) {
		t.Error("packed twice, it is two images")
	}
}

func TestAScriptIsRefused(t *testing.T) {
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := WriteFile(out, Image{Name: "x:1", Binary: script}); err == nil || !strings.Contains(err.Error(), "shell") {
		t.Errorf("packing a script: %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(out)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestALinkedProgramBringsItsLibraries(t *testing.T) {
	shell, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Skip(err)
	}
	loader, libraries, err := linked(shell)
	if err != nil || loader == "" {
		t.Skipf("%s is not linked: %v", shell, err)
	}
	files, err := needed(shell)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range append(libraries, filepath.Base(loader), filepath.Base(shell)) {
		if !slices.ContainsFunc(files, func(f file) bool { return filepath.Base(f.name) == want }) {
			t.Errorf("%s is not in the image: %v", want, files)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unpack(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// blob is what a descriptor points at; it has to be what it says.
func blob(t *testing.T, files map[string][]byte, d descriptor) []byte {
	t.Helper()
	data, ok := files["blobs/"+strings.Replace(d.Digest, ":", "/", 1)]
	sum := sha256.Sum256(data)
	if !ok || int64(len(data)) != d.Size || "sha256:"+hex.EncodeToString(sum[:]) != d.Digest {
		t.Fatalf("%+v points at %d bytes with digest %x", d, len(data), sum)
	}
	return data
}

func decode(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
}
