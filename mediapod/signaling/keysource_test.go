// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

func causeOf(err error) TokenCause {
	var refusal *TokenError
	if errors.As(err, &refusal) {
		return refusal.Cause
	}
	return ""
}

func TestKeysAreRefetchedForAnUnknownKeyAtALimitedRate(t *testing.T) {
	i := newIssuer(t)
	v, now, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}

	i.set(func(i *issuer) { i.keys["key-2"] = signingKeys()[1] })
	if _, err := v.Verify(t.Context(), sign(t, "key-2", signingKeys()[1], goodClaims(start))); err != nil {
		t.Fatalf("a token signed with a new key: %v", err)
	}
	if got := i.fetches.Load(); got != 2 {
		t.Errorf("%d fetches for one unknown key, want 2 with the first", got)
	}

	for n := range 50 {
		want := TokenUnknownKey
		if n+2 > refetchBurst { // with the one for the new key
			want = TokenKeyUnchecked
		}
		if _, err := v.Verify(t.Context(), sign(t, "forged", signingKeys()[1], goodClaims(start))); causeOf(err) != want {
			t.Fatalf("Verify() number %d = %v, want %s", n, err, want)
		}
	}
	if got := i.fetches.Load(); got > 1+refetchBurst {
		t.Errorf("50 forged key ids made %d fetches, want at most %d", got, 1+refetchBurst)
	}
	before := i.fetches.Load()
	now.SetTime(start.Add(refetchEvery))
	_, _ = v.Verify(t.Context(), sign(t, "forged", signingKeys()[1], goodClaims(start)))
	if got := i.fetches.Load(); got != before+1 {
		t.Errorf("%d fetches after %s, want one more", got-before, refetchEvery)
	}
}

// Junk uses up the fetches, and Microsoft begins to sign with a new key meanwhile. Whether a token is good is then not known, so
// it is not refused for good; and junk makes no more fetches for that.
func TestANewKeyIsNotLostInAFloodOfUnknownOnes(t *testing.T) {
	i := newIssuer(t)
	v, now, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := newTestServer(t, &fakeGraph{}, func(c *Config) { c.Verifier = v })
	send := func(token string) *httptest.ResponseRecorder {
		return post(s, newCallPath, "{}", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) })
	}
	junk := func() string { return sign(t, rand.Text(), signingKeys()[1], goodClaims(start)) }
	for n := range 20 {
		w := send(junk())
		if unjudged := n >= refetchBurst; unjudged != (w.Code == http.StatusServiceUnavailable) || unjudged != (w.Header().Get(unjudgedHeader) != "") ||
			!unjudged && w.Code != http.StatusUnauthorized {
			t.Fatalf("junk number %d: %d, %v", n, w.Code, w.Header())
		}
	}
	i.set(func(i *issuer) { i.keys = map[string]*rsa.PrivateKey{"key-2": signingKeys()[1]} })
	token := sign(t, "key-2", signingKeys()[1], goodClaims(start))
	if w := send(token); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("a token of a key not looked for yet: %d, %v; want it sent again", w.Code, w.Header())
	}
	if got := i.fetches.Load(); got != 1+refetchBurst {
		t.Errorf("%d fetches, want %d", got, 1+refetchBurst)
	}
	now.SetTime(start.Add(refetchEvery))
	_ = send(junk()) // takes the fetch, which is as good for everybody
	if w := send(token); w.Code == http.StatusServiceUnavailable || w.Code == http.StatusUnauthorized {
		t.Errorf("the same token sent again after %s: %d", refetchEvery, w.Code)
	}
}

func TestAKeyIsNotUnknownWhileTheKeysCannotBeFetched(t *testing.T) {
	i := newIssuer(t)
	v, _, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.set(func(i *issuer) { i.fail = true })
	if _, err := v.Verify(t.Context(), sign(t, "key-2", signingKeys()[1], goodClaims(start))); causeOf(err) != TokenKeyUnchecked {
		t.Errorf("Verify() = %v, want %s", err, TokenKeyUnchecked)
	}
}

func TestOldKeysAreRefreshedWithoutMakingAnybodyWait(t *testing.T) {
	i := newIssuer(t)
	v, now, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	blocked := make(chan struct{})
	i.set(func(i *issuer) { i.blocked = blocked })
	now.SetTime(start.Add(keysFresh + time.Minute))
	if _, err := v.Verify(t.Context(), goodToken(t, now.Now())); err != nil {
		t.Fatalf("Verify() = %v while the refresh is under way", err)
	}
	close(blocked)
	eventually(t, "the keys are as old as the clock", func() bool {
		v.keys.mu.RLock()
		defer v.keys.mu.RUnlock()
		return v.keys.fetched.Equal(now.Now())
	})
}

