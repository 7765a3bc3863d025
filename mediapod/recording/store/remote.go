// SPDX-License-Identifier: Apache-2.0

package store

import (
	"context"
	"io"
	"sync"
)

// Remote is a bucket that is opened when it is needed first, and anew after it said no: keys may have been renewed.
type Remote struct {
	At Location

	mu   sync.Mutex
	open Bucket
}

// Put implements Bucket.
func (r *Remote) Put(ctx context.Context, key string, from io.Reader) error {
	b, err := r.bucket(ctx)
	if err != nil {
		return err
	}
	return r.judge(b, b.Put(ctx, key, from))
}

// Stat implements Bucket.
func (r *Remote) Stat(ctx context.Context, key string) (Object, error) {
	b, err := r.bucket(ctx)
	if err != nil {
		return Object{}, err
	}
	o, err := b.Stat(ctx, key)
	return o, r.judge(b, err)
}

func (r *Remote) bucket(ctx context.Context) (Bucket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		// What a driver keeps of the context outlasts the upload that was first.
		b, err := Open(context.WithoutCancel(ctx), r.At)
		if err != nil {
			return nil, err
		}
		r.open = b
	}
	return r.open, nil
}

// judge forgets a bucket that said no. Another upload may still be using it, so it is not closed; it holds nothing but
// connections, which time out.
func (r *Remote) judge(b Bucket, err error) error {
	if Denied(err) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.open == b {
			r.open = nil
		}
	}
	return err
}
