// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
)

// maxHeard bounds a recording to 10 minutes; the oldest audio goes first.
const maxHeard = 10 * 60 * audio.SampleRate

// Identity says who somebody is.
type Identity struct {
	Kind        Kind   // KindPerson when empty, or KindPhone
	ID          string // of the user, or the number
	DisplayName string
	TenantID    string // that of the meeting when empty
}

// Person is a human in a meeting, with a voice to speak clips and ears that record.
type Person struct {
	ID          string // participant id, the same each time the person comes
	UserID      string
	DisplayName string
	Kind        Kind
	TenantID    string

	meeting atomic.Pointer[Meeting] // a transfer changes it

	mu     sync.Mutex
	saying []*Utterance // the first is being spoken
	heard  []int16
	tones  []string // pressed by others
}

// Utterance is something a person says.
type Utterance struct {
	ID   string
	clip []int16
	at   int // samples spoken
	loop bool
	from time.Time // not before
	done chan struct{}
}

// Done is closed when the person has said it, or was interrupted.
func (u *Utterance) Done() <-chan struct{} { return u.done }

// AddPerson brings somebody new into the meeting.
func (m *Meeting) AddPerson(name string) (*Person, error) {
	if name == "" {
		return nil, errors.New("a person needs a name")
	}
	p := m.Expect(Identity{ID: uuid.NewString(), DisplayName: name})
	return p, p.Join()
}

// Expect makes somebody known who has not come yet.
func (m *Meeting) Expect(who Identity) *Person { return m.ExpectAs(uuid.NewString(), who) }

// ExpectAs makes somebody known who will be the participant of an id.
func (m *Meeting) ExpectAs(participantID string, who Identity) *Person {
	p := &Person{
		ID: participantID, UserID: who.ID, DisplayName: who.DisplayName, Kind: cmp.Or(who.Kind, KindPerson), TenantID: cmp.Or(who.TenantID, m.TenantID),
	}
	if p.Kind == KindPhone {
		p.TenantID = ""
	}
	p.meeting.Store(m)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.people[p.ID] = p
	return p
}

// Person finds somebody who is, or was, in the meeting.
func (m *Meeting) Person(id string) (*Person, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.people[id]
	return p, ok
}

// People are all who are, or were, in the meeting, or are expected.
func (m *Meeting) People() []*Person {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.SortedFunc(maps.Values(m.people), func(a, b *Person) int { return cmp.Compare(a.ID, b.ID) })
}

// Join brings a person back who had left.
func (p *Person) Join() error {
	return p.meeting.Load().Enter(Entry{
		Participant: Participant{ID: p.ID, Kind: p.Kind, IdentityID: p.UserID, DisplayName: p.DisplayName, TenantID: p.TenantID},
		Member:      personMember{p}, Audio: p,
	})
}

// Leave takes the person out. What they were about to say stays unsaid; what they heard is kept.
func (p *Person) Leave() {
	p.meeting.Load().Leave(p.ID)
	p.Hush()
}

type personMember struct{ p *Person }

func (personMember) Admitted()            {}
func (personMember) Roster([]Participant) {}
func (m personMember) Gone(Cause)         { m.p.Hush() }

// Speak queues a clip to be spoken after what was queued before, and not before delay has passed. A looped
// clip goes on until Hush.
func (p *Person) Speak(clip wav.Clip, delay time.Duration, loop bool) (*Utterance, error) {
	samples := clip.Resample(audio.SampleRate).Samples
	if len(samples) == 0 {
		return nil, errors.New("the clip is empty")
	}
	if !p.Here() {
		return nil, fmt.Errorf("%s is not in the meeting", p.DisplayName)
	}
	u := &Utterance{ID: uuid.NewString(), clip: samples, loop: loop, from: time.Now().Add(delay), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saying = append(p.saying, u)
	return u, nil
}

// Here says whether the person is in the meeting, or call, at present.
func (p *Person) Here() bool {
	m := p.meeting.Load()
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.participants[p.ID]
	return ok
}

// Meeting is where the person is, or was last.
func (p *Person) Meeting() *Meeting { return p.meeting.Load() }

// Hush makes the person stop speaking at once.
func (p *Person) Hush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.saying {
		close(u.done)
	}
	p.saying = nil
}

// Speaking says whether a clip is being spoken or waits to be.
func (p *Person) Speaking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.saying) > 0
}

// Heard returns what the person has heard since the last reset, in wall time.
func (p *Person) Heard() wav.Clip {
	p.mu.Lock()
	defer p.mu.Unlock()
	return wav.Clip{SampleRate: audio.SampleRate, Samples: slices.Clone(p.heard)}
}

// ResetHeard starts the recording anew.
func (p *Person) ResetHeard() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = nil
}

// ReadFrame is the person's voice.
func (p *Person) ReadFrame(frame *Frame) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.saying) == 0 {
		return false
	}
	u := p.saying[0]
	if u.at == 0 && time.Now().Before(u.from) {
		return false
	}
	n := copy(frame[:], u.clip[u.at:])
	u.at += n
	for u.loop && n < len(frame) {
		u.at = copy(frame[n:], u.clip)
		n += u.at
	}
	clear(frame[n:])
	if u.at >= len(u.clip) && !u.loop {
		close(u.done)
		p.saying = p.saying[1:]
	}
	return true
}

// WriteFrame is the person's ears.
func (p *Person) WriteFrame(frame *Frame) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.heard) >= maxHeard+audio.SampleRate {
		p.heard = append(p.heard[:0], p.heard[len(p.heard)-maxHeard:]...)
	}
	p.heard = append(p.heard, frame[:]...)
}
