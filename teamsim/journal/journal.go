// SPDX-License-Identifier: Apache-2.0

// Package journal keeps what happened in the local Teams, for the page and for tests to read.
package journal

import (
	"sync"
	"time"
)

// limit bounds the journal; the oldest events go first.
const limit = 2000

// Event is one thing that happened.
type Event struct {
	Seq       int64
	Time      time.Time
	MeetingID string
	CallID    string
	What      string // CallCreated, PersonJoined, …
	Detail    string
}

// Journal is safe for concurrent use. A nil journal takes events and keeps none.
type Journal struct {
	mu     sync.Mutex
	events []Event
	next   int64
}

// Add notes an event.
func (j *Journal) Add(meetingID, callID, what, detail string) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.next++
	j.events = append(j.events, Event{j.next, time.Now(), meetingID, callID, what, detail})
	if len(j.events) > limit {
		j.events = append([]Event(nil), j.events[limit/10:]...)
	}
}

// After returns the events after a sequence number, oldest first.
func (j *Journal) After(seq int64) []Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := []Event{}
	for _, e := range j.events {
		if e.Seq > seq {
			out = append(out, e)
		}
	}
	return out
}
