// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/teamsim/chaos"
	"github.com/callfleet/callfleet/teamsim/outbound"
)

// DefaultPatience is from when a notification was due until it is given up, unless told otherwise.
const DefaultPatience = 60 * time.Second

const (
	attemptTimeout = 15 * time.Second
	maxRedirects   = 3
)

// Retry says how an undeliverable notification is repeated. How the real service does is not documented (reference
// sections 2.2 and 11). The defaults are our choice: long enough that a bot whose front door is away for 20 s, or half a
// minute, loses nothing.
type Retry struct {
	Patience    time.Duration // from when a notification was due until it is given up
	First, Most time.Duration // the pauses between attempts, which double; 0: 200 ms, 3 s
	Attempts    int           // at most so many; 0: until patience ends
	// NotOnError makes 5xx and 429 final, as other answers are; only what was not answered is repeated.
	NotOnError bool
}

func (r Retry) normal() Retry {
	r.Patience = cmp.Or(r.Patience, DefaultPatience)
	r.First, r.Most = cmp.Or(r.First, 200*time.Millisecond), cmp.Or(r.Most, 3*time.Second)
	return r
}

// Sender posts notifications for all calls.
type Sender struct {
	// Chaos disturbs what is sent. It is never nil.
	Chaos *chaos.Set
	// Legacy says whether the first POST of a new call to an app is in the old format (reference section 2.2); nil: never.
	Legacy func(appID string) bool

	signer  *Signer
	client  *http.Client
	log     *Log
	retry   atomic.Pointer[Retry]
	queues  atomic.Int64
	pending atomic.Int64
	logger  logr.Logger

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
	s := &Sender{
		Chaos: &chaos.Set{}, signer: signer, client: network.Client(attemptTimeout), log: &Log{}, logger: logger,
		ctx: ctx, cancel: cancel, faults: map[string]*pendingFault{},
	}
	s.SetRetry(Retry{Patience: patience})
	return s
}

// SetRetry changes how notifications that come from now on are repeated.
func (s *Sender) SetRetry(r Retry) {
	r = r.normal()
	s.retry.Store(&r)
}

// Pending is how many notifications are neither accepted nor given up.
func (s *Sender) Pending() int { return int(s.pending.Load()) }

// Log is what was sent so far.
func (s *Sender) Log() *Log { return s.log }

// Queue makes the queue of a call.
func (s *Sender) Queue(c Call) *Queue {
	return &Queue{sender: s, call: c, number: s.queues.Add(1), wake: make(chan struct{}, 1), first: make(chan struct{})}
}

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
