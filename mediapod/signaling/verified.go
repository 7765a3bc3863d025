// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"crypto/sha256"
	"sync"
	"time"
)

// verifiedTokens remembers the tokens whose signature was found right, by hash:
// the service sends thousands of notifications with the same token, and a hash
// costs a twentieth of an RSA verification. The tokens themselves are not kept.
type verifiedTokens struct {
	most int

	mu     sync.RWMutex
	claims map[[sha256.Size]byte]Claims
}

func newVerifiedTokens(most int) *verifiedTokens {
	return &verifiedTokens{most: most, claims: make(map[[sha256.Size]byte]Claims)}
}

// tokenSum hashes a token through a buffer on the stack: converting the string
// would allocate a copy for each notification.
func tokenSum(token string) [sha256.Size]byte {
	var buf [2048]byte
	return sha256.Sum256(append(buf[:0], token...))
}

func (t *verifiedTokens) get(sum [sha256.Size]byte, now time.Time) (Claims, bool) {
	t.mu.RLock()
	claims, ok := t.claims[sum]
	t.mu.RUnlock()
	if !ok || !now.Before(claims.Expires.Add(tokenSkew)) {
		return Claims{}, false
	}
	return claims, true
}

func (t *verifiedTokens) put(sum [sha256.Size]byte, claims Claims, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.claims) >= t.most {
		t.makeRoom(now)
	}
	t.claims[sum] = claims
}

// makeRoom drops what has expired or, if nothing has, any half: the next use of
// a dropped token costs one verification and nothing else.
func (t *verifiedTokens) makeRoom(now time.Time) {
	for sum, claims := range t.claims {
		if !now.Before(claims.Expires.Add(tokenSkew)) {
			delete(t.claims, sum)
		}
	}
	for sum := range t.claims {
		if len(t.claims) <= t.most/2 {
			return
		}
		delete(t.claims, sum)
	}
}

func (t *verifiedTokens) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.claims)
}
