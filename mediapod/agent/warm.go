// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/story"
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
	tenants     []string // besides the home tenant, whose calls the bot takes
	log         logr.Logger
	keys        keyWarmer // nil once they are there: the verifier keeps them fresh
	unreachable func() string
	// platform is why the media platform takes no calls, "" if it does, and again has something in it when that has changed; nil
	// both, where there is none.
	platform func() string
	again    <-chan struct{}
	clock    clock.WithTicker
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
		case <-w.again:
		case <-w.clock.After(wait):
		}
	}
}

func (w *warmth) try(ctx context.Context) health {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	others := w.warmOthers(ctx)
	err := w.warm(ctx, "")
	others.Wait()
	if err != nil {
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
		return health{reason: callfleetv1.ReasonWaitingForAddress, message: story.Clip(why, maxMessage)}
	}
	if w.platform != nil {
		if why := w.platform(); why != "" {
			return health{reason: callfleetv1.ReasonPlatformNotReady, message: story.Clip(why, maxMessage)}
		}
	}
	return health{ready: true, reason: callfleetv1.ReasonReady}
}

// warm has the credential fetch a token, with EnableCAE as the Graph client asks: azidentity keeps the two kinds of token
// apart, and those of each tenant.
func (w *warmth) warm(ctx context.Context, tenant string) error {
	_, err := w.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{w.scope}, EnableCAE: true, TenantID: tenant})
	return err
}

// warmOthers fetches the tokens of the allowed tenants. One that gives none must not keep the bot from serving the others;
// the CallingBot's condition PermissionsGranted says so.
func (w *warmth) warmOthers(ctx context.Context) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, tenant := range w.tenants {
		all.Go(func() {
			if err := w.warm(ctx, strings.ToLower(tenant)); err != nil {
				w.log.V(1).Info("an allowed tenant gives no token", "tenant", tenant, "cause", tokenHealth(err).message)
			}
		})
	}
	return &all
}

func tokenHealth(err error) health {
	if errors.Is(err, errSecret) {
		return health{reason: callfleetv1.ReasonCredentialsRejected, message: story.Clip(err.Error()+"; put the secret's value into the Secret the bot names", maxMessage)}
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
	return health{reason: reason, message: story.Clip(message, maxMessage)}
}

// withoutURL keeps addresses, which may carry a signature in the query, out of messages.
func withoutURL(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}
