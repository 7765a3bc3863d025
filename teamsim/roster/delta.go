// SPDX-License-Identifier: Apache-2.0

// Package roster tells what changed between one roster and the next, for bots that asked for changes only (reference
// section 2.4, 7).
package roster

import (
	"cmp"
	"maps"
	"slices"

	"github.com/callfleet/callfleet/teamsim/meeting"
)

// Delta is what changed. Sequence numbers have no gaps, so a bot that sees one has missed something.
type Delta struct {
	Sequence int64
	Changed  []meeting.Participant // or new
	Left     []meeting.Participant
}

// Tracker remembers what a bot was told. It is not safe for concurrent use.
type Tracker struct {
	sequence int64
	known    map[string]meeting.Participant
}

// Next compares a roster with the last one. It reports false when nothing changed.
func (t *Tracker) Next(seen []meeting.Participant) (Delta, bool) {
	var d Delta
	now := make(map[string]meeting.Participant, len(seen))
	for _, p := range seen {
		now[p.ID] = p
		if old, was := t.known[p.ID]; !was || old.Sequence != p.Sequence {
			d.Changed = append(d.Changed, p)
		}
	}
	for _, old := range slices.SortedFunc(maps.Values(t.known), func(a, b meeting.Participant) int { return cmp.Compare(a.ID, b.ID) }) {
		if _, here := now[old.ID]; !here {
			d.Left = append(d.Left, old)
		}
	}
	t.known = now
	if len(d.Changed)+len(d.Left) == 0 {
		return d, false
	}
	t.sequence++
	d.Sequence = t.sequence
	return d, true
}