func TestKeysStayInUseWhenTheyCannotBeRefreshed(t *testing.T) {
	i := newIssuer(t)
	v, now, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	i.set(func(i *issuer) { i.fail = true })
	now.SetTime(start.Add(keysStale + time.Hour))
	if _, err := v.Verify(t.Context(), goodToken(t, now.Now())); err != nil {
		t.Errorf("Verify() = %v, want the stale key used", err)
	}
	if got := i.fetches.Load(); got != 2 {
		t.Errorf("%d fetches, want the failed one to have been tried", got)
	}
}

func TestWithoutAnyKeyTheFaultIsOurs(t *testing.T) {
	i := newIssuer(t)
	i.set(func(i *issuer) { i.fail = true })
	v, now, _ := newTestVerifier(t, i, logr.Discard())
	if err := v.Warm(t.Context()); err == nil {
		t.Error("Warm() succeeded against a failing server")
	}
	for range 20 {
		if _, err := v.Verify(t.Context(), goodToken(t, start)); causeOf(err) != KeysUnavailable {
			t.Fatalf("Verify() = %v, want %s", err, KeysUnavailable)
		}
	}
	if got := i.fetches.Load(); got > 2 {
		t.Errorf("%d fetches within one moment, want the rate limited", got)
	}
	i.set(func(i *issuer) { i.fail = false })
	now.SetTime(start.Add(emptyRetryEvery))
	if _, err := v.Verify(t.Context(), goodToken(t, start)); err != nil {
		t.Errorf("Verify() = %v after the server came back", err)
	}
}

func TestManyWaitersShareOneFetch(t *testing.T) {
	i := newIssuer(t)
	blocked := make(chan struct{})
	i.set(func(i *issuer) { i.blocked = blocked })
	v, _, _ := newTestVerifier(t, i, logr.Discard())

	impatient, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error, 1)
	go func() { gaveUp <- v.Warm(impatient) }()
	eventually(t, "the fetch has begun", func() bool { return i.fetches.Load() == 1 })
	cancel()
	if err := <-gaveUp; !errors.Is(err, context.Canceled) {
		t.Errorf("Warm() = %v after its context was done", err)
	}

	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			if err := v.Warm(t.Context()); err != nil {
				t.Errorf("Warm() = %v; the one who gave up must not take the fetch along", err)
			}
		})
	}
	close(blocked)
	group.Wait()
	// The first fetch, and at most one more for waiters that came after it had ended.
	if got := i.fetches.Load(); got > 2 {
		t.Errorf("%d fetches for waiters at the same time, want them shared", got)
	}
}

func TestFetchKeysRefusesBadDocuments(t *testing.T) {
	short := base64.RawURLEncoding.EncodeToString(make([]byte, 128))
	tests := map[string]struct{ metadata, keys, want string }{
		"no jwks_uri":       {`{}`, ``, "names no jwks_uri"},
		"not JSON":          {`<html>`, ``, "invalid character"},
		"no keys":           {`{"jwks_uri":"URL/keys"}`, `{"keys":[]}`, "no RSA signing key"},
		"short key":         {`{"jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"RSA","kid":"a","n":"` + short + `","e":"AQAB"}]}`, "no RSA signing key"},
		"encryption key":    {`{"jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"RSA","kid":"a","use":"enc","n":"_w","e":"AQAB"}]}`, "no RSA signing key"},
		"key of bad base64": {`{"jwks_uri":"URL/keys"}`, `{"keys":[{"kty":"RSA","kid":"a","n":"!","e":"AQAB"}]}`, "no RSA signing key"},
		"too large":         {`{"jwks_uri":"URL/keys"}`, strings.Repeat(" ", maxKeyDocument+1), "more than"},
		"keys not there":    {`{"jwks_uri":"URL/nowhere"}`, ``, "404"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			defer server.Close()
			mux.HandleFunc("/openid", func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(strings.ReplaceAll(tt.metadata, "URL", server.URL)))
			})
			mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.keys)) })
			_, err := fetchKeys(t.Context(), server.Client(), server.URL+"/openid")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("fetchKeys() = %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestFetchKeysStaysOnHTTPS(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/openid", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"jwks_uri":"` + plain.URL + `/keys"}`))
	})
	mux.HandleFunc("/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	})
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	if _, err := fetchKeys(t.Context(), server.Client(), server.URL+"/openid"); err == nil || !strings.Contains(err.Error(), "not https") {
		t.Errorf("fetchKeys() = %v for keys over plain http", err)
	}
	if _, err := fetchKeys(t.Context(), server.Client(), server.URL+"/elsewhere"); err == nil || !strings.Contains(err.Error(), "away from https") {
		t.Errorf("fetchKeys() = %v for a redirect to plain http", err)
	}
}

// eventually waits for something other goroutines do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never came true: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}
