// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// toneWait is how long a key waits for those pressed before it whose notifications
	// were overtaken. People who type fast press five keys a second.
	toneWait = 500 * time.Millisecond

	// maxTonesHeld bounds the keys that wait.
	maxTonesHeld = 32
)

// tones puts the keys pressed into their order.
type tones struct {
	known bool // next is the number of the next key
	next  graph.Sequence
	held  []graph.ToneInfo // in order, after a gap
}

// begin: the service counts the keys of a call from 1. How many an adopted call has had, nobody knows.
func (t *tones) begin(s setting) { t.known, t.next = s.origin != originAdopted, 1 }

// pressed takes a key and reports whether it is news.
func (m *machine) pressed(now time.Time, tone graph.ToneInfo) bool {
	t := &m.tones
	if !t.known || tone.SequenceID == 0 && t.next == 1 {
		t.known, t.next = true, tone.SequenceID
	}
	at, held := slices.BinarySearchFunc(t.held, tone.SequenceID, func(h graph.ToneInfo, s graph.Sequence) int { return int(h.SequenceID - s) })
	if tone.SequenceID < t.next || held {
		return false
	}
	t.held = slices.Insert(t.held, at, tone)
	if len(t.held) > maxTonesHeld {
		t.next = t.held[0].SequenceID
	}
	m.releaseTones()
	switch {
	case len(t.held) == 0:
		m.cancel(timerTone)
	case m.due[timerTone].IsZero():
		m.wake(timerTone, now.Add(toneWait))
	}
	return true
}

// tonesLate gives up on keys that were waited for.
func (m *machine) tonesLate() {
	for len(m.tones.held) > 0 {
		m.tones.next = m.tones.held[0].SequenceID
		m.releaseTones()
	}
}

// releaseTones hands on what is in order.
func (m *machine) releaseTones() {
	t := &m.tones
	for len(t.held) > 0 && t.held[0].SequenceID == t.next {
		tone := t.held[0]
		t.held = t.held[1:]
		t.next++
		m.snap.LastTone, m.changed = &tone, true
		m.world.tone(tone)
	}
}
