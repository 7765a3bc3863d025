// SPDX-License-Identifier: Apache-2.0

// Package faults makes requests fail on demand, as a busy or broken cloud would.
package faults

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Fault answers matching requests with an error instead of serving them.
type Fault struct {
	Method            string // empty: any
	PathContains      string // case-insensitive
	Status            int
	RetryAfterSeconds int     // Retry-After header; 0: none
	Count             int     // how many requests; 0: one, or with a probability all that come
	Probability       float64 // of each that matches; 0: certain
	After             bool    // the request is served, and only the reply is lost
}

// Set is the faults that are pending.
type Set struct {
	mu     sync.Mutex
	faults []*Fault
	draw   *rand.Rand
}

// Seed begins a series of chances.
func (s *Set) Seed(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draw = rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // chance is wanted, not secrecy
}

// Add makes the next matching requests fail.
func (s *Set) Add(f Fault) error {
	if f.Status < 400 || f.Status > 599 {
		return errors.New("a fault needs a status from 400 to 599")
	}
	if f.Probability < 0 || f.Probability > 1 {
		return errors.New("the probability of a fault is from 0 to 1")
	}
	if f.Count <= 0 {
		f.Count = 1
		if f.Probability > 0 {
			f.Count = -1
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draw == nil {
		s.draw = rand.New(rand.NewPCG(0, 1)) //nolint:gosec // chance is wanted, not secrecy
	}
	s.faults = append(s.faults, &f)
	return nil
}

// Clear forgets all faults.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Set) take(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method != "" && !strings.EqualFold(f.Method, r.Method) ||
			!strings.Contains(strings.ToLower(r.URL.Path), strings.ToLower(f.PathContains)) {
			continue
		}
		if f.Probability > 0 && s.draw.Float64() >= f.Probability {
			continue
		}
		if f.Count < 0 {
			return f
		}
		if f.Count--; f.Count == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return f
	}
	return nil
}

// Wrap lets faults strike before next.
func (s *Set) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := s.take(r)
		if f == nil {
			next.ServeHTTP(w, r)
			return
		}
		if f.After {
			next.ServeHTTP(nowhere{http.Header{}}, r)
		}
		if f.RetryAfterSeconds > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfterSeconds))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.Status)
		code := map[int]string{429: "TooManyRequests", 503: "ServiceUnavailable"}[f.Status]
		if code == "" {
			code = "UnknownError"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]any{
			"code": code, "message": "This request was made to fail.", "innerError": map[string]any{},
		}})
	})
}

// nowhere is where replies go that are lost.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Flush()                      {}
