// SPDX-License-Identifier: Apache-2.0

// Package callback is the calling service's way to a bot: signed notifications, posted to the bot's callback
// one at a time per call.
package callback

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/callfleet/callfleet/teamsim/jwks"
)

const (
	// DefaultIssuer is one of the two issuers seen on real notifications (reference section 3.2).
	DefaultIssuer = "https://api.botframework.com"
	// TokenLifetime is what real notification tokens carry (reference section 3.2: "exp (~65 min)").
	TokenLifetime = 65 * time.Minute
)

// TokenFault spoils the tokens of notifications, to see whether a bot notices.
type TokenFault string

// The ways a token can be wrong.
const (
	WrongAudience TokenFault = "WrongAudience" // issued for another app
	WrongIssuer   TokenFault = "WrongIssuer"
	WrongKey      TokenFault = "WrongKey"   // signed by a key that is not in the key set, under a kid that is
	UnknownKey    TokenFault = "UnknownKey" // signed by a key that is not in the key set, under its own kid
	Expired       TokenFault = "Expired"
	NotYetValid   TokenFault = "NotYetValid"
	NoTenant      TokenFault = "NoTenant" // no tid claim
	Garbled       TokenFault = "Garbled"  // the signature has a flipped bit
	Missing       TokenFault = "Missing"  // no Authorization header at all
	Unsigned      TokenFault = "Unsigned" // alg none
)

var tokenFaults = map[TokenFault]bool{WrongAudience: true, WrongIssuer: true, WrongKey: true, UnknownKey: true, Expired: true,
	NotYetValid: true, NoTenant: true, Garbled: true, Missing: true, Unsigned: true}

// TokenFaults lists all.
func TokenFaults() []TokenFault { return slices.Sorted(maps.Keys(tokenFaults)) }

// Valid says whether the fault exists; the empty fault is a good token.
func (f TokenFault) Valid() bool { return f == "" || tokenFaults[f] }

// claims are those seen on real notifications (reference section 3.2).
type claims struct {
	TenantID string `json:"tid,omitempty"`
	jwt.RegisteredClaims
}

// Signer makes the tokens of notifications.
type Signer struct {
	Keys   *jwks.Set
	Issuer string

	mu      sync.Mutex
	foreign *jwks.Key // made on the first forgery
	good    map[string]madeToken
}

type madeToken struct {
	token string
	key   *jwks.Key
	made  time.Time
}

// reuseFor is how long a good token serves an app and tenant: the service does not sign anew for every message.
const reuseFor = 5 * time.Minute

// Token returns the Authorization header's value for an app and the tenant of the call, spoilt by fault.
// The value is empty for the fault Missing.
func (s *Signer) Token(appID, tenantID string, fault TokenFault) (string, error) {
	if fault == "" {
		return s.goodToken(appID, tenantID)
	}
	return s.sign(appID, tenantID, fault)
}

// tokenFor is the token of a call's notification. After a redirect it is a fresh one.
func (s *Signer) tokenFor(c Call, fault TokenFault, hop int) (string, error) {
	if hop > 0 {
		return s.sign(c.AppID, c.TenantID, fault)
	}
	return s.Token(c.AppID, c.TenantID, fault)
}

func (s *Signer) goodToken(appID, tenantID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := appID + " " + tenantID
	if t := s.good[id]; t.key == s.Keys.Current() && time.Since(t.made) < reuseFor {
		return t.token, nil
	}
	key, now := s.Keys.Current(), time.Now()
	token, err := s.sign(appID, tenantID, "")
	if err != nil {
		return "", err
	}
	if s.good == nil {
		s.good = map[string]madeToken{}
	}
	s.good[id] = madeToken{token, key, now}
	return token, nil
}

func (s *Signer) sign(appID, tenantID string, fault TokenFault) (string, error) {
	now := time.Now()
	c := claims{TenantID: tenantID, RegisteredClaims: jwt.RegisteredClaims{
		Issuer: s.Issuer, Audience: jwt.ClaimStrings{appID}, IssuedAt: jwt.NewNumericDate(now),
		NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenLifetime)),
	}}
	key := s.Keys.Current()
	switch fault {
	case "", Garbled:
	case Missing:
		return "", nil
	case WrongAudience:
		c.Audience = jwt.ClaimStrings{"00000000-0000-0000-0000-0000000000aa"}
	case WrongIssuer:
		c.Issuer = "https://sts.windows.net/" + tenantID + "/"
	case NoTenant:
		c.TenantID = ""
	case Expired:
		c.IssuedAt = jwt.NewNumericDate(now.Add(-2 * TokenLifetime))
		c.NotBefore, c.ExpiresAt = c.IssuedAt, jwt.NewNumericDate(now.Add(-TokenLifetime))
	case NotYetValid:
		c.NotBefore, c.ExpiresAt = jwt.NewNumericDate(now.Add(TokenLifetime)), jwt.NewNumericDate(now.Add(2*TokenLifetime))
	case WrongKey, UnknownKey:
		forger, err := s.forger()
		if err != nil {
			return "", err
		}
		if fault == UnknownKey {
			key = forger
		} else {
			key = &jwks.Key{ID: key.ID, Private: forger.Private}
		}
	case Unsigned:
		token, err := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
		return "Bearer " + token, err
	default:
		return "", fmt.Errorf("unknown token fault %q", fault)
	}
	token, err := key.Sign(c)
	if err != nil {
		return "", err
	}
	if fault == Garbled {
		token = garble(token)
	}
	return "Bearer " + token, nil
}

func (s *Signer) forger() (*jwks.Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.foreign == nil {
		k, err := jwks.NewKey()
		if err != nil {
			return nil, err
		}
		s.foreign = k
	}
	return s.foreign, nil
}

// garble changes a character in the middle of the signature, where every bit counts.
func garble(token string) string {
	at := strings.LastIndexByte(token, '.') + 20
	swap := byte('A')
	if token[at] == swap {
		swap = 'B'
	}
	return token[:at] + string(swap) + token[at+1:]
}

// ServeMetadata answers /v1/.well-known/OpenIdConfiguration. The document's own issuer is not the issuer of
// the tokens, which is so at the real service and trips strict OpenID libraries (reference section 3.2).
func ServeMetadata(baseURL string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"issuer":                                baseURL + "/v1",
			"authorization_endpoint":                "https://invalid.botframework.com",
			"jwks_uri":                              baseURL + "/v1/keys",
			"id_token_signing_alg_values_supported": []string{"RS256"},
			"token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
			"response_types_supported":              []string{"id_token"},
			"subject_types_supported":               []string{"pairwise"},
		})
	})
}
