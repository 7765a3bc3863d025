// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
)

// keyWarmer fetches the keys that sign notifications.
type keyWarmer interface {
	Warm(ctx context.Context) error
}

// recheck is how often a warm pod looks at its token. It comes from azidentity's memory until it runs out, and azidentity
// takes one that has five minutes left for expired: an idle pod has a good one too.
const recheck = time.Minute

// warmth is what a call must not wait for: a token for Graph and the keys that sign notifications, both at hand before
// the pod says it is ready (an incoming call leaves 15 seconds, policy recording 5).
type warmth struct {
	credential  azcore.TokenCredential
	scope       string
	keys        keyWarmer // nil once they are there: the verifier keeps them fresh
	unreachable func() string
	clock       clock.WithTicker
}

// run tells how it stands until ctx is done. A credential may go bad, or good again, at any time.
func (w warmth) run(ctx context.Context, tell func(health)) {
	for retry := time.Second; ; {
		h := w.try(ctx)
		if ctx.Err() != nil {
			return
		}
		tell(h)
		wait := retry
		switch {
		case h.ready:
			wait, retry = recheck, time.Second
		case h.reason == callfleetv1.ReasonWaitingForAddress:
			wait = 50 * time.Millisecond
		default:
			retry = min(2*retry, 15*time.Second)
		}
		select {
		case <-ctx.Done():
			return
		case <-w.clock.After(wait):
		}
	}
}

func (w *warmth) try(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	// With EnableCAE as the Graph client asks: azidentity keeps the two kinds of token apart.
	if _, err := w.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{w.scope}, EnableCAE: true}); err != nil {
		return tokenHealth(err)
	}
	if w.keys != nil {
		if err := w.keys.Warm(ctx); err != nil {
			return health{reason: callfleetv1.ReasonSigningKeysMissing, message: fmt.Sprintf(
				"the keys that sign call notifications could not be fetched: %v; check the address of the OpenID configuration and that the pod may reach it", withoutURL(err))}
		}
		w.keys = nil
	}
	if why := w.unreachable(); why != "" {
		return health{reason: callfleetv1.ReasonWaitingForAddress, message: clip(why, maxMessage)}
	}
	return health{ready: true, reason: callfleetv1.ReasonReady}
}

func tokenHealth(err error) health {
	if errors.Is(err, errSecret) {
		return health{reason: callfleetv1.ReasonCredentialsRejected, message: clip(err.Error()+"; put the secret's value into the Secret the bot names", maxMessage)}
	}
	why := graph.ExplainError(err)
	reason := callfleetv1.ReasonLoginUnreachable
	if why.Reason == graph.ReasonAuthenticationFailed {
		reason = callfleetv1.ReasonCredentialsRejected
	}
	message := why.Sentence
	if message == "" {
		message = "no token for Graph could be had: " + withoutURL(err).Error()
	}
	if why.Remedy != "" {
		message += "; " + why.Remedy
	}
	if errors.Is(err, context.DeadlineExceeded) {
		message = "the login service did not answer in time; check identity.cloud and that the pod may reach it"
	}
	return health{reason: reason, message: clip(message, maxMessage)}
}
