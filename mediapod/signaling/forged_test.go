// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
)

func TestAForgedTokenIsCheckedOnce(t *testing.T) {
	v, now, _ := newTestVerifier(t, newIssuer(t), logr.Discard())
	forged := sign(t, "key-1", signingKeys()[1], goodClaims(start))
	_, err := v.Verify(t.Context(), forged)
	if got := causeOf(err); got != TokenBadSignature {
		t.Fatalf("cause %s, want %s", got, TokenBadSignature)
	}
	// With the key it was made with, it would be found good: the answer is the remembered one.
	v.keys.keys["key-1"] = &signingKeys()[1].PublicKey
	_, err = v.Verify(t.Context(), forged)
	if got := causeOf(err); got != TokenBadSignature {
		t.Errorf("cause %s the second time, want %s", got, TokenBadSignature)
	}
	now.SetTime(start.Add(forgedFor))
	if _, err := v.Verify(t.Context(), forged); err != nil {
		t.Errorf("Verify() = %v after %s, want the key that is published by now to count", err, forgedFor)
	}
}

func TestForgedTokensAreBounded(t *testing.T) {
	f := newForgedTokens(10)
	for i := range 1000 {
		f.put(tokenSum(fmt.Sprint(i)), start)
		if !f.has(tokenSum(fmt.Sprint(i)), start) {
			t.Fatalf("token %d is not remembered", i)
		}
		if len(f.until) > 10 {
			t.Fatalf("%d are remembered, want at most 10", len(f.until))
		}
	}
}

func TestOnlySignedClaimsAreLogged(t *testing.T) {
	with := func(iss string) map[string]any {
		claims := goodClaims(start)
		claims["iss"] = iss
		return claims
	}
	tests := map[string]struct {
		key    int
		quoted bool
	}{
		"signed":     {key: 0, quoted: true},
		"not signed": {key: 1, quoted: false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var lines []string
			log := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
			v, _, _ := newTestVerifier(t, newIssuer(t), log)
			_, err := v.Verify(t.Context(), sign(t, "key-1", signingKeys()[tt.key], with("https://elsewhere.example")))
			if got := causeOf(err); got != TokenWrongIssuer {
				t.Fatalf("cause %s, want %s", got, TokenWrongIssuer)
			}
			if got := strings.Contains(strings.Join(lines, "\n"), "elsewhere.example"); got != tt.quoted {
				t.Errorf("the claim is in the log: %t, want %t\n%s", got, tt.quoted, lines)
			}
		})
	}
}

func TestTokensThatAreWrongByTheirClaimsCostNoKeys(t *testing.T) {
	i := newIssuer(t)
	v, _, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := i.fetches.Load()
	claims := goodClaims(start)
	claims["aud"] = "another"
	for n := range 100 {
		_, err := v.Verify(t.Context(), sign(t, fmt.Sprint("unknown-", n), signingKeys()[1], claims))
		if got := causeOf(err); got != TokenWrongAudience {
			t.Fatalf("cause %s, want %s", got, TokenWrongAudience)
		}
	}
	// The first is looked at once more for the log.
	if got := i.fetches.Load() - before; got > 1 {
		t.Errorf("the keys were fetched %d times for tokens that are for another app", got)
	}
}

// BenchmarkRefuse is what a token costs that is refused.
func BenchmarkRefuse(b *testing.B) {
	v, _, _ := newTestVerifier(b, newIssuer(b), logr.Discard())
	if err := v.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	expired := goodClaims(start)
	expired["exp"] = start.Unix() - 3600
	for name, token := range map[string]string{
		"junk":    strings.Repeat("junk", 400),
		"expired": sign(b, "key-1", signingKeys()[1], expired),
		"forged":  sign(b, "key-1", signingKeys()[1], goodClaims(start)),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err == nil {
					b.Fatal("accepted")
				}
			}
		})
	}
}
