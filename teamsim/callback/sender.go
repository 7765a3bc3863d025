// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/outbound"
)

// How the real service retries is not documented (reference sections 2.2 and 11). These are our choice:
// long enough that a bot whose front door is away for 20 s, or half a minute, loses nothing.
const (
	DefaultPatience = 60 * time.Second // from when a notification was due until it is given up
	firstBackoff    = 200 * time.Millisecond
	maxBackoff      = 3 * time.Second
	attemptTimeout  = 15 * time.Second
	maxRedirects    = 3
)

// Sender posts notifications for all calls.
type Sender struct {
	signer   *Signer
	client   *http.Client
	log      *Log
	patience time.Duration
	logger   logr.Logger

	ctx     context.Context
	cancel  context.CancelFunc
	workers sync.WaitGroup

	mu     sync.Mutex               // guards what follows, and starting against closing
	faults map[string]*pendingFault // by app id, "" for every app
}

type pendingFault struct {
	fault TokenFault
	left  int
}

// NewSender returns a sender that posts through network. A patience of 0 means DefaultPatience.
func NewSender(signer *Signer, network *outbound.Network, patience time.Duration, logger logr.Logger) *Sender {
	if patience == 0 {
		patience = DefaultPatience
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Sender{
		signer: signer, client: network.Client(attemptTimeout), log: &Log{}, patience: patience, logger: logger,
		ctx: ctx, cancel: cancel, faults: map[string]*pendingFault{},
	}
}

// Log is what was sent so far.
func (s *Sender) Log() *Log { return s.log }

// Queue makes the queue of a call.
func (s *Sender) Queue(c Call) *Queue { return &Queue{sender: s, call: c} }

// Spoil makes the tokens of the next count notifications to an app (to any app if appID is empty) wrong.
func (s *Sender) Spoil(appID string, fault TokenFault, count int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if fault == "" || count <= 0 {
		delete(s.faults, appID)
		return
	}
	s.faults[appID] = &pendingFault{fault, count}
}

func (s *Sender) takeFault(appID string) TokenFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range []string{appID, ""} {
		if f := s.faults[key]; f != nil {
			if f.left--; f.left == 0 {
				delete(s.faults, key)
			}
			return f.fault
		}
	}
	return ""
}

// start runs a queue, unless the sender is closed.
func (s *Sender) start(run func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return false
	}
	s.workers.Go(run)
	return true
}

// Close stops all deliveries; what is still queued, or comes later, is dropped.
func (s *Sender) Close() {
	s.mu.Lock()
	s.cancel()
	s.mu.Unlock()
	s.workers.Wait()
}

// deliver posts one notification until it is accepted, refused for good, or its time has passed. The
// connection failing, 429 and 5xx are tried again; any other answer is final, as repeating it cannot help.
func (s *Sender) deliver(n item) {
	c := n.to
	fault := s.takeFault(c.AppID)
	backoff, original := firstBackoff, uuid.NewString()
	for attempt := 1; ; attempt++ {
		status, err := s.attempt(c, n.body, fault, original)
		final := status/100 == 2 || (err == nil && status/100 != 5 && status != http.StatusTooManyRequests)
		if !final && time.Until(n.due) <= 0 {
			final = true
			if err == nil {
				err = fmt.Errorf("given up after %d attempts", attempt)
			}
		}
		if s.ctx.Err() != nil {
			return
		}
		s.log.attempt(n.entry, status, err, final)
		if final {
			if status/100 != 2 {
				s.logger.Info("a notification was not accepted", "call", c.ID, "change", n.ChangeType, "what", n.Summary, "status", status)
			}
			return
		}
		select {
		case <-s.ctx.Done():
			return
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, maxBackoff)
	}
}

// attempt posts a body once, following redirects to wherever the bot wants it (reference section 2.2).
func (s *Sender) attempt(c Call, body []byte, fault TokenFault, original string) (int, error) {
	token, err := s.signer.Token(c.AppID, c.TenantID, fault)
	if err != nil {
		return 0, err
	}
	header := http.Header{
		"X-Microsoft-Skype-Chain-Id":   {c.ChainID},
		"X-Microsoft-Skype-Message-Id": {uuid.NewString()},
		// The same on every attempt, so that re-sends can be told from new messages.
		"X-Microsoft-Skype-Original-Message-Id": {original},
		"Scenario-Id":                           {c.ScenarioID},
	}
	if token != "" {
		header.Set("Authorization", token)
	}
	status, _, err := s.Post(s.ctx, c.CallbackURI, header, body)
	return status, err
}

// Post sends a body to a bot with the headers every notification has, and returns the status and the start
// of the reply.
func (s *Sender) Post(ctx context.Context, target string, header http.Header, body []byte) (int, []byte, error) {
	for hop := 0; ; hop++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		req.Header = header.Clone()
		req.Header.Set("Content-Type", "application/json; charset=utf-8")
		req.Header.Set("Accept", "application/json")
		req.Header.Set("User-Agent", "Microsoft-Skype/3.0,(Calling/1.0)")
		resp, err := s.client.Do(req)
		if err != nil {
			return 0, nil, err
		}
		reply, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
		_ = resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		default:
			return resp.StatusCode, reply, nil
		}
		if hop == maxRedirects {
			return resp.StatusCode, reply, fmt.Errorf("more than %d redirects", maxRedirects)
		}
		next, err := resolveRedirect(target, resp.Header.Get("Location"))
		if err != nil {
			return resp.StatusCode, reply, err
		}
		target = next
	}
}

func resolveRedirect(from, location string) (string, error) {
	base, err := url.Parse(from)
	if err != nil {
		return "", err
	}
	to, err := base.Parse(location)
	if err != nil || location == "" {
		return "", fmt.Errorf("redirect without a usable Location")
	}
	if to.Scheme != "https" {
		return "", fmt.Errorf("redirect to %s, which is not https", to.Redacted())
	}
	return to.String(), nil
}

// ClearFaults takes all token faults back.
func (s *Sender) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.faults)
}
