// SPDX-License-Identifier: Apache-2.0

package router

import (
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// maxToken: those on the wire are 1 to 2 KiB long. Pods refuse longer ones than this too.
	maxToken = 8 << 10
	// provenFor is how long a token is known good after a pod last found it so. The service uses one for about an hour.
	provenFor = 10 * time.Minute
	// maxProven tokens are remembered: the service uses a few at a time for each bot and tenant.
	maxProven = 8192
)

// bearerOf is the token of a request, if it has one that has the shape of a JWT (RFC 7519): three parts of base64url, of
// which the first begins with `{"`.
func bearerOf(r *http.Request) (string, bool) {
	values := r.Header["Authorization"]
	if len(values) != 1 {
		return "", false
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxToken || !strings.HasPrefix(token, "eyJ") {
		return "", false
	}
	dots, part := 0, 0
	for i := range len(token) {
		switch c := token[i]; {
		case c == '.':
			if part == 0 || dots == 2 {
				return "", false
			}
			dots, part = dots+1, 0
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '=':
			part++
		default:
			return "", false
		}
	}
	return token, dots == 2 && part > 0
}

// proven remembers which tokens pods found good lately. It decides nothing but who waits for whom, so a hash that cannot
// be foreseen is as good as the token, and the token itself is not kept.
type proven struct {
	clock clock.PassiveClock
	seed  maphash.Seed

	mu     sync.Mutex
	tokens map[provenToken]time.Time // until when
}

type provenToken struct {
	bot  Bot
	hash uint64
}

func newProven(c clock.PassiveClock) *proven {
	return &proven{clock: c, seed: maphash.MakeSeed(), tokens: map[provenToken]time.Time{}}
}

func (p *proven) key(b Bot, token string) provenToken {
	return provenToken{b, maphash.String(p.seed, token)}
}

// add is called when a pod of the bot found the token good.
func (p *proven) add(k provenToken) {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.tokens[k]; !known && len(p.tokens) >= maxProven {
		p.makeRoom(now)
	}
	p.tokens[k] = now.Add(provenFor)
}

// makeRoom drops what has expired, or else any one: it will be proven again by its next request.
func (p *proven) makeRoom(now time.Time) {
	for k, until := range p.tokens {
		if now.After(until) {
			delete(p.tokens, k)
		}
	}
	for k := range p.tokens {
		if len(p.tokens) < maxProven {
			return
		}
		delete(p.tokens, k)
	}
}

// drop is called when a pod refused it.
func (p *proven) drop(k provenToken) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.tokens, k)
}

func (p *proven) has(k provenToken) bool {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.tokens[k]
	return ok && now.Before(until)
}
