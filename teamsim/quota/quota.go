// SPDX-License-Identifier: Apache-2.0

// Package quota keeps apps within what the service allows: so many calls at once and so many in a month.
package quota

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// The limits of an app (reference section 4).
const (
	DefaultConcurrent = 100
	DefaultMonthly    = 10_000
)

// retryAfter is what an app at its limit of calls at once is told to wait. It is not documented.
const retryAfter = 10 * time.Second

// Limits are those of one app; 0 means the default.
type Limits struct {
	Concurrent int
	Monthly    int
	RetryAfter time.Duration
}

// ExceededError says which limit a call would exceed.
type ExceededError struct {
	Limit      int
	Monthly    bool
	RetryAfter time.Duration // 0 for the month: there is no point in trying again
}

func (e *ExceededError) Error() string {
	if e.Monthly {
		return "Application reached the monthly call creation limit." // as seen, reference section 4
	}
	return fmt.Sprintf("The application has %d concurrent calls, which is its limit.", e.Limit)
}

// Book counts. It is safe for concurrent use.
type Book struct {
	Now func() time.Time // whose months count

	mu     sync.Mutex
	limits map[string]Limits
	months map[string]month
}

type month struct {
	year  int
	month time.Month
	calls int
}

// Set changes the limits of an app.
func (b *Book) Set(appID string, l Limits) error {
	if l.Concurrent < 0 || l.Monthly < 0 || l.RetryAfter < 0 {
		return errors.New("limits must not be negative")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.limits == nil {
		b.limits = map[string]Limits{}
	}
	b.limits[strings.ToLower(appID)] = l
	return nil
}

// Take books a call of an app that has so many already, or says why it cannot be had.
func (b *Book) Take(appID string, live int) error {
	id := strings.ToLower(appID)
	now := b.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.limits[id]
	l.Concurrent, l.Monthly, l.RetryAfter = cmp.Or(l.Concurrent, DefaultConcurrent), cmp.Or(l.Monthly, DefaultMonthly), cmp.Or(l.RetryAfter, retryAfter)
	m := b.months[id]
	if m.year != now.Year() || m.month != now.Month() {
		m = month{now.Year(), now.Month(), 0}
	}
	switch {
	case m.calls >= l.Monthly:
		return &ExceededError{Limit: l.Monthly, Monthly: true}
	case live >= l.Concurrent:
		return &ExceededError{Limit: l.Concurrent, RetryAfter: l.RetryAfter}
	}
	m.calls++
	if b.months == nil {
		b.months = map[string]month{}
	}
	b.months[id] = m
	return nil
}
