// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	testclock "k8s.io/utils/clock/testing"
)

const (
	testAppID  = "0efc74f7-41c3-47a4-8775-7259bfef4241"
	testTenant = "1fdd12d0-4620-44ed-baec-459b611f84b2"
	testIssuer = "https://api.botframework.com"
)

// start is the moment at which the fake clocks of these tests begin.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// signingKeys are made once: generating RSA keys is what takes long here.
var signingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// issuer plays the calling service's OpenID metadata and signs tokens.
type issuer struct {
	server  *httptest.Server
	fetches atomic.Int32

	mu      sync.Mutex
	keys    map[string]*rsa.PrivateKey
	fail    bool
	blocked chan struct{}
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	i := &issuer{keys: map[string]*rsa.PrivateKey{"key-1": signingKeys()[0]}}
	mux := http.NewServeMux()
	mux.HandleFunc("/openid", func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		fail, blocked := i.fail, i.blocked
		i.mu.Unlock()
		if blocked != nil {
			select {
			case <-blocked:
			case <-r.Context().Done():
			}
		}
		if fail {
			http.Error(w, "out of order", http.StatusInternalServerError)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": "https://api.botframework.com/other", "jwks_uri": i.server.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		i.mu.Lock()
		defer i.mu.Unlock()
		keys := []map[string]string{{"kty": "EC", "kid": "elliptic", "crv": "P-256"}}
		for kid, key := range i.keys {
			keys = append(keys, map[string]string{
				"kty": "RSA", "use": "sig", "kid": kid,
				"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
				"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	})
	i.server = httptest.NewServer(mux)
	t.Cleanup(i.server.Close)
	return i
}

func (i *issuer) set(change func(*issuer)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	change(i)
}

// claims are those of a good token.
func goodClaims(now time.Time) jwt.MapClaims {
	return jwt.MapClaims{
		"iss": testIssuer,
		"aud": testAppID,
		"tid": testTenant,
		"iat": now.Unix(),
		"nbf": now.Unix(),
		"exp": now.Add(65 * time.Minute).Unix(),
	}
}

func sign(t testing.TB, kid string, key *rsa.PrivateKey, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	if kid != "" {
		token.Header["kid"] = kid
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// goodToken is one that the issuer's verifier accepts at that time.
func goodToken(t testing.TB, now time.Time) string {
	t.Helper()
	return sign(t, "key-1", signingKeys()[0], goodClaims(now))
}

func newTestVerifier(t testing.TB, i *issuer, log logr.Logger) (*Verifier, *testclock.FakePassiveClock, *prometheus.Registry) {
	t.Helper()
	now := testclock.NewFakePassiveClock(start)
	reg := prometheus.NewRegistry()
	v, err := NewVerifier(VerifierConfig{
		MetadataURL: i.server.URL + "/openid",
		Issuers:     []string{testIssuer, "https://graph.microsoft.com"},
		Audience:    testAppID,
		Tenants:     []string{testTenant},
		HTTPClient:  i.server.Client(),
		Clock:       now,
		Log:         log,
		Registerer:  reg,
	})
	if err != nil {
		t.Fatal(err)
	}
	return v, now, reg
}
