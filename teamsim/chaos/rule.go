// SPDX-License-Identifier: Apache-2.0

// Package chaos disturbs the notifications of the calling service in the ways that have been seen, or must be feared:
// out of order, twice, never, late, many at once, failing on their way, not to be trusted, and spelt differently. What happens to which notification follows from
// a seed and the notification's place, so that a run can be repeated.
package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is a way to disturb a notification.
type Kind string

// The kinds. Those in the last group change how a notification is written (reference section 2.1, "Variants seen").
const (
	Drop        Kind = "Drop"
	Duplicate   Kind = "Duplicate"   // once more, after the next one if there is one
	Reorder     Kind = "Reorder"     // after the next one
	Delay       Kind = "Delay"       // together with all that come after it
	Batch       Kind = "Batch"       // together with the next ones in one POST
	EmptyRoster Kind = "EmptyRoster" // the first roster of a call has nobody in it
	Early       Kind = "Early"       // the first notification of a call comes before the reply that names the call

	// The first attempt ends with 5xx, as the bot's front door answers when it is in trouble; the retry policy decides about
	// others. With the first the bot hears of nothing; with the second it has acted by then, and is told all of it again.
	BotFailing   Kind = "BotFailing"   // 503
	BotReplyLost Kind = "BotReplyLost" // 504
	// BadToken is none that the bot may trust, in the way Rule.Token names. It has to refuse, and that is final.
	BadToken Kind = "BadToken"

	Casing         Kind = "Casing"         // Updated, Running, subCode
	PlainIDs       Kind = "PlainIDs"       // call ids in upper case and without dashes
	StringCodes    Kind = "StringCodes"    // "code":"200"
	NoResourceData Kind = "NoResourceData" // the bot has to ask
	NoLeadingSlash Kind = "NoLeadingSlash" // of resourceUrl
)

// Kinds lists all.
var Kinds = []Kind{Drop, Duplicate, Reorder, Delay, Batch, EmptyRoster, Early, BotFailing, BotReplyLost, BadToken,
	Casing, PlainIDs, StringCodes, NoResourceData, NoLeadingSlash}

// What a rule can be told to look for in Resource.
const (
	OnCall         = "call"
	OnParticipants = "participants"
	OnOperations   = "operations"
	OnSharing      = "contentsharingsessions"
)

// Rule disturbs the notifications that match it.
type Rule struct {
	Kind       Kind
	AppID      string // empty: of any app
	ChangeType string // empty: any
	Resource   string // call, participants, operations, contentsharingsessions; empty: any
	State      string // of a call, or the status of an operation; empty: any
	// Count is how many are disturbed; 0: one, or with a probability all that come.
	Count       int
	Probability float64       // of each that matches; 0: certain
	Size        int           // of a batch; 0: 3
	Delay       time.Duration // 0: 500 ms
	Token       string        // with BadToken: what is wrong, as callback.TokenFault has it
}

// Message is what rules look at.
type Message struct {
	AppID                       string
	Queue, Seq                  int64 // which call of the service, which notification of the call
	ChangeType, Resource, State string
	FirstRoster                 bool
}

// Decision is what becomes of a notification.
type Decision struct {
	Kinds []Kind
	Delay time.Duration
	Batch int
	Token string
}

// Has says whether a kind was decided.
func (d Decision) Has(k Kind) bool { return slices.Contains(d.Kinds, k) }

const (
	defaultDelay = 500 * time.Millisecond
	defaultBatch = 3
)

// Set is the rules in force. It is safe for concurrent use.
type Set struct {
	mu    sync.Mutex
	seed  uint64
	rules []*Rule
}

// Seed begins a series of chances.
func (s *Set) Seed(seed uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seed = seed
}

// Add puts a rule in force.
func (s *Set) Add(r Rule) error {
	switch {
	case !slices.Contains(Kinds, r.Kind):
		return fmt.Errorf("unknown kind of fault %q; the kinds are %v", r.Kind, Kinds)
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("probability %v is not from 0 to 1", r.Probability)
	case r.Resource != "" && !slices.Contains([]string{OnCall, OnParticipants, OnOperations, OnSharing}, r.Resource):
		return fmt.Errorf("unknown resource %q", r.Resource)
	case (r.Kind == BadToken) != (r.Token != ""):
		return fmt.Errorf("what is wrong with the token is to be said with %s, and with nothing else", BadToken)
	case r.Count < 0 || r.Size < 0 || r.Delay < 0:
		return errors.New("count, size and delay must not be negative")
	}
	if r.Count == 0 {
		r.Count = 1
		if r.Probability > 0 {
			r.Count = -1 // all
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &r)
	return nil
}

// Clear takes all rules back.
func (s *Set) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
}

// Decide says what becomes of a notification.
func (s *Set) Decide(m Message) Decision {
	var d Decision
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.rules {
		if r.Kind == Early || !r.matches(m) || !s.strikes(i, r, m) {
			continue
		}
		d.Kinds = append(d.Kinds, r.Kind)
		switch r.Kind {
		case Delay:
			d.Delay += max(r.Delay, 0)
			if r.Delay == 0 {
				d.Delay += defaultDelay
			}
		case Batch:
			d.Batch = max(d.Batch, r.Size)
			if r.Size == 0 {
				d.Batch = max(d.Batch, defaultBatch)
			}
		case BadToken:
			d.Token = r.Token
		}
	}
	return d
}

// Early says whether the first notification of a call should come before the reply that names it.
func (s *Set) Early(appID string, queue int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.rules {
		if r.Kind == Early && (r.AppID == "" || strings.EqualFold(r.AppID, appID)) && s.strikes(i, r, Message{Queue: queue}) {
			return true
		}
	}
	return false
}

func (r *Rule) matches(m Message) bool {
	if r.Kind == EmptyRoster && !m.FirstRoster {
		return false
	}
	for _, filter := range [][2]string{{r.AppID, m.AppID}, {r.ChangeType, m.ChangeType}, {r.Resource, m.Resource}, {r.State, m.State}} {
		if filter[0] != "" && !strings.EqualFold(filter[0], filter[1]) {
			return false
		}
	}
	return true
}

// strikes draws for a rule that matches; the caller holds the lock.
func (s *Set) strikes(index int, r *Rule, m Message) bool {
	if r.Count == 0 {
		return false
	}
	if r.Probability > 0 && r.Probability < 1 {
		draw := rand.New(rand.NewPCG(s.seed+uint64(index)<<48, uint64(m.Queue)<<24+uint64(m.Seq))) //nolint:gosec // chance is wanted, not secrecy
		if draw.Float64() >= r.Probability {
			return false
		}
	}
	if r.Count > 0 {
		r.Count--
	}
	return true
}
