// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Form says what kind of conversation it is. Calls are small meetings without link and lobby that end when only one is
// left.
type Form int32

// The forms.
const (
	Scheduled Form = iota // a meeting
	OneToOne              // a call between two; nobody gets a roster
	GroupCall             // a call among several
)

// ErrOver says that a call has ended while somebody was on the way into it.
var ErrOver = errors.New("the call is over")

// keepOver bounds the calls that are over and still known, for what people heard in them.
const keepOver = 100

// Open begins the conversation of a call, with nobody in it yet.
func (s *Store) Open(form Form, subject, tenantID string) *Meeting {
	m := &Meeting{
		Info:  Info{ID: uuid.NewString(), Subject: subject, TenantID: tenantID, Created: time.Now()},
		clock: s.Clock, journal: s.Journal, participants: map[string]*participant{}, people: map[string]*Person{},
	}
	m.form.Store(int32(form))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, m)
	if over := len(s.calls) - keepOver; over > 0 {
		s.calls = slices.DeleteFunc(s.calls, func(old *Meeting) bool {
			drop := over > 0 && old.Over()
			if drop {
				over--
				old.forget()
			}
			return drop
		})
	}
	return m
}

// forget lets go of what people heard here; ended calls are remembered for longer.
func (m *Meeting) forget() {
	for _, p := range m.People() {
		if p.Meeting() == m {
			p.ResetHeard()
		}
	}
}

// Conversations lists the calls that go on, oldest first.
func (s *Store) Conversations() []*Meeting {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.calls), (*Meeting).Over)
}

// Form says what kind of conversation it is now.
func (m *Meeting) Form() Form { return Form(m.form.Load()) }

// Escalate turns a call between two into one among several: from now on there is a roster.
func (m *Meeting) Escalate() {
	if m.form.CompareAndSwap(int32(OneToOne), int32(GroupCall)) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.changed(nil)
	}
}

// Over says whether a call has ended. A meeting never does.
func (m *Meeting) Over() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.over
}

// WhenOver has f called, once, when the call is over. It is for those who are not in it yet; members hear through Gone.
func (m *Meeting) WhenOver(f func(Cause)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.whenOver = append(m.whenOver, f)
}

// EndIfAlone ends a call that has nobody left to talk to. Whoever takes somebody out in a way of their own calls it.
func (m *Meeting) EndIfAlone() {
	if m.Form() == Scheduled {
		return
	}
	cause := LastLeft
	if m.Form() == OneToOne {
		cause = OtherLeft
	}
	m.mu.Lock()
	if m.over || len(m.participants) > 1 {
		m.mu.Unlock()
		return
	}
	m.over = true
	tell := m.whenOver
	m.whenOver = nil
	m.mu.Unlock()
	for _, f := range tell {
		f(cause)
	}
	for _, p := range m.Participants() {
		m.expel(p.ID, cause)
	}
}

// Move takes a person from wherever they are into this conversation, as a transfer does. What they were about to say is
// said here.
func (m *Meeting) Move(p *Person) error {
	from := p.meeting.Load()
	if from == m && p.Here() {
		return nil
	}
	if from != m {
		from.take(p.ID, "ParticipantLeft")
	}
	m.mu.Lock()
	m.people[p.ID] = p
	m.mu.Unlock()
	p.meeting.Store(m)
	return p.Join()
}
