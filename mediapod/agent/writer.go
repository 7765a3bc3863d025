// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/mediapod/story"
)

// objectClient is what is needed of the API server to carry calls.
type objectClient interface {
	get(ctx context.Context, k *kind, name string) (*subject, error)
	patch(ctx context.Context, before, after *subject) (*subject, error)
	create(ctx context.Context, s *subject) (*subject, error)
	unfinished(ctx context.Context, k *kind, bot string) ([]*subject, error)
}

var equal = apiequality.Semantic.DeepEqual

var (
	// errNotOurs: the object is gone, or claimed by another process, or its attempt was given up by somebody else.
	errNotOurs = errors.New("the call no longer belongs to this process")
	// errNothingNew: the status already says so.
	errNothingNew = errors.New("nothing changed")
)

// statusWriter brings the newest story of one call into the API server: at most one write in `every`, none when nothing
// changed, and never given up while the session is ours. Offering a story never blocks.
type statusWriter struct {
	client  objectClient
	clock   clock.WithTicker
	log     logr.Logger
	metrics *metrics
	every   time.Duration

	// maker, if set, is the object of a call that came in, which is made before its status is written.
	maker *subject

	mu     sync.Mutex
	base   *subject // newest version known; nil until there is one
	told   bool     // the status of the call has been written once
	next   *story.Story
	closed bool // no story follows the one in next

	forbidden time.Time // since when the API server forbids a call that is over to be told of; the goroutine of run alone

	// wrote, if set, is told each story that is in the API server.
	wrote func(story.Story)

	wake   chan struct{} // capacity 1
	urgent chan struct{} // capacity 1
	done   chan struct{}
}

// newStatusWriter writes the status of a claimed object.
func newStatusWriter(base *subject, client objectClient, clk clock.WithTicker, log logr.Logger, m *metrics) *statusWriter {
	return &statusWriter{
		client: client, clock: clk, log: log, metrics: m, every: time.Second,
		base: base, told: true, wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), done: make(chan struct{}),
	}
}

// newMakingWriter makes the object first, once there is something to tell of it.
func newMakingWriter(object *subject, client objectClient, clk clock.WithTicker, log logr.Logger, m *metrics) *statusWriter {
	w := newStatusWriter(nil, client, clk, log, m)
	w.maker, w.told = object, false
	return w
}

// offer replaces the story to be written. The last story of a call is offered with last set.
func (w *statusWriter) offer(s story.Story, last bool) {
	w.mu.Lock()
	w.next = &s
	w.closed = w.closed || last
	w.mu.Unlock()
	w.poke()
}

// observed tells the writer of a version that came through the watch, so that the next write starts from it.
func (w *statusWriter) observed(s *subject) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.base == nil || newer(s.version(), w.base.version()) {
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
		wait, urgent := w.every, w.urgent
		switch err := w.write(ctx, base, *s); {
		case err == nil:
			retry = firstRetry
			w.forget(s)
			w.tellWrote(s)
		case errors.Is(err, errNothingNew):
			wait = 0
			w.forget(s)
			w.tellWrote(s)
		case errors.Is(err, errNotOurs), last && apierrors.IsInvalid(err):
			return // what the API server will never take must not hold the seat of a call that is over
		default:
			w.log.V(1).Info("status not written yet; the call goes on", "retryIn", retry.String(), "cause", err.Error())
			w.metrics.statusWrites.WithLabelValues("failed").Inc()
			wait, retry = retry, min(2*retry, lastRetry)
			last, urgent = false, nil
			w.poke()
		}
		if last && w.settled() {
			return
		}
		if wait > 0 {
			select {
			case <-ctx.Done():
				return
			case <-urgent:
			case <-w.clock.After(wait):
			}
		}
	}
}

// hurry has the next story written without the pause between writes: something waits for it.
func (w *statusWriter) hurry() { wake(w.urgent) }

func (w *statusWriter) tellWrote(s *story.Story) {
	if w.wrote != nil {
		w.wrote(*s)
	}
}

// forget drops the story just written unless a newer one came meanwhile.
func (w *statusWriter) forget(s *story.Story) {
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
func (w *statusWriter) write(ctx context.Context, base *subject, s story.Story) error {
	if base == nil {
		var err error
		if base, err = w.make(ctx, s.Signal.Unanswered); err != nil {
			return err
		}
	}
	for try := 0; ; try++ {
		if !w.ours(s.ClaimedBy, base) {
			return errNotOurs
		}
		after := base.copy()
		s.Tell(after.status, base.generation())
		after.direct()
		if sameStatus(base, after) {
			return errNothingNew
		}
		got, err := w.client.patch(ctx, base, after)
		switch {
		case err == nil:
			w.metrics.statusWrites.WithLabelValues("ok").Inc()
			w.tellSucceeded()
			w.observed(got)
			return nil
		case apierrors.IsNotFound(err):
			return errNotOurs
		case apierrors.IsConflict(err) && try < 3:
			uid := base.object.GetUID()
			if base, err = w.client.get(ctx, base.kind, base.name()); err != nil {
				if apierrors.IsNotFound(err) {
					return errNotOurs
				}
				return err
			}
			if base.object.GetUID() != uid {
				return errNotOurs
			}
			w.observed(base)
		default:
			return err
		}
	}
}

// make makes the object of a call that came in. One that exists was made by a try whose answer was lost, or by another pod
// that the service told of the call too: it is that one's, if the call was not answered here.
func (w *statusWriter) make(ctx context.Context, unanswered bool) (*subject, error) {
	made, err := w.client.create(ctx, w.maker)
	switch {
	case err == nil:
		w.metrics.statusWrites.WithLabelValues("created").Inc()
	case apierrors.IsAlreadyExists(err):
		if made, err = w.client.get(ctx, w.maker.kind, w.maker.name()); err != nil {
			return nil, err
		}
		if made.uid != w.maker.uid {
			w.log.Info("the object of the call cannot be made: another has its name", "name", made.name())
			return nil, errNotOurs
		}
		if unanswered && !equal(made.call.Spec.Incoming.AnsweredBy, w.maker.call.Spec.Incoming.AnsweredBy) {
			return nil, errNotOurs
		}
	case apierrors.IsInvalid(err), apierrors.IsForbidden(err):
		// The call goes on: somebody talks to the bot. It is tried again as long as it does.
		w.log.Error(err, "the object of the call is refused", "name", w.maker.name())
		if w.ending() && w.refusedForGood(err) {
			return nil, errNotOurs
		}
		return nil, err
	default:
		return nil, err
	}
	w.observed(made)
	return made, nil
}

// forbiddenFor is how long something must be forbidden to count as refused for good. An API server that has just started
// forbids everything until it has read the roles.
const forbiddenFor = time.Minute

// refusedForGood: trying again is of no use.
func (w *statusWriter) refusedForGood(err error) bool {
	if !apierrors.IsForbidden(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
		return true
	}
	if w.forbidden.IsZero() {
		w.forbidden = w.clock.Now()
	}
	return w.clock.Since(w.forbidden) >= forbiddenFor
}

// ending: the last story has been offered.
func (w *statusWriter) ending() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// newest is the newest version known; nil before there is one.
func (w *statusWriter) newest() *subject {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.base
}

// unheard: nothing of the call has reached the API server.
func (w *statusWriter) unheard() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !w.told
}

// ours: the story may be told on this version.
func (w *statusWriter) ours(instance string, s *subject) bool {
	return holds(instance, s) || w.unheard() && s.status.Call == nil && !over(s)
}

func (w *statusWriter) tellSucceeded() {
	w.mu.Lock()
	w.told = true
	w.mu.Unlock()
}
