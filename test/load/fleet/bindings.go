// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// bindings is when what was seen of sessions and media pods.
type bindings struct {
	mu       sync.Mutex
	changed  chan struct{} // closed and made anew with each change
	sessions map[string]*passage
	ready    map[string]bool // media pods that take calls
	draining map[string]bool
}

// passage of a session.
type passage struct {
	pod                                string
	applied, bound, established, ended time.Time
	done                               chan struct{} // closed when it is bound
}

func newBindings() *bindings {
	return &bindings{changed: make(chan struct{}), sessions: map[string]*passage{}, ready: map[string]bool{}, draining: map[string]bool{}}
}

// applying is told before a session is sent to the API server. The channel is closed when it is bound.
func (b *bindings) applying(name string) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &passage{applied: time.Now(), done: make(chan struct{})}
	b.sessions[name] = p
	return p.done
}

func (b *bindings) sessionIs(s *callfleetv1.MeetingSession) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := b.sessions[s.Name]
	if p == nil {
		return
	}
	p.pod = s.Status.MediaPod
	now := time.Now()
	first := func(t *time.Time, seen bool) {
		if seen && t.IsZero() {
			*t = now
			b.wake()
		}
	}
	if s.Status.MediaPod != "" && p.bound.IsZero() {
		close(p.done)
	}
	first(&p.bound, s.Status.MediaPod != "")
	first(&p.established, s.Status.Phase == callfleetv1.PhaseEstablished)
	first(&p.ended, s.Status.Phase.Finished() && len(s.Finalizers) == 0)
}

func (b *bindings) sessionGone(s *callfleetv1.MeetingSession) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, s.Name)
	b.wake()
}

func (b *bindings) podIs(mp *callfleetv1.MediaPod) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ready, draining := mp.Status.State == callfleetv1.MediaPodReady, mp.Spec.Drain != nil
	if b.ready[mp.Name] == ready && b.draining[mp.Name] == draining {
		return
	}
	b.ready[mp.Name], b.draining[mp.Name] = ready, draining
	b.wake()
}

func (b *bindings) podGone(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ready, name)
	delete(b.draining, name)
	b.wake()
}

// wake those that wait. The caller holds b.mu.
func (b *bindings) wake() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// await that missing, which is asked with b.mu held, finds nothing.
func (b *bindings) await(ctx context.Context, what string, missing func() int) error {
	for {
		b.mu.Lock()
		n, changed := missing(), b.changed
		b.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s, %d are missing: %w", what, n, ctx.Err())
		case <-changed:
		}
	}
}

// without counts the passages of these sessions for which when tells no time yet. The caller holds b.mu.
func (b *bindings) without(names []string, when func(*passage) time.Time) (n int) {
	for _, name := range names {
		if p := b.sessions[name]; p == nil || when(p).IsZero() {
			n++
		}
	}
	return n
}

func establishedAt(p *passage) time.Time { return p.established }
func endedAt(p *passage) time.Time       { return p.ended }

// on are the sessions of the pods for which is, asked with b.mu held, holds.
func (b *bindings) on(is func(pod string) bool) (names []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, p := range b.sessions {
		if p.ended.IsZero() && is(p.pod) {
			names = append(names, name)
		}
	}
	return names
}

func (b *bindings) drains(pod string) bool { return b.draining[pod] }

// took is how long these sessions were on the way to their pods, sorted.
func (b *bindings) took(names []string) []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []time.Duration
	for _, name := range names {
		if p := b.sessions[name]; p != nil && !p.bound.IsZero() {
			all = append(all, p.bound.Sub(p.applied))
		}
	}
	slices.Sort(all)
	return all
}

// span is when the first and the last of these sessions was bound, looking only at those bound after a time.
func (b *bindings) span(names []string, after time.Time) (first, last time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range names {
		p := b.sessions[name]
		if p == nil || !p.bound.After(after) {
			continue
		}
		if first.IsZero() || p.bound.Before(first) {
			first = p.bound
		}
		if p.bound.After(last) {
			last = p.bound
		}
	}
	return first, last
}
