// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// maxForgedTokens bounds the memory of forged tokens to some hundred KiB, whoever sends them.
	maxForgedTokens = 4096

	// forgedFor is how long a forged token is known. A key may be published under a kid anew.
	forgedFor = time.Minute
)

// forgedTokens remembers tokens whose signature was found wrong, by hash: whoever sends the same one again costs a
// hash instead of an RSA verification.
type forgedTokens struct {
	most int

	mu    sync.RWMutex
	until map[[sha256.Size]byte]time.Time
}

func newForgedTokens(most int) *forgedTokens {
	return &forgedTokens{most: most, until: make(map[[sha256.Size]byte]time.Time)}
}

func (f *forgedTokens) has(sum [sha256.Size]byte, now time.Time) bool {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return now.Before(f.until[sum])
}

func (f *forgedTokens) put(sum [sha256.Size]byte, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.until) >= f.most {
		clear(f.until) // a flood of different ones: remembering helps little, and must not cost more than it saves
	}
	f.until[sum] = now.Add(forgedFor)
}
