// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

const (
	// tokenSkew is how far our clock and Microsoft's may be apart. The samples use
	// the five minutes of the .NET default; two are plenty for nodes that run NTP.
	tokenSkew = 2 * time.Minute

	// maxTokenBytes bounds what is hashed and parsed before anything is known about
	// the sender. Tokens seen on the wire are between 1 and 2 KiB.
	maxTokenBytes = 8 << 10

	// maxVerifiedTokens bounds the memory the cache may take. The service uses one
	// token for about an hour per app and tenant, so that a few are in use at once.
	maxVerifiedTokens = 4096
)

// TokenVerifier judges the bearer token of a notification.
type TokenVerifier interface {
	// Verify returns a *TokenError for a token that must not be acted on.
	Verify(ctx context.Context, bearer string) (Claims, error)
}

// Claims is what an accepted token says about its sender.
type Claims struct {
	// TenantID is the tenant the notification is about, lower case.
	TenantID string
	Issuer   string
	KeyID    string
	// Expires is the token's own expiry, without the skew.
	Expires time.Time
}

// VerifierConfig says whose tokens to accept, and for whom.
type VerifierConfig struct {
	// MetadataURL is the OpenID configuration of the calling service, for the
	// public cloud https://api.aps.skype.com/v1/.well-known/OpenIdConfiguration.
	MetadataURL string
	// Issuers are the accepted values of iss. They are not the metadata's own
	// issuer: the calling service signs as https://api.botframework.com or
	// https://graph.microsoft.com.
	Issuers []string
	// Audience is the bot's app id.
	Audience string
	// Tenants are the accepted values of tid; see AllowedTenants.
	Tenants []string

	HTTPClient *http.Client
	Clock      clock.PassiveClock
	Log        logr.Logger
	Registerer prometheus.Registerer
}

// Verifier checks the tokens of notifications as the calling service signs them.
// It is safe for use by many goroutines.
type Verifier struct {
	issuers  []string
	audience string
	tenants  map[string]struct{}

	clock    clock.PassiveClock
	parser   *jwt.Parser
	keys     *keySource
	verified *verifiedTokens
	forged   *forgedTokens
	refused  *refusals
}

// NewVerifier returns a Verifier that has no keys yet: call Warm at the start so
// that the first notification does not wait for them.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	switch {
	case cfg.Audience == "":
		return nil, errors.New("token verifier: audience is empty: it must be the bot's app id")
	case len(cfg.Issuers) == 0:
		return nil, errors.New("token verifier: no issuer is accepted: name at least one")
	case len(cfg.Tenants) == 0:
		return nil, errors.New("token verifier: no tenant is accepted: name at least the home tenant")
	}
	if cfg.Clock == nil {
		cfg.Clock = clock.RealClock{}
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = http.DefaultClient
	}
	keys, err := newKeySource(cfg.MetadataURL, cfg.HTTPClient, cfg.Clock, cfg.Log)
	if err != nil {
		return nil, fmt.Errorf("token verifier: %w", err)
	}
	refused, err := newRefusals(cfg.Clock, cfg.Log, cfg.Registerer)
	if err != nil {
		return nil, fmt.Errorf("token verifier: %w", err)
	}
	tenants := make(map[string]struct{}, len(cfg.Tenants))
	for _, tenant := range cfg.Tenants {
		tenants[strings.ToLower(tenant)] = struct{}{}
	}
	return &Verifier{
		issuers:  slices.Clone(cfg.Issuers),
		audience: cfg.Audience,
		tenants:  tenants,
		clock:    cfg.Clock,
		parser:   jwt.NewParser(),
		keys:     keys,
		verified: newVerifiedTokens(maxVerifiedTokens),
		forged:   newForgedTokens(maxForgedTokens),
		refused:  refused,
	}, nil
}

// AllowedTenants is the list of tenants a bot serves: its home and those it was
// allowed by name.
func AllowedTenants(home string, allowed []string) []string {
	tenants := make([]string, 0, 1+len(allowed))
	for _, tenant := range append([]string{home}, allowed...) {
		tenant = strings.ToLower(strings.TrimSpace(tenant))
		if tenant != "" && !slices.Contains(tenants, tenant) {
			tenants = append(tenants, tenant)
		}
	}
	return tenants
}

// Warm loads the signing keys.
func (v *Verifier) Warm(ctx context.Context) error {
	if err := v.keys.refresh(ctx); err != nil {
		return fmt.Errorf("load the calling service's signing keys: %w", err)
	}
	return nil
}

// Verify accepts the token of a notification or returns a *TokenError. A token's
// signature is checked once; until it expires, the same token is known by its hash. What
// is cheap to see is looked at first: anybody on the internet can send tokens.
func (v *Verifier) Verify(ctx context.Context, bearer string) (Claims, error) {
	claims, err := v.verify(ctx, bearer)
	if err != nil {
		v.refused.note(err)
		return Claims{}, err
	}
	return claims, nil
}

