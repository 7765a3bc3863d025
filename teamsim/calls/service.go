// SPDX-License-Identifier: Apache-2.0

// Package calls is Graph's cloud communications API: creating, answering, steering and ending calls, their participants,
// and the notifications that tell the bot about them.
package calls

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/callfleet/callfleet/teamsim/callback"
	"github.com/callfleet/callfleet/teamsim/directory"
	"github.com/callfleet/callfleet/teamsim/journal"
	"github.com/callfleet/callfleet/teamsim/login"
	"github.com/callfleet/callfleet/teamsim/meeting"
	"github.com/callfleet/callfleet/teamsim/outbound"
	"github.com/callfleet/callfleet/teamsim/people"
	"github.com/callfleet/callfleet/teamsim/policy"
	"github.com/callfleet/callfleet/teamsim/quota"
	"github.com/callfleet/callfleet/teamsim/secrets"
	"github.com/callfleet/callfleet/teamsim/servicemedia"
	"github.com/callfleet/callfleet/teamsim/simclock"
)

// The service's deadlines, on the simulated clock (reference section 4).
const (
	KeepAliveDeadline = 45 * time.Minute
	AnswerDeadline    = 15 * time.Second
	RecordingDeadline = 5 * time.Second // for policy-based recording
)

// How long the media processor tries, in real time. The real service gives up after tens of seconds
// (reference section 4: 7117 "stuck establishing ~1 min").
const (
	dialTimeout    = 15 * time.Second
	connectTimeout = 15 * time.Second
	// lostGrace lets a hang-up that is on its way win over the media connection that ended with it.
	lostGrace = time.Second
)

// historyLimit bounds the ended calls that are remembered.
const historyLimit = 2000

// Service is the calls API. Set the fields, then use it as the handler of /v1.0 and /beta.
type Service struct {
	BaseURL      string
	Login        *login.Service
	Directory    *directory.Directory
	Meetings     *meeting.Store
	Sender       *callback.Sender
	Network      *outbound.Network
	People       *people.Registry
	Prompts      *servicemedia.Prompts
	Recordings   *servicemedia.Recordings
	Secrets      *secrets.Book // nil: not written down
	Policies     *policy.Set
	Quotas       *quota.Book
	Clock        *simclock.Clock
	Journal      *journal.Journal
	MediaTimeout time.Duration
	Log          logr.Logger

	mu      sync.Mutex
	live    map[string]*call
	history []*call // ended, oldest first
	running sync.WaitGroup
	closed  bool // no new calls
	waiting bool // for what runs

	violations []Violation // of the recording rule
}

// add makes a call known; it reports false when the service is closing.
func (s *Service) add(c *call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.live == nil {
		s.live = map[string]*call{}
	}
	s.live[c.id] = c
	return true
}

// background runs f beside everything else. Close waits for it, unless it waits already: a call that was being made
// or ended at that moment is then on its way out by itself.
func (s *Service) background(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting {
		go f()
		return
	}
	s.running.Go(f)
}

// find gets a live call of an app. Ids are case-sensitive (reference section 1), but some notifications have them in
// upper case and without dashes, so a bot may come back with that.
func (s *Service) find(id, appID string) (*call, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.live[id]
	if !ok {
		c, ok = s.live[dashed(id)]
	}
	return c, ok && c.app.ID == appID
}

func (s *Service) retire(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.live, c.id)
	s.history = append(s.history, c)
	if len(s.history) > historyLimit {
		s.history = append([]*call(nil), s.history[historyLimit/10:]...)
	}
}

// Calls lists all calls, ended ones too, oldest first.
func (s *Service) Calls() []Snapshot {
	s.mu.Lock()
	all := append(slices.Clone(s.history), slices.Collect(maps.Values(s.live))...)
	s.mu.Unlock()
	out := make([]Snapshot, 0, len(all))
	for _, c := range all {
		out = append(out, c.snapshot())
	}
	slices.SortStableFunc(out, func(a, b Snapshot) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return out
}

// Ghost is something that is left in a meeting though nobody is behind it.
type Ghost struct {
	MeetingID, ParticipantID, CallID string
	Why                              string
}

// ghostAfter is how long a call may be without media before it counts as a ghost.
const ghostAfter = 10 * time.Second

// Ghosts lists participants without a live call, and live calls whose media is gone.
func (s *Service) Ghosts() []Ghost {
	ghosts := []Ghost{}
	for _, m := range append(s.Meetings.All(), s.Meetings.Conversations()...) {
		for _, p := range m.Participants() {
			if p.CallID == "" {
				continue
			}
			s.mu.Lock()
			c, live := s.live[p.CallID]
			s.mu.Unlock()
			switch {
			case !live:
				ghosts = append(ghosts, Ghost{m.ID, p.ID, p.CallID, "the call has ended"})
			case c.mediaGone():
				ghosts = append(ghosts, Ghost{m.ID, p.ID, p.CallID, "the media connection is gone"})
			}
		}
	}
	return ghosts
}

// End ends a call with a result of one's choice; it reports false if there is no such live call.
func (s *Service) End(id string, r Result) bool {
	s.mu.Lock()
	c, ok := s.live[id]
	s.mu.Unlock()
	if ok {
		c.end(r, "ended over the admin API", false)
	}
	return ok
}

// Close ends all media without telling the bots, as when the service is switched off.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	live := slices.Collect(maps.Values(s.live))
	s.mu.Unlock()
	defer func() {
		for _, m := range s.Meetings.Conversations() { // of people whom a bot has left to themselves
			m.End()
		}
	}()
	for _, c := range live {
		c.end(Result{Code: 500, Subcode: 0, Message: "teamsim was stopped"}, "teamsim was stopped", false)
	}
	s.mu.Lock()
	s.waiting = true
	s.mu.Unlock()
	s.running.Wait()
}
