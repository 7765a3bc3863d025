// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

const (
	// keysFresh is how long keys are used without asking again; the samples
	// refresh every two hours.
	keysFresh = 2 * time.Hour

	// keysStale is when a token has to wait for the refresh instead of being judged
	// while it runs. Only a pod that hears nothing for a day gets here.
	keysStale = 24 * time.Hour

	// keyFetchTimeout bounds one refresh: a notification may be waiting for it, and
	// an incoming call has to be answered within 15 s.
	keyFetchTimeout = 5 * time.Second

	// Anybody can send tokens with key ids nobody knows. Three refreshes at once
	// and one every 10 s are enough for a key that Microsoft has just begun to use:
	// its tokens are refused for good only once the keys were looked at, so that a
	// call whose notification is sent again within its 15 s is not lost to such junk.
	refetchEvery = 10 * time.Second
	refetchBurst = 3

	// refreshRetryEvery is how soon to try again after keys that are old, but good, could not be refreshed.
	refreshRetryEvery = 30 * time.Second

	// emptyRetryEvery is how soon to try again while there is no key at all.
	emptyRetryEvery = time.Second
)

// keySource holds the calling service's signing keys and asks for them again when
// they are old or when a token names one that is not there. When asking fails the
// keys at hand stay in use.
type keySource struct {
	metadataURL string
	client      *http.Client
	clock       clock.PassiveClock
	log         logr.Logger

	flight   singleflight.Group
	refetch  *rate.Limiter
	whenNone *rate.Limiter

	mu      sync.RWMutex
	keys    map[string]*rsa.PublicKey
	fetched time.Time
	tried   time.Time
}

func newKeySource(metadataURL string, client *http.Client, c clock.PassiveClock, log logr.Logger) (*keySource, error) {
	u, err := url.Parse(metadataURL)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, errors.New("the OpenID configuration URL is not an absolute http(s) URL")
	}
	return &keySource{
		metadataURL: metadataURL,
		client:      client,
		clock:       c,
		log:         log,
		refetch:     rate.NewLimiter(rate.Every(refetchEvery), refetchBurst),
		whenNone:    rate.NewLimiter(rate.Every(emptyRetryEvery), 1),
	}, nil
}

// key returns the key of that id, or a *TokenError.
func (s *keySource) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	now := s.clock.Now()
	s.mu.RLock()
	key, none := s.keys[kid], len(s.keys) == 0
	age, sinceTry := now.Sub(s.fetched), now.Sub(s.tried)
	s.mu.RUnlock()

	switch {
	case none:
		if s.whenNone.AllowN(now, 1) {
			if err := s.refresh(ctx); err != nil {
				return nil, refuse(KeysUnavailable, err)
			}
		}
	case key == nil:
		if !s.refetch.AllowN(now, 1) {
			return nil, refuse(TokenKeyUnchecked, nil)
		}
		if err := s.refresh(ctx); err != nil {
			return nil, refuse(TokenKeyUnchecked, err)
		}
	case age > keysStale && sinceTry > refreshRetryEvery:
		_ = s.refresh(ctx)
	case age > keysFresh && sinceTry > refreshRetryEvery:
		go func() { _ = s.refresh(context.WithoutCancel(ctx)) }()
		return key, nil
	default:
		return key, nil
	}

	s.mu.RLock()
	defer s.mu.RUnlock()
	if key = s.keys[kid]; key != nil {
		return key, nil
	}
	if len(s.keys) == 0 {
		return nil, refuse(KeysUnavailable, nil)
	}
	return nil, refuse(TokenUnknownKey, nil)
}

// refresh fetches the keys once, however many ask for it at the same time.
func (s *keySource) refresh(ctx context.Context) error {
	done := s.flight.DoChan("", func() (any, error) {
		// The fetch is for all who wait, so that it outlives the first who asked.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keyFetchTimeout)
		defer cancel()
		return nil, s.fetch(ctx)
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return fmt.Errorf("wait for the signing keys: %w", ctx.Err())
	}
}

func (s *keySource) fetch(ctx context.Context) error {
	keys, err := fetchKeys(ctx, s.client, s.metadataURL)

	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried = s.clock.Now()
	if err != nil {
		s.log.Error(err, "could not fetch the calling service's signing keys; those at hand stay in use",
			"url", s.metadataURL, "keys", len(s.keys), "age", s.age())
		return err
	}
	s.keys, s.fetched = keys, s.tried
	s.log.V(1).Info("fetched the calling service's signing keys", "keys", len(keys))
	return nil
}

// age is for the log; there may be no keys yet.
func (s *keySource) age() string {
	if s.fetched.IsZero() {
		return "none"
	}
	return s.tried.Sub(s.fetched).Round(time.Second).String()
}
