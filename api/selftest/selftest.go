// SPDX-License-Identifier: Apache-2.0

// Package selftest is how the operator finds out whether a bot's public name leads to its own router: it asks there with
// a nonce, and the router proves that it sees the same cluster by something nobody else knows, the UIDs of the bot's
// MediaPods. The answer tells them to nobody.
package selftest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

const (
	// Parameter of the query that carries the nonce.
	Parameter = "nonce"
	// MaxProofs is how many MediaPods a router proves to know; it may not have seen the newest yet.
	MaxProofs = 8
)

// Path is asked with GET.
func Path(namespace, bot string) string { return "/" + namespace + "/" + bot + "/healthz" }

// Answer is the router's, as JSON.
type Answer struct {
	// Nonce as it was asked.
	Nonce string `json:"nonce"`
	// Proofs, one for each MediaPod; none while the bot has no pods.
	Proofs []string `json:"proofs,omitempty"`
}

var nonces = regexp.MustCompile(`^[A-Za-z0-9_-]{16,64}$`)

// ValidNonce keeps the answer from carrying anything that somebody else wants it to say.
func ValidNonce(nonce string) bool { return nonces.MatchString(nonce) }

// Prove shows knowledge of a MediaPod's UID without telling it.
func Prove(nonce, uid string) string {
	mac := hmac.New(sha256.New, []byte(uid))
	mac.Write([]byte("callfleet self-test " + nonce))
	return hex.EncodeToString(mac.Sum(nil))
}

// Proves reports whether the answer is to this nonce and shows one of the MediaPods.
func (a Answer) Proves(nonce string, uids []string) bool {
	if a.Nonce != nonce {
		return false
	}
	for _, uid := range uids {
		for _, proof := range a.Proofs {
			if hmac.Equal([]byte(proof), []byte(Prove(nonce, uid))) {
				return true
			}
		}
	}
	return false
}
