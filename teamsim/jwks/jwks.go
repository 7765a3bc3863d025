// SPDX-License-Identifier: Apache-2.0

// Package jwks holds RSA signing keys and publishes their public halves as a JSON Web Key Set (RFC 7517).
package jwks

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"sync"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Key is one RSA key and its id.
type Key struct {
	ID      string
	Private *rsa.PrivateKey
}

// NewKey makes a 2048 bit key with a random id.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make signing key: %w", err)
	}
	return &Key{ID: uuid.NewString(), Private: private}, nil
}

// Sign returns claims as an RS256 token that names the key.
func (k *Key) Sign(claims jwt.Claims) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = k.ID
	token.Header["x5t"] = k.ID
	signed, err := token.SignedString(k.Private)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return signed, nil
}

// Set is the keys a service has published, the newest of which signs.
type Set struct {
	mu   sync.Mutex
	keys []*Key // newest first
}

// NewSet returns a set with one key.
func NewSet() (*Set, error) {
	s := &Set{}
	return s, s.Rotate(false)
}

// Rotate signs with a new key from now on. The old keys stay published, as tokens signed by them are
// still about; with retire they vanish at once, as after a leak.
func (s *Set) Rotate(retire bool) error {
	k, err := NewKey()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if retire {
		s.keys = nil
	}
	s.keys = append([]*Key{k}, s.keys...)
	return nil
}

// Current is the key that signs.
func (s *Set) Current() *Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0]
}

// Lookup finds the public key for a token's kid; it is a jwt.Keyfunc.
func (s *Set) Lookup(token *jwt.Token) (any, error) {
	kid, _ := token.Header["kid"].(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if k.ID == kid {
			return &k.Private.PublicKey, nil
		}
	}
	return nil, fmt.Errorf("no key %q", kid)
}

type webKey struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	X5T       string `json:"x5t"`
	Modulus   string `json:"n"`
	Exponent  string `json:"e"`
}

// ServeHTTP answers with the key set.
func (s *Set) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	doc := struct {
		Keys []webKey `json:"keys"`
	}{}
	for _, k := range s.keys {
		doc.Keys = append(doc.Keys, webKey{
			Type: "RSA", Use: "sig", Algorithm: "RS256", ID: k.ID, X5T: k.ID,
			Modulus:  base64.RawURLEncoding.EncodeToString(k.Private.N.Bytes()),
			Exponent: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.Private.E)).Bytes()),
		})
	}
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(doc)
}
