// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"

	"gocloud.dev/blob"
)

// partBytes is how much of a file is held in memory while it is on its way: the block or part that a driver sends, and sends
// again by itself when it is lost. S3 takes no less than 5 MiB, in 10,000 parts at most: 80 GB, or a month of WAV.
const partBytes = 8 << 20

// contentTypes let a browser play what it is given a link to.
var contentTypes = map[string]string{
	".wav": "audio/wav", ".opus": "audio/ogg", ".webm": "video/webm", ".mkv": "video/x-matroska", ".json": "application/json",
}

// Blob is a bucket of an object store.
type Blob struct{ Bucket *blob.Bucket }

// Put sends the file part by part. The store shows it when all of it is there; a reader or context that fails leaves nothing.
func (b Blob) Put(ctx context.Context, key string, r io.Reader) error {
	ctx, abandon := context.WithCancel(ctx)
	defer abandon()
	// One part at a time: a pod has calls to serve, and nobody waits for the recording.
	w, err := b.Bucket.NewWriter(ctx, key, &blob.WriterOptions{
		BufferSize: partBytes, MaxConcurrency: 1, ContentType: contentTypes[path.Ext(key)],
	})
	if err != nil {
		return explained(b.Bucket, err)
	}
	if _, err := io.Copy(w, contextReader{ctx, r}); err != nil {
		abandon() // or Close would keep what came so far
		_ = w.Close()
		return explained(b.Bucket, err)
	}
	return explained(b.Bucket, w.Close())
}

// Stat reads the file back: what a store says of itself is a checksum of each part, of another kind in each store.
func (b Blob) Stat(ctx context.Context, key string) (Object, error) {
	r, err := b.Bucket.NewReader(ctx, key, nil)
	if err != nil {
		return Object{}, explained(b.Bucket, err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return Object{}, explained(b.Bucket, err)
	}
	return Object{n, hex.EncodeToString(sum.Sum(nil))}, nil
}
