// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"reflect"
	"slices"

	"github.com/callfleet/callfleet/graph"
)

const (
	// maxListed is how many participants a snapshot lists; all are counted.
	maxListed = 50

	// maxRemembered bounds the changes kept while the roster is asked for.
	maxRemembered = 4096
)

// roster is who is in a meeting, as the service last told. Snapshots share its
// list, so that the list is replaced, never changed.
type roster struct {
	list     []graph.Participant
	sequence graph.Sequence // highest seen of a participant
	delta    graph.Sequence // of the last change
	whole    bool           // list is a whole roster with all changes since
	inCall   int            // the bot included, the lobby not
	inLobby  int

	since []graph.Participant // changes since the roster was asked for
}

type rosterKind int

const (
	rosterSame rosterKind = iota
	rosterStale
	rosterChanged
)

// rosterChange is what a new roster means: how many came into the call and left it.
type rosterChange struct {
	kind         rosterKind
	joined, left int
}

// replace takes a whole roster. One whose numbers are lower than those seen was overtaken, unless it is
// certainly the newest.
func (r *roster) replace(list []graph.Participant, newest bool) rosterChange {
	list = slices.DeleteFunc(slices.Clone(list), func(p graph.Participant) bool { return p.RemovedState != nil })
	sequence := highest(list)
	// Some rosters carry no numbers; those can only be taken as they come.
	if !newest && sequence != 0 && sequence < r.sequence {
		return rosterChange{kind: rosterStale}
	}
	r.whole = true
	return r.become(list, max(sequence, r.sequence))
}

// replaceWith takes a whole roster that was asked for, and the changes that came meanwhile.
func (r *roster) replaceWith(list, since []graph.Participant) rosterChange {
	r.whole = true
	list = slices.DeleteFunc(slices.Clone(list), func(p graph.Participant) bool { return p.RemovedState != nil })
	merged := mergeParticipants(list, since)
	return r.become(merged, max(highest(list), highest(since), r.sequence))
}

// merge takes a change (Graph, "deltaParticipants"). The first one of a call is the whole roster; a gap in the numbers
// means that a change is lost.
func (r *roster) merge(changed []graph.Participant, number graph.Sequence) (change rosterChange, gap bool) {
	switch {
	case number <= r.delta && (r.delta != 0 || r.whole):
		return rosterChange{kind: rosterStale}, false
	case number > r.delta+1, !r.whole && number != 1, slices.ContainsFunc(changed, func(p graph.Participant) bool { return p.ID == "" }):
		gap = true
	}
	r.delta = number
	if !gap {
		r.whole = true
	}
	return r.become(mergeParticipants(r.list, changed), max(highest(changed), r.sequence)), gap
}

// remember keeps a change for the answer that is awaited, if there is room; forget hands the changes over.
func (r *roster) remember(changed []graph.Participant) bool {
	if len(r.since)+len(changed) > maxRemembered {
		return false
	}
	r.since = append(r.since, changed...)
	return true
}

func (r *roster) forget() []graph.Participant {
	since := r.since
	r.since = nil
	return since
}

func (r *roster) become(list []graph.Participant, sequence graph.Sequence) rosterChange {
	r.sequence = sequence
	if reflect.DeepEqual(list, r.list) {
		return rosterChange{}
	}
	joined, left := moved(r.list, list)
	r.list = list
	r.inCall, r.inLobby = 0, 0
	for i := range list {
		if list[i].IsInLobby {
			r.inLobby++
		} else {
			r.inCall++
		}
	}
	return rosterChange{rosterChanged, joined, left}
}

func highest(list []graph.Participant) (sequence graph.Sequence) {
	for i := range list {
		sequence = max(sequence, list[i].RosterSequenceNumber)
	}
	return sequence
}

// mergeParticipants is a new list with the changes in it: who has a removedState has left. Participants carry a number
// each; an entry that is older than the one known changes nothing.
func mergeParticipants(list, changed []graph.Participant) []graph.Participant {
	merged := slices.Clone(list)
	at := make(map[string]int, len(merged))
	for i := range merged {
		at[graph.NormalID(merged[i].ID)] = i
	}
	gone := make(map[int]bool)
	for _, p := range changed {
		id := graph.NormalID(p.ID)
		if id == "" {
			continue
		}
		i, known := at[id]
		switch {
		case known && p.RosterSequenceNumber != 0 && p.RosterSequenceNumber < merged[i].RosterSequenceNumber:
		case known:
			merged[i] = p
			gone[i] = p.RemovedState != nil
		case p.RemovedState == nil:
			at[id] = len(merged)
			merged = append(merged, p)
		}
	}
	left := merged[:0]
	for i, p := range merged {
		if !gone[i] {
			left = append(left, p)
		}
	}
	return slices.Clip(left)
}

// moved counts those that are in one list and not in the other. Who waits in the
// lobby has not joined yet.
func moved(before, after []graph.Participant) (joined, left int) {
	was := make(map[string]struct{}, len(before))
	for i := range before {
		if !before[i].IsInLobby {
			was[graph.NormalID(before[i].ID)] = struct{}{}
		}
	}
	for i := range after {
		if after[i].IsInLobby {
			continue
		}
		id := graph.NormalID(after[i].ID)
		if _, ok := was[id]; ok {
			delete(was, id)
		} else {
			joined++
		}
	}
	return joined, len(was)
}

// find is the participant of that id, nil if it is not there.
func (r *roster) find(id string) *graph.Participant {
	for i := range r.list {
		if graph.SameID(r.list[i].ID, id) {
			return &r.list[i]
		}
	}
	return nil
}

// selfInLobby reports whether the bot itself waits. Its participant id is not
// known when the answer to the join was lost; who waits sees nobody but itself.
func (r *roster) selfInLobby(self string) bool {
	if p := r.find(self); p != nil {
		return p.IsInLobby
	}
	return len(r.list) == 1 && r.list[0].IsInLobby
}

// listed is what a snapshot shows.
func (r *roster) listed() []graph.Participant {
	return slices.Clip(r.list[:min(len(r.list), maxListed)])
}
