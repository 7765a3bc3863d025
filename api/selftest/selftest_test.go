// SPDX-License-Identifier: Apache-2.0

package selftest

import (
	"strings"
	"testing"
)

func TestProof(t *testing.T) {
	const nonce, uid = "0123456789abcdef", "5b3c1c2e-0000-4000-8000-000000000001"
	answer := Answer{Nonce: nonce, Proofs: []string{Prove(nonce, "another"), Prove(nonce, uid)}}
	if !answer.Proves(nonce, []string{"gone", uid}) {
		t.Error("a router that knows the pod does not prove it")
	}
	for name, refused := range map[string]Answer{
		"an answer to another nonce": {Nonce: "fedcba9876543210", Proofs: answer.Proofs},
		"a proof for another nonce":  {Nonce: nonce, Proofs: []string{Prove("fedcba9876543210", uid)}},
		"an echo without proofs":     {Nonce: nonce},
		"the UID itself":             {Nonce: nonce, Proofs: []string{uid}},
	} {
		if refused.Proves(nonce, []string{uid}) {
			t.Errorf("%s is taken for a proof", name)
		}
	}
	if strings.Contains(answer.Proofs[1], uid) {
		t.Error("the proof tells the UID")
	}
}

func TestValidNonce(t *testing.T) {
	for nonce, want := range map[string]bool{
		"0123456789abcdef": true, "ABC_-xyz01234567": true, strings.Repeat("a", 64): true,
		"": false, "short": false, strings.Repeat("a", 65): false, "<script>alert(1)</script>": false, "0123456789abcde\n": false, "0123456789abcdef\n": false,
	} {
		if got := ValidNonce(nonce); got != want {
			t.Errorf("ValidNonce(%q) = %v", nonce, got)
		}
	}
}