func (v *Verifier) verify(ctx context.Context, bearer string) (Claims, *TokenError) {
	switch {
	case bearer == "":
		return Claims{}, refuse(TokenMissing, nil)
	case strings.Count(bearer, ".") != 2:
		return Claims{}, refuse(TokenMalformed, nil)
	case len(bearer) > maxTokenBytes:
		return Claims{}, refuse(TokenMalformed, fmt.Errorf("%d bytes are more than the %d a token may have", len(bearer), maxTokenBytes))
	}
	now := v.clock.Now()
	sum := tokenSum(bearer)
	if claims, ok := v.verified.get(sum, now); ok {
		return claims, nil
	}
	if v.forged.has(sum, now) {
		return Claims{}, refuse(TokenBadSignature, nil)
	}
	claims, refusal := v.verifyNew(ctx, bearer, now)
	if refusal != nil {
		if refusal.Cause == TokenBadSignature {
			v.forged.put(sum, now)
		}
		return Claims{}, refusal
	}
	v.verified.put(sum, claims, now)
	return claims, nil
}

// tokenClaims are the claims read from a token.
type tokenClaims struct {
	jwt.RegisteredClaims
	TenantID string `json:"tid"`
}

func (v *Verifier) verifyNew(ctx context.Context, bearer string, now time.Time) (Claims, *TokenError) {
	var claims tokenClaims
	token, parts, err := v.parser.ParseUnverified(bearer, &claims)
	switch {
	case errors.Is(err, jwt.ErrTokenUnverifiable):
		return Claims{}, refuse(TokenWrongAlgorithm, nil)
	case err != nil:
		return Claims{}, refuse(TokenMalformed, nil) // the parser's text may quote the token; the cause alone must do
	case token.Method.Alg() != jwt.SigningMethodRS256.Alg():
		// RS256 only: with a choice of algorithms the sender would choose.
		return Claims{}, refuse(TokenWrongAlgorithm, nil)
	}
	kid, _ := token.Header["kid"].(string)
	if kid == "" {
		return Claims{}, refuse(TokenUnknownKey, errors.New("the token does not name its key"))
	}
	if refusal := v.checkClaims(&claims, now); refusal != nil {
		// What an unsigned claim says is not worth a line in a log; of one that is signed it tells what is set up wrong.
		if !v.refused.due(refusal.Cause) || v.checkSignature(ctx, token, parts, kid) != nil {
			refusal.Err = nil
		}
		return Claims{}, refusal
	}
	if refusal := v.checkSignature(ctx, token, parts, kid); refusal != nil {
		return Claims{}, refusal
	}
	return Claims{
		TenantID: strings.ToLower(claims.TenantID),
		Issuer:   claims.Issuer,
		KeyID:    kid,
		Expires:  claims.ExpiresAt.Time,
	}, nil
}

// signatures are decoded strictly: the same signature must not come in several spellings.
var signatures = base64.RawURLEncoding.Strict()

func (v *Verifier) checkSignature(ctx context.Context, token *jwt.Token, parts []string, kid string) *TokenError {
	key, err := v.keys.key(ctx, kid)
	if err != nil {
		var refusal *TokenError
		if errors.As(err, &refusal) {
			return refusal
		}
		return refuse(KeysUnavailable, err)
	}
	signature, err := signatures.DecodeString(parts[2])
	if err != nil || token.Method.Verify(parts[0]+"."+parts[1], signature, key) != nil {
		return refuse(TokenBadSignature, nil)
	}
	return nil
}

func (v *Verifier) checkClaims(claims *tokenClaims, now time.Time) *TokenError {
	switch {
	case !slices.Contains(v.issuers, claims.Issuer):
		return refuse(TokenWrongIssuer, fmt.Errorf("it is signed by %q", clip(claims.Issuer)))
	case len(claims.Audience) != 1 || !strings.EqualFold(claims.Audience[0], v.audience):
		return refuse(TokenWrongAudience, fmt.Errorf("it is meant for %q", clip(strings.Join(claims.Audience, ","))))
	case claims.ExpiresAt == nil:
		return refuse(TokenExpired, errors.New("it has no expiry"))
	case !now.Before(claims.ExpiresAt.Add(tokenSkew)):
		return refuse(TokenExpired, fmt.Errorf("it expired %s ago", now.Sub(claims.ExpiresAt.Time).Round(time.Second)))
	case claims.NotBefore != nil && now.Before(claims.NotBefore.Add(-tokenSkew)):
		return refuse(TokenNotYetValid, fmt.Errorf("it begins in %s", claims.NotBefore.Sub(now).Round(time.Second)))
	case claims.TenantID == "":
		return refuse(TokenTenantMissing, nil)
	}
	if _, ok := v.tenants[strings.ToLower(claims.TenantID)]; !ok {
		return refuse(TokenTenantNotAllowed, fmt.Errorf("it is for tenant %q", clip(claims.TenantID)))
	}
	return nil
}

// clip keeps claims of unusual size out of logs.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
