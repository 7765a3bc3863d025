// SPDX-License-Identifier: Apache-2.0

package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/teamsim/admin"
	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/chaos"
	"github.com/callfleet/callfleet/teamsim/faults"
)

func millis(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func (c Config) addDeliveryFault(r *http.Request) (any, error) {
	in, err := read[admin.DeliveryFault](r)
	if err != nil {
		return nil, err
	}
	if in.Seed != 0 {
		c.Sender.Chaos.Seed(in.Seed)
	}
	if !callback.TokenFault(in.Token).Valid() {
		return nil, fmt.Errorf("unknown fault of a token %q; the faults are %v", in.Token, callback.TokenFaults())
	}
	return nil, c.Sender.Chaos.Add(chaos.Rule{
		Kind: chaos.Kind(in.Kind), AppID: in.AppID, ChangeType: in.ChangeType, Resource: in.Resource, State: in.State,
		Count: in.Count, Probability: in.Probability, Size: in.Size, Delay: millis(in.DelayMs), Token: in.Token,
	})
}

func (c Config) setChaos(r *http.Request) (any, error) {
	in, err := read[admin.Chaos](r)
	if err != nil {
		return nil, err
	}
	var tokens []string
	for _, f := range callback.TokenFaults() {
		tokens = append(tokens, string(f))
	}
	err = c.Sender.Chaos.Rules(in.AppID, chaos.Mix{
		Seed: in.Seed, Drop: in.Drop, Duplicate: in.Duplicate, Reorder: in.Reorder, Delay: in.Delay, Batch: in.Batch,
		MaxDelay: millis(in.MaxDelayMs), Noise: in.Noise, Early: in.Early, EmptyRoster: in.EmptyRoster, KeepTerminal: in.KeepTerminal,
		BotFailing: in.BotFailing, BotReplyLost: in.BotReplyLost, BadToken: in.BadToken, Tokens: tokens,
	})
	if err != nil {
		return nil, err
	}
	c.Faults.Clear()
	c.Faults.Seed(in.Seed)
	const calls, token = "/communications/calls", "/oauth2/v2.0/token"
	for _, f := range []faults.Fault{
		{PathContains: calls, Status: http.StatusServiceUnavailable, Probability: in.Failing},
		{PathContains: calls, Status: http.StatusTooManyRequests, RetryAfterSeconds: 1, Probability: in.Throttled},
		{PathContains: calls, Status: http.StatusGatewayTimeout, After: true, Probability: in.ReplyLost},
		{PathContains: token, Status: http.StatusServiceUnavailable, Probability: in.LoginFailing},
	} {
		if f.Probability == 0 {
			continue
		}
		if err := c.Faults.Add(f); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (c Config) setRetry(r *http.Request) (any, error) {
	in, err := read[admin.Retry](r)
	if err != nil {
		return nil, err
	}
	c.Sender.SetRetry(callback.Retry{
		Patience: millis(in.PatienceMs), First: millis(in.FirstMs), Most: millis(in.MostMs), Attempts: in.Attempts, NotOnError: in.NotOnError,
	})
	return nil, nil
}

func (c Config) quiet(*http.Request) (any, error) {
	q := admin.Quiet{LiveCalls: c.Calls.Live(), Ghosts: len(c.Calls.Ghosts())}
	q.Pending = c.Sender.Pending() // after the calls: one that ends meanwhile has enqueued its last word
	q.Quiet = q.Pending == 0 && q.LiveCalls == 0 && q.Ghosts == 0
	return q, nil
}
