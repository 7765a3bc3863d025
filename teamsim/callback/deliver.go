// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/chaos"
)

// errDropped is what the log says of a notification that was lost on purpose.
var errDropped = errors.New("dropped on purpose")

// answer is what a bot said.
type answer struct {
	status int
	body   []byte
	err    error
}

func (a answer) accepted() bool { return a.err == nil && a.status/100 == 2 }

// deliver posts notifications of one call, usually one, until they are accepted, refused for good, or their time has
// passed. The connection failing, 429 and 5xx are tried again; any other answer is final, as repeating it cannot help.
func (s *Sender) deliver(items []item) {
	head := items[0]
	var last answer
	defer func() {
		s.pending.Add(-int64(len(items)))
		for _, i := range items {
			if i.Answered != nil {
				i.Answered(last.status, last.body)
			}
		}
	}()
	if head.Has(chaos.Drop) {
		s.log.attempt(head.entry, 0, errDropped, true)
		return
	}
	if !s.sleep(head.Delay) {
		return
	}
	if head.isNewCall() && s.Legacy != nil && s.Legacy(head.to.AppID) {
		if last = s.repeat(items, legacyBody(head)); !last.accepted() || last.status != http.StatusNoContent {
			if last.accepted() { // it speaks the old protocol, so it gets nothing in the new one
				s.log.attempt(head.entry, last.status, errors.New("the bot did not answer the legacy format with 204"), true)
			}
			return
		}
	}
	last = s.repeat(items, envelope(items))
}

// repeat posts a body as often as the retry policy says.
func (s *Sender) repeat(items []item, body []byte) answer {
	head, retry := items[0], *s.retry.Load()
	fault := cmp.Or(s.takeFault(head.to.AppID), TokenFault(head.Token))
	backoff, original := retry.First, uuid.NewString()
	for attempt := 1; ; attempt++ {
		a := answer{status: http.StatusServiceUnavailable}
		if attempt > 1 || !strikes(items, chaos.BotFailing) {
			a = s.attempt(head, body, fault, original)
		}
		if attempt == 1 && a.err == nil && strikes(items, chaos.BotReplyLost) {
			a = answer{status: http.StatusGatewayTimeout}
		}
		final := a.accepted() || a.err == nil && (retry.NotOnError || a.status/100 != 5 && a.status != http.StatusTooManyRequests)
		if !final && (time.Until(head.due) <= 0 || attempt == retry.Attempts) {
			final = true
			if a.err == nil {
				a.err = fmt.Errorf("given up after %d attempts", attempt)
			}
		}
		if s.ctx.Err() != nil {
			return a
		}
		for _, i := range items {
			s.log.attempt(i.entry, a.status, a.err, final)
		}
		if final {
			if !a.accepted() {
				s.logger.Info("a notification was not accepted", "call", head.to.ID, "change", head.ChangeType, "what", head.Summary, "status", a.status)
			}
			return a
		}
		if !s.sleep(backoff) {
			return a
		}
		backoff = min(2*backoff, retry.Most)
	}
}

// strikes: one of what goes out together is disturbed in this way, and so the whole is.
func strikes(items []item, k chaos.Kind) bool {
	return slices.ContainsFunc(items, func(i item) bool { return i.Has(k) })
}

// sleep reports false when the sender was closed.
func (s *Sender) sleep(d time.Duration) bool {
	if d <= 0 {
		return s.ctx.Err() == nil
	}
	select {
	case <-s.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// attempt posts a body once. A new call is followed to wherever the bot wants it; redirecting anything else makes no
// sense, as the callback URI says where it should go (reference section 2.2).
func (s *Sender) attempt(i item, body []byte, fault TokenFault, original string) answer {
	c := i.to
	header := http.Header{
		"X-Microsoft-Skype-Chain-Id":   {c.ChainID},
		"X-Microsoft-Skype-Message-Id": {uuid.NewString()},
		// The same on every attempt, so that re-sends can be told from new messages.
		"X-Microsoft-Skype-Original-Message-Id": {original},
		"Scenario-Id":                           {c.ScenarioID},
	}
	if c.Region != "" {
		header.Set("X-Microsoft-Skype-Caller-Region", c.Region)
	}
	target := c.CallbackURI
	for hop := 0; ; hop++ {
		token, err := s.signer.tokenFor(c, fault, hop)
		if err != nil {
			return answer{err: err}
		}
		header.Del("Authorization")
		if token != "" {
			header.Set("Authorization", token)
		}
		status, location, reply, err := s.post(s.ctx, target, header, body)
		if err != nil || !i.isNewCall() || !redirects(status) {
			return answer{status, reply, err}
		}
		if hop == maxRedirects {
			return answer{status, reply, fmt.Errorf("more than %d redirects", maxRedirects)}
		}
		if target, err = resolveRedirect(target, location); err != nil {
			return answer{status, reply, err}
		}
	}
}

// redirects: 302 is documented, 307 used by samples; 308 is treated alike (reference section 2.2).
func redirects(status int) bool {
	return status == http.StatusFound || status == http.StatusTemporaryRedirect || status == http.StatusPermanentRedirect
}

// Post sends a body to a bot once, with the headers every notification has, and returns the status and the start of the
// reply.
func (s *Sender) Post(ctx context.Context, target string, header http.Header, body []byte) (int, []byte, error) {
	status, _, reply, err := s.post(ctx, target, header, body)
	return status, reply, err
}

func (s *Sender) post(ctx context.Context, target string, header http.Header, body []byte) (status int, location string, reply []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, "", nil, err
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "Microsoft-Skype/3.0,(Calling/1.0)")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", nil, err
	}
	defer resp.Body.Close()
	reply, _ = io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, resp.Header.Get("Location"), reply, nil
}

// legacyBody is a new call in the format of Skype's calling bots, as far as it is remembered: its schema is no longer
// published (reference section 11). A bot has to answer 204 to anything it does not know.
func legacyBody(i item) []byte {
	return []byte(`{"id":"` + strings.ToUpper(strings.ReplaceAll(i.to.ID, "-", "")) + `","callState":"incoming","isMultiparty":false,` +
		`"presentedModalityTypes":["audio"],"participants":[{"identity":"8:orgid:caller","languageId":"en","originator":true},` +
		`{"identity":"28:` + i.to.AppID + `","languageId":"en","originator":false}]}`)
}
