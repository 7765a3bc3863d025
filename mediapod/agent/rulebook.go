// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// rulesRefresh is how often prompts are looked at again: somebody may have changed one.
	rulesRefresh = time.Minute
	// prepareTimeout bounds the preparation of all rules; meanwhile the ones before hold.
	prepareTimeout = 30 * time.Second
)

// rulebook is what to do with calls that come in, with everything at hand that answering them needs: there is no time to
// fetch anything, and the API server may be away.
type rulebook struct {
	rules     []callfleetv1.IncomingRule
	redirects []callfleetv1.RegionRedirect
	// behaviors by rule; of the rules that answer.
	behaviors map[int]prepared
}

// prepared is a behaviour, or why there is none.
type prepared struct {
	behavior behavior
	err      error
}

// sameRules: nothing that a rulebook is made from has changed.
func sameRules(a, b *callfleetv1.MediaPod) bool {
	return equal(a.Spec.Incoming, b.Spec.Incoming) && equal(a.Spec.Signaling.Redirects, b.Spec.Signaling.Redirects)
}

// runRules keeps the rulebook up to date until ctx is done.
func (a *Agent) runRules(ctx context.Context) {
	for {
		if pod := a.mediaPod(); pod != nil {
			book := a.prepareRules(ctx, pod)
			if ctx.Err() != nil {
				return
			}
			a.mu.Lock()
			a.book = book
			a.mu.Unlock()
			a.warmFlows(ctx, book) // calls that come meanwhile go by the new rules
		}
		select {
		case <-ctx.Done():
			return
		case <-a.rulesWake:
		case <-a.clock.After(rulesRefresh):
		}
	}
}

// prepareRules fetches what the rules need. A prompt that was there a minute ago is good enough while its server is away.
func (a *Agent) prepareRules(ctx context.Context, pod *callfleetv1.MediaPod) *rulebook {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	a.mu.Lock()
	old := a.book
	a.mu.Unlock()
	book := &rulebook{rules: pod.Spec.Incoming, redirects: pod.Spec.Signaling.Redirects, behaviors: map[int]prepared{}}
	for i, rule := range book.rules {
		if rule.Action != callfleetv1.IncomingAnswer {
			continue
		}
		does, err := a.prepare(ctx, hostingOf(pod), rule.Behavior, a.flows.newest)
		if err != nil {
			if last, ok := old.behaviorOf(rule); ok && (temporary(err) || ctx.Err() != nil) {
				does, err = last, nil
			} else {
				a.log.Info("a rule for incoming calls cannot be carried out", "rule", i, "cause", err.Error())
			}
		}
		book.behaviors[i] = prepared{does, err}
	}
	return book
}

// behaviorOf is what was prepared for a rule with the same behaviour.
func (b *rulebook) behaviorOf(rule callfleetv1.IncomingRule) (behavior, bool) {
	if b == nil {
		return behavior{}, false
	}
	for i, p := range b.behaviors {
		if p.err == nil && equal(b.rules[i].Behavior, rule.Behavior) {
			return p.behavior, true
		}
	}
	return behavior{}, false
}
