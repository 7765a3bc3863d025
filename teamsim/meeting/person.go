// SPDX-License-Identifier: Apache-2.0

package meeting

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/audio"
	"github.com/callfleet/callfleet/audio/wav"
)

// maxHeard bounds a recording to 10 minutes; the oldest audio goes first.
const maxHeard = 10 * 60 * audio.SampleRate

// Person is a human in a meeting, with a voice to speak clips and ears that record.
type Person struct {
	ID          string // participant id, the same each time the person comes
	UserID      string
	DisplayName string

	meeting *Meeting

	mu     sync.Mutex
	saying []*Utterance // the first is being spoken
	heard  []int16
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
	p := &Person{ID: uuid.NewString(), UserID: uuid.NewString(), DisplayName: name, meeting: m}
	m.mu.Lock()
	m.people[p.ID] = p
	m.mu.Unlock()
	return p, p.Join()
}

// Person finds somebody who is, or was, in the meeting.
func (m *Meeting) Person(id string) (*Person, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.people[id]
	return p, ok
}

// Join brings a person back who had left.
func (p *Person) Join() error {
	return p.meeting.Enter(Entry{
		Participant: Participant{ID: p.ID, Kind: KindPerson, IdentityID: p.UserID, DisplayName: p.DisplayName, TenantID: p.meeting.TenantID},
		Member:      personMember{p}, Audio: p,
	})
}

// Leave takes the person out. What they were about to say stays unsaid; what they heard is kept.
func (p *Person) Leave() {
	p.meeting.Leave(p.ID)
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
	if !p.here() {
		return nil, fmt.Errorf("%s is not in the meeting", p.DisplayName)
	}
	u := &Utterance{ID: uuid.NewString(), clip: samples, loop: loop, from: time.Now().Add(delay), done: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saying = append(p.saying, u)
	return u, nil
}

func (p *Person) here() bool {
	p.meeting.mu.Lock()
	defer p.meeting.mu.Unlock()
	_, ok := p.meeting.participants[p.ID]
	return ok
}

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
