// SPDX-License-Identifier: Apache-2.0

package callback

import (
	"encoding/json"
	"sync"
	"time"

	"github.com/callfleet/callfleet/teamsim/chaos"
)

// logLimit bounds the log; the oldest entries go first.
const logLimit = 5000

// Entry is one notification and what became of it.
type Entry struct {
	Seq        int64
	Time       time.Time // when it was due
	CallID     string
	AppID      string
	ChangeType string
	Resource   string
	Summary    string
	URL        string
	Body       json.RawMessage // with this notification only, should it have been one of several
	Faults     []chaos.Kind    // what was done to it on purpose

	Attempts int
	Status   int    // of the last attempt; 0 when there was no answer
	Error    string // of the last attempt
	Done     bool   // accepted or given up
	DoneTime time.Time
}

// Accepted says whether the bot took it.
func (e Entry) Accepted() bool { return e.Done && e.Status/100 == 2 }

// Log keeps the latest notifications.
type Log struct {
	mu      sync.Mutex
	entries []Entry
	next    int64
}

func (l *Log) open(i item) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.entries = append(l.entries, Entry{
		Seq: l.next, Time: i.since, CallID: i.to.ID, AppID: i.to.AppID, ChangeType: i.ChangeType,
		Resource: i.ResourceURL, Summary: i.Summary, URL: i.to.CallbackURI, Body: envelope([]item{i}), Faults: i.Kinds,
	})
	if len(l.entries) > logLimit {
		l.entries = append([]Entry(nil), l.entries[logLimit/10:]...)
	}
	return l.next
}

func (l *Log) attempt(seq int64, status int, err error, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == 0 || seq < l.entries[0].Seq {
		return // dropped from the log meanwhile
	}
	e := &l.entries[seq-l.entries[0].Seq]
	e.Attempts++
	e.Status, e.Error, e.Done = status, "", done
	if err != nil {
		e.Error = err.Error()
	}
	if done {
		e.DoneTime = time.Now()
	}
}

// Entries returns what was logged after a sequence number, oldest first, of one call if callID is not empty.
func (l *Log) Entries(after int64, callID string) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := []Entry{}
	for _, e := range l.entries {
		if e.Seq > after && (callID == "" || e.CallID == callID) {
			out = append(out, e)
		}
	}
	return out
}
