// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Directory is a bucket in a directory: a mounted volume.
type Directory struct{ Path string }

func (d Directory) file(key string) (string, error) {
	name := filepath.FromSlash(key)
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("the key %q is not below the bucket's directory", key)
	}
	return filepath.Join(d.Path, name), nil
}

// Put writes the file whole or not at all, and to the disk.
func (d Directory) Put(ctx context.Context, key string, r io.Reader) error {
	path, err := d.file(key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return replace(path, contextReader{ctx, r})
}

// Stat reads the file back.
func (d Directory) Stat(ctx context.Context, key string) (Object, error) {
	path, err := d.file(key)
	if err != nil {
		return Object{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return Object{}, err
	}
	defer f.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, contextReader{ctx, f})
	return Object{n, hex.EncodeToString(sum.Sum(nil))}, err
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
