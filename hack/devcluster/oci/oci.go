// SPDX-License-Identifier: Apache-2.0

// Package oci packs one program into a container image, as a tar file in the
// OCI image layout, which containerd and others import. Nothing is compressed:
// the file does not travel.
package oci

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// Image says what is packed.
type Image struct {
	// Name is what pods name it by, such as callfleet/manager:dev.
	Name string
	// Binary is the program. It is started as user 65532, which is nobody, without arguments. Libraries that it needs are
	// taken from this machine.
	Binary string
}

// user is who runs in the container unless the pod says otherwise: the number that distroless images have for
// "nonroot". By number, so that kubelet can tell that it is not root.
const user = "65532:65532"

// FullName is the name under which runtimes know an image that people name in
// short: docker.io is left out, and so is its library.
func FullName(name string) string {
	first, _, hasFolder := strings.Cut(name, "/")
	switch {
	case !hasFolder:
		return "docker.io/library/" + name
	case !strings.ContainsAny(first, ".:") && first != "localhost":
		return "docker.io/" + name
	}
	return name
}

// WriteFile packs an image into a file.
func WriteFile(file string, i Image) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("packing image %s: %w", i.Name, err)
	}
	layer, err := os.CreateTemp(filepath.Dir(file), ".layer-")
	if err != nil {
		return fmt.Errorf("packing image %s: %w", i.Name, err)
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	out, err := os.CreateTemp(filepath.Dir(file), ".image-")
	if err != nil {
		return fmt.Errorf("packing image %s: %w", i.Name, err)
	}
	defer os.Remove(out.Name())
	if err := errors.Join(write(out, layer, i), out.Close()); err != nil {
		return fmt.Errorf("packing image %s: %w", i.Name, err)
	}
	if err := os.Rename(out.Name(), file); err != nil {
		return fmt.Errorf("packing image %s: %w", i.Name, err)
	}
	return nil
}

// descriptor points at a blob (OCI image specification, descriptor.md).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int64             `json:"size"`
	Platform    map[string]string `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func write(out io.Writer, layer *os.File, i Image) error {
	digest := sha256.New()
	if err := writeLayer(io.MultiWriter(layer, digest), i.Binary); err != nil {
		return err
	}
	size, err := layer.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if _, err := layer.Seek(0, io.SeekStart); err != nil {
		return err
	}
	layerDigest := "sha256:" + hex.EncodeToString(digest.Sum(nil))

	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/" + filepath.Base(i.Binary)}, "User": user, "Env": []string{"PATH=/"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{layerDigest}},
	})
	if err != nil {
		return err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": describe("application/vnd.oci.image.config.v1+json", config),
		"layers": []descriptor{{MediaType: "application/vnd.oci.image.layer.v1.tar", Digest: layerDigest, Size: size}},
	})
	if err != nil {
		return err
	}
	entry := describe("application/vnd.oci.image.manifest.v1+json", manifest)
	entry.Platform = map[string]string{"architecture": runtime.GOARCH, "os": "linux"}
	name := FullName(i.Name)
	entry.Annotations = map[string]string{"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name[strings.LastIndex(name, ":")+1:]}
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []descriptor{entry},
	})
	if err != nil {
		return err
	}

	w := tar.NewWriter(out)
	for _, blob := range [][]byte{config, manifest} {
		if err := add(w, blobPath(describe("", blob).Digest), 0o644, int64(len(blob)), bytes.NewReader(blob)); err != nil {
			return err
		}
	}
	if err := add(w, blobPath(layerDigest), 0o644, size, layer); err != nil {
		return err
	}
	layout := `{"imageLayoutVersion":"1.0.0"}`
	return errors.Join(
		add(w, "oci-layout", 0o644, int64(len(layout)), strings.NewReader(layout)),
		add(w, "index.json", 0o644, int64(len(index)), bytes.NewReader(index)),
		w.Close(),
	)
}

func describe(mediaType string, blob []byte) descriptor {
	sum := sha256.Sum256(blob)
	return descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: int64(len(blob))}
}

func blobPath(digest string) string { return path.Join("blobs", strings.Replace(digest, ":", "/", 1)) }

// writeLayer packs the program, the libraries it needs and a folder for
// temporary files. Times are left out, so that the same program is the same
// image.
func writeLayer(out io.Writer, binary string) error {
	w := tar.NewWriter(out)
	files, err := needed(binary)
	if err != nil {
		return err
	}
	if err := w.WriteHeader(&tar.Header{Name: "tmp/", Mode: 0o1777, Typeflag: tar.TypeDir}); err != nil {
		return err
	}
	for _, f := range files {
		if err := addFile(w, f); err != nil {
			return err
		}
	}
	return w.Close()
}

// file is one in the image, and where it comes from.
type file struct{ name, source string }

func addFile(w *tar.Writer, f file) error {
	in, err := os.Open(f.source)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	return add(w, strings.TrimPrefix(f.name, "/"), 0o755, info.Size(), in)
}

func add(w *tar.Writer, name string, mode, size int64, content io.Reader) error {
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: size, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
