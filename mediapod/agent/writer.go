// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// sessionClient is what a status writer needs of the API server.
type sessionClient interface {
	getSession(ctx context.Context, name string) (*callfleetv1.MeetingSession, error)
	patchSession(ctx context.Context, before, after *callfleetv1.MeetingSession) (*callfleetv1.MeetingSession, error)
}

var (
	// errNotOurs: the session is gone, or claimed by another process, or its attempt was given up by somebody else.
	errNotOurs = errors.New("the session no longer belongs to this process")
	// errNothingNew: the status already says so.
	errNothingNew = errors.New("nothing changed")
)

// statusWriter brings the newest story of one call into the API server: at most one write in `every`, none when nothing
// changed, and never given up while the session is ours. Offering a story never blocks.
type statusWriter struct {
	client  sessionClient
	clock   clock.WithTicker
	log     logr.Logger
	metrics *metrics
	every   time.Duration

	mu     sync.Mutex
	base   *callfleetv1.MeetingSession // newest version known
	next   *story
	closed bool // no story follows the one in next

	wake chan struct{} // capacity 1
	done chan struct{}
}

func newStatusWriter(base *callfleetv1.MeetingSession, client sessionClient, clk clock.WithTicker, log logr.Logger, m *metrics) *statusWriter {
	return &statusWriter{
		client: client, clock: clk, log: log, metrics: m, every: time.Second,
		base: base, wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// offer replaces the story to be written. The last story of a call is offered with last set.
func (w *statusWriter) offer(s story, last bool) {
	w.mu.Lock()
	w.next = &s
	w.closed = w.closed || last
	w.mu.Unlock()
	w.poke()
}

// observed tells the writer of a version that came through the watch, so that the next write starts from it.
func (w *statusWriter) observed(s *callfleetv1.MeetingSession) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if newer(s.ResourceVersion, w.base.ResourceVersion) {
		w.base = s
	}
}

func (w *statusWriter) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run writes until the last story is in the API server, the session is not ours any more, or ctx is done.
func (w *statusWriter) run(ctx context.Context) {
	defer close(w.done)
	const firstRetry, lastRetry = 250 * time.Millisecond, 5 * time.Second
	retry := firstRetry
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.wake:
		}
		w.mu.Lock()
		s, last, base := w.next, w.closed, w.base
		w.mu.Unlock()
		if s == nil {
			continue
		}
		wait := w.every
		switch err := w.write(ctx, base, *s); {
		case err == nil:
			retry = firstRetry
			w.forget(s)
		case errors.Is(err, errNothingNew):
			wait = 0
			w.forget(s)
		case errors.Is(err, errNotOurs):
			return
		default:
			w.log.V(1).Info("status not written yet; the call goes on", "retryIn", retry.String(), "cause", err.Error())
			w.metrics.statusWrites.WithLabelValues("failed").Inc()
			wait, retry = retry, min(2*retry, lastRetry)
			last = false
			w.poke()
		}
		if last && w.settled() {
			return
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-w.clock.After(wait):
			}
		}
	}
}

// forget drops the story just written unless a newer one came meanwhile.
func (w *statusWriter) forget(s *story) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == s {
		w.next = nil
	}
}

func (w *statusWriter) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed && w.next == nil
}

// write tells the story on top of base, and once more on top of a fresh read if somebody else wrote meanwhile.
func (w *statusWriter) write(ctx context.Context, base *callfleetv1.MeetingSession, s story) error {
	for try := 0; ; try++ {
		if !holds(s.claimedBy, base) {
			return errNotOurs
		}
		after := base.DeepCopy()
		s.tell(&after.Status.CallStatus, base.Generation)
		if apiequality.Semantic.DeepEqual(base.Status, after.Status) {
			return errNothingNew
		}
		got, err := w.client.patchSession(ctx, base, after)
		switch {
		case err == nil:
			w.metrics.statusWrites.WithLabelValues("ok").Inc()
			w.observed(got)
			return nil
		case apierrors.IsNotFound(err):
			return errNotOurs
		case apierrors.IsConflict(err) && try < 3:
			uid := base.UID
			if base, err = w.client.getSession(ctx, base.Name); err != nil {
				if apierrors.IsNotFound(err) {
					return errNotOurs
				}
				return err
			}
			if base.UID != uid {
				return errNotOurs
			}
			w.observed(base)
		default:
			return err
		}
	}
}
