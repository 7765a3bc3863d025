// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
)

const (
	// maxKeyDocument bounds a metadata or key document. Microsoft's key set, with
	// its certificate chains, has about 20 KiB.
	maxKeyDocument = 1 << 20

	// minKeyBits is the least RS256 may be used with (RFC 7518, section 3.3).
	minKeyBits = 2048
)

// fetchKeys reads the metadata document, then the key set it names.
func fetchKeys(ctx context.Context, client *http.Client, metadataURL string) (map[string]*rsa.PublicKey, error) {
	var metadata struct {
		JWKSURI string `json:"jwks_uri"`
	}
	if err := fetchJSON(ctx, client, metadataURL, &metadata); err != nil {
		return nil, fmt.Errorf("OpenID configuration: %w", err)
	}
	if metadata.JWKSURI == "" {
		return nil, errors.New("OpenID configuration names no jwks_uri")
	}
	if secure(metadataURL) && !secure(metadata.JWKSURI) {
		return nil, errors.New("OpenID configuration names a jwks_uri that is not https")
	}
	var set keySet
	if err := fetchJSON(ctx, client, metadata.JWKSURI, &set); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	keys := set.rsaKeys()
	if len(keys) == 0 {
		return nil, errors.New("key set holds no RSA signing key of 2048 bits or more")
	}
	return keys, nil
}

func secure(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme == "https"
}

func fetchJSON(ctx context.Context, client *http.Client, rawURL string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if secure(rawURL) && resp.Request.URL.Scheme != "https" {
		return fmt.Errorf("get %s: redirected away from https", rawURL)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: answered %s", rawURL, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeyDocument+1))
	if err != nil {
		return fmt.Errorf("get %s: %w", rawURL, err)
	}
	if len(body) > maxKeyDocument {
		return fmt.Errorf("get %s: more than %d bytes", rawURL, maxKeyDocument)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("get %s: %w", rawURL, err)
	}
	return nil
}

// keySet is a JSON Web Key Set (RFC 7517, section 5).
type keySet struct {
	Keys []webKey `json:"keys"`
}

type webKey struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	N         string `json:"n"`
	E         string `json:"e"`
}

// rsaKeys are the keys RS256 signatures may be checked with. Keys of other kinds
// are passed over, as RFC 7517 asks for.
func (s keySet) rsaKeys() map[string]*rsa.PublicKey {
	keys := make(map[string]*rsa.PublicKey, len(s.Keys))
	for _, k := range s.Keys {
		if k.Type != "RSA" || k.ID == "" || (k.Use != "" && k.Use != "sig") || (k.Algorithm != "" && k.Algorithm != "RS256") {
			continue
		}
		if key, ok := k.rsaKey(); ok {
			keys[k.ID] = key
		}
	}
	return keys
}

func (k webKey) rsaKey() (*rsa.PublicKey, bool) {
	n, err := decodeBase64URL(k.N)
	if err != nil {
		return nil, false
	}
	e, err := decodeBase64URL(k.E)
	// An exponent of more than 31 bits is refused by crypto/rsa anyway.
	if err != nil || len(e) == 0 || len(e) > 4 {
		return nil, false
	}
	exponent := 0
	for _, b := range e {
		exponent = exponent<<8 | int(b)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: exponent}
	if key.N.BitLen() < minKeyBits || key.E < 3 || key.E&1 == 0 {
		return nil, false
	}
	return key, true
}

// decodeBase64URL takes padding too: some key sets have it.
func decodeBase64URL(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
