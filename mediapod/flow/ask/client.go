// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/webhook"
)

const (
	// firstWait is before the first request that is sent again; each wait is twice the one before.
	firstWait = 200 * time.Millisecond
	// maxWait bounds every wait, a Retry-After too: a caller listens to silence meanwhile. A server that wants more is not asked again.
	maxWait = 5 * time.Second
)

// Config of a Client.
type Config struct {
	// Namespace and Bot are who asks.
	Namespace, Bot string
	// HTTP sends the requests. It should be guarded (package webhook): the addresses are those of whoever wrote the flow.
	HTTP *http.Client
	// Keys sign them.
	Keys  webhook.Keys
	Clock clock.Clock
	Log   logr.Logger
}

// Client sends the webhooks of a bot's flows. It is safe for use by several goroutines.
type Client struct {
	cfg Config
	web *http.Client
}

// New makes a Client.
func New(cfg Config) *Client {
	web := *cfg.HTTP
	web.CheckRedirect = webhook.SameHost
	return &Client{cfg: cfg, web: &web}
}

// Flow is the Asker of calls that run a flow.
func (c *Client) Flow(name string) flow.Asker { return asker{c, name} }

type asker struct {
	*Client
	flow string
}

// Ask sends a question, as often as its step allows, and returns what was answered or why nothing was. What went wrong on the way is
// logged, as the machine has no use for it.
func (a asker) Ask(ctx context.Context, q flow.Ask, c flow.Call) flow.Answered {
	got, failed := a.ask(ctx, q, c)
	return flow.Answered{ID: q.ID, Variables: got.variables, Next: got.next, Failure: failed}
}

func (a asker) ask(ctx context.Context, q flow.Ask, c flow.Call) (answer, flow.Failure) {
	log := a.cfg.Log.WithValues("call", c.UID, "flow", a.flow, "step", q.Step)
	body, err := a.event(q, c)
	if err != nil {
		log.Error(err, "a webhook was not sent")
		return answer{}, flow.FailedInvalid
	}
	retries := 0
	if q.Webhook.Retries != nil {
		retries = int(*q.Webhook.Retries)
	}
	for attempt := 0; ; attempt++ {
		got, f := a.once(ctx, q, body)
		if f == nil {
			return got, ""
		}
		wait := max(f.after, firstWait<<attempt)
		last := attempt == retries || !f.again || wait > maxWait || ctx.Err() != nil
		log.Info("a webhook was not answered well", "attempt", attempt+1, "last", last, "reason", f.Error())
		if last {
			return answer{}, f.failure
		}
		select {
		case <-a.cfg.Clock.After(wait):
		case <-ctx.Done():
			return answer{}, flow.FailedTimeout
		}
	}
}

// trouble is why a request got no good answer.
type trouble struct {
	error
	failure flow.Failure
	again   bool          // another request may do better
	after   time.Duration // the server's wish
}

// once sends one request.
func (a asker) once(ctx context.Context, q flow.Ask, body []byte) (answer, *trouble) {
	ctx, cancel := context.WithTimeout(ctx, q.Webhook.Timeout.Duration())
	defer cancel()
	u, err := webhook.Address(string(q.Webhook.URL))
	if err != nil {
		return answer{}, &trouble{error: fmt.Errorf("the url cannot be used: %w", err), failure: flow.FailedInvalid}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, &trouble{error: fmt.Errorf("the url cannot be used: %w", webhook.WithoutURL(err)), failure: flow.FailedInvalid}
	}
	if err := a.cfg.Keys.Sign(req.Header, q.Key, a.cfg.Clock.Now(), body); err != nil {
		return answer{}, &trouble{error: err, failure: flow.FailedRefused}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", q.Key)
	resp, err := a.web.Do(req)
	if err != nil {
		return answer{}, unsent(webhook.WithoutURL(err))
	}
	defer resp.Body.Close()
	return a.read(resp)
}

func unsent(err error) *trouble {
	switch {
	case errors.Is(err, webhook.ErrInside):
		return &trouble{error: err, failure: flow.FailedInvalid}
	case errors.Is(err, webhook.ErrRedirect):
		return &trouble{error: err, failure: flow.FailedRefused}
	}
	return &trouble{error: fmt.Errorf("there is no answer: %w", err), failure: flow.FailedTimeout, again: true}
}

func (a asker) read(resp *http.Response) (answer, *trouble) {
	code := resp.StatusCode
	if code < 200 || code > 299 {
		return answer{}, &trouble{
			error:   fmt.Errorf("the server answered %d %s", code, http.StatusText(code)),
			failure: flow.FailedRefused,
			again:   code == http.StatusTooManyRequests || code >= http.StatusInternalServerError,
			after:   a.retryAfter(resp.Header.Get("Retry-After")),
		}
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	switch {
	case err != nil:
		return answer{}, unsent(err)
	case len(raw) > maxAnswer:
		return answer{}, &trouble{error: fmt.Errorf("the answer is larger than %d KiB", maxAnswer>>10), failure: flow.FailedAnswer}
	case len(raw) == 0 && (code == http.StatusAccepted || code == http.StatusNoContent):
		return answer{}, nil // as those who take CloudEvents say that they did
	}
	got, err := parse(raw)
	if err != nil {
		return answer{}, &trouble{error: fmt.Errorf("the answer cannot be used: %w", err), failure: flow.FailedAnswer}
	}
	return got, nil
}

// retryAfter reads the header of this name: seconds or a date (RFC 9110, 10.2.3). What is neither is no wish.
func (a asker) retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(at.Sub(a.cfg.Clock.Now()), 0)
	}
	return 0
}
