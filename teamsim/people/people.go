// SPDX-License-Identifier: Apache-2.0

// Package people is everybody a bot may call, and what they do when their phone rings.
package people

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/teamsim/simclock"
)

// Reaction is what somebody does when called.
type Reaction string

// The reactions. Whoever ignores a call may still be told to react while it rings.
const (
	Answer      Reaction = "Answer"
	Decline     Reaction = "Decline"
	Busy        Reaction = "Busy"
	Unreachable Reaction = "Unreachable"
	Ignore      Reaction = "Ignore"
)

// Valid says whether the reaction exists.
func (r Reaction) Valid() bool {
	return slices.Contains([]Reaction{Answer, Decline, Busy, Unreachable, Ignore}, r)
}

// Person is a user of Teams or a telephone.
type Person struct {
	ID          string // GUID of a user, or E.164 number
	DisplayName string
	TenantID    string // empty: the tenant of whoever calls
	Reaction    Reaction
	After       time.Duration // until the reaction, on the simulated clock
}

// Phone says whether it is a telephone.
func (p Person) Phone() bool { return strings.HasPrefix(p.ID, "+") }

// answerAfter is how long somebody takes who was never told what to do.
const answerAfter = time.Second

var e164 = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`) // ITU-T E.164: 15 digits at most

// IsNumber says whether an id is a telephone number with its country code.
func IsNumber(id string) bool { return e164.MatchString(id) }

// Registry is safe for concurrent use.
type Registry struct {
	Clock *simclock.Clock

	mu    sync.Mutex
	known map[string]Person // by lower-case id
	rings map[string]*Ring
}

// Put says who somebody is and what they do when called.
func (r *Registry) Put(p Person) error {
	id, err := normal(p.ID)
	if err != nil {
		return err
	}
	p.ID, p.Reaction = id, cmp.Or(p.Reaction, Answer)
	if !p.Reaction.Valid() {
		return fmt.Errorf("%q is not a reaction to a call", p.Reaction)
	}
	if p.After < 0 {
		return fmt.Errorf("the reaction cannot come before the call")
	}
	if p.TenantID != "" {
		if _, err := uuid.Parse(p.TenantID); err != nil {
			return fmt.Errorf("tenant id %q is not a GUID", p.TenantID)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[string]Person{}
	}
	r.known[id] = p
	return nil
}

func normal(id string) (string, error) {
	if IsNumber(id) {
		return id, nil
	}
	u, err := uuid.Parse(id)
	if err != nil {
		return "", fmt.Errorf("%q is neither the GUID of a user nor an E.164 number such as +4930123456", id)
	}
	return u.String(), nil
}

// Get finds somebody. Everybody exists: those never heard of answer after a second.
func (r *Registry) Get(id string) Person {
	if n, err := normal(id); err == nil {
		id = n
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.known[id]; ok {
		return p
	}
	return Person{ID: id, Reaction: Answer, After: answerAfter}
}

// All lists those who were Put, by id.
func (r *Registry) All() []Person {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Values(r.known), func(a, b Person) int { return cmp.Compare(a.ID, b.ID) })
}
