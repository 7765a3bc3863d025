// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
)

// TokenCause says why a token was refused.
type TokenCause string

// The causes of a refusal. They are the values of a metric's label: add, do not rename.
const (
	TokenMissing          TokenCause = "Missing"
	TokenMalformed        TokenCause = "Malformed"
	TokenWrongAlgorithm   TokenCause = "WrongAlgorithm"
	TokenUnknownKey       TokenCause = "UnknownKey"
	TokenBadSignature     TokenCause = "BadSignature"
	TokenWrongIssuer      TokenCause = "WrongIssuer"
	TokenWrongAudience    TokenCause = "WrongAudience"
	TokenExpired          TokenCause = "Expired"
	TokenNotYetValid      TokenCause = "NotYetValid"
	TokenTenantMissing    TokenCause = "TenantMissing"
	TokenTenantNotAllowed TokenCause = "TenantNotAllowed"
	// TokenKeyUnchecked: the key may be new, but the keys could not be looked at again, or were too often lately.
	TokenKeyUnchecked TokenCause = "KeyUnchecked"
	// KeysUnavailable is our fault rather than the sender's: no key was ever loaded.
	KeysUnavailable TokenCause = "KeysUnavailable"
)

// tokenCauses maps each cause to what it means and what to do about it.
var tokenCauses = map[TokenCause]struct{ meaning, remedy string }{
	TokenMissing:          {"the request carries no bearer token", "nothing to do if it was not sent by Microsoft; else check that no proxy strips the Authorization header"},
	TokenMalformed:        {"the bearer token is not a JWT", "nothing to do if it was not sent by Microsoft; else check that no proxy changes the Authorization header"},
	TokenWrongAlgorithm:   {"the token is not signed with RS256", "nothing to do: Microsoft signs with RS256"},
	TokenUnknownKey:       {"the token is signed with a key the calling service does not publish", "check that the cloud's OpenID configuration URL is right for this bot"},
	TokenBadSignature:     {"the token's signature is wrong", "nothing to do: somebody forged it"},
	TokenWrongIssuer:      {"the token's issuer is not accepted", "check that the cloud's issuers are right for this bot"},
	TokenWrongAudience:    {"the token is meant for another app", "check that the bot's appID is that of the registration whose webhook points here"},
	TokenExpired:          {"the token has expired", "check this node's clock if it happens often"},
	TokenNotYetValid:      {"the token is not valid yet", "check this node's clock"},
	TokenTenantMissing:    {"the token names no tenant", "check that the webhook is registered for calling, not for messaging"},
	TokenTenantNotAllowed: {"the token is for a tenant this bot does not serve", "add the tenant to the bot's allowedTenants if it should be served"},
	TokenKeyUnchecked:     {"the token is signed with a key that is not known here, and the calling service's keys were not looked at again", "nothing to do if it was not sent by Microsoft; else it may be sent again, and the key is looked for every few seconds"},
	KeysUnavailable:       {"the calling service's signing keys could not be loaded", "check that the pod can reach the cloud's OpenID configuration URL and trusts its certificate"},
}

// TokenError is the refusal of a token. Its text holds nothing of the token but
// claims whose signature was found right.
type TokenError struct {
	Cause TokenCause
	Err   error
}

func (e *TokenError) Error() string {
	text := "token refused: " + tokenCauses[e.Cause].meaning
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *TokenError) Unwrap() error { return e.Err }

func refuse(cause TokenCause, err error) *TokenError {
	return &TokenError{Cause: cause, Err: err}
}

// logRefusalEvery is how often one cause may be logged: anybody on the internet
// can make refusals happen.
const logRefusalEvery = 5 * time.Minute

// refusals counts every refusal and logs each cause now and then.
type refusals struct {
	clock   clock.PassiveClock
	log     logr.Logger
	counter *prometheus.CounterVec

	mu     sync.Mutex
	causes map[TokenCause]*refusedCause
}

type refusedCause struct {
	logged time.Time
	silent int // refusals since then
}

func newRefusals(c clock.PassiveClock, log logr.Logger, reg prometheus.Registerer) (*refusals, error) {
	r := &refusals{
		clock: c,
		log:   log,
		counter: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "callfleet_signaling_tokens_refused_total",
			Help: "Notifications refused because of their bearer token, by cause.",
		}, []string{"cause"}),
		causes: make(map[TokenCause]*refusedCause, len(tokenCauses)),
	}
	for cause := range tokenCauses {
		r.counter.WithLabelValues(string(cause))
		r.causes[cause] = &refusedCause{}
	}
	if reg != nil {
		if err := reg.Register(r.counter); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return r, nil
}

// due reports whether a refusal with that cause would be logged now.
func (r *refusals) due(cause TokenCause) bool {
	now := r.clock.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	logged := r.causes[cause].logged
	return logged.IsZero() || now.Sub(logged) >= logRefusalEvery
}

func (r *refusals) note(refusal *TokenError) {
	r.counter.WithLabelValues(string(refusal.Cause)).Inc()

	now := r.clock.Now()
	r.mu.Lock()
	cause := r.causes[refusal.Cause]
	if !cause.logged.IsZero() && now.Sub(cause.logged) < logRefusalEvery {
		cause.silent++
		r.mu.Unlock()
		return
	}
	silent := cause.silent
	cause.logged, cause.silent = now, 0
	r.mu.Unlock()

	r.log.Info("refused a notification", "cause", refusal.Cause, "reason", refusal.Error(),
		"remedy", tokenCauses[refusal.Cause].remedy, "notLoggedSinceLast", silent)
}
