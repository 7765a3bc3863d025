// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"reflect"
	"slices"

	"github.com/callfleet/callfleet/graph"
)

// maxListed is how many participants a snapshot lists; all are counted.
const maxListed = 50

// roster is who is in a meeting, as the service last told. Snapshots share its
// list, so that the list is replaced, never changed.
type roster struct {
	list     []graph.Participant
	sequence graph.Sequence // highest seen
	inCall   int            // the bot included, the lobby not
	inLobby  int
}

// rosterChange is what a new roster means.
type rosterChange int

const (
	rosterSame rosterChange = iota
	rosterStale
	rosterChanged
)

// replace takes a whole roster and says how many came into the call and left it.
func (r *roster) replace(list []graph.Participant) (change rosterChange, joined, left int) {
	list = slices.DeleteFunc(slices.Clone(list), func(p graph.Participant) bool { return p.RemovedState != nil })
	var sequence graph.Sequence
	for i := range list {
		sequence = max(sequence, list[i].RosterSequenceNumber)
	}
	switch {
	// Some rosters carry no numbers; those can only be taken as they come.
	case sequence != 0 && sequence < r.sequence:
		return rosterStale, 0, 0
	case reflect.DeepEqual(list, r.list):
		return rosterSame, 0, 0
	}
	joined, left = moved(r.list, list)
	r.list, r.sequence = list, max(sequence, r.sequence)
	r.inCall, r.inLobby = 0, 0
	for i := range list {
		if list[i].IsInLobby {
			r.inLobby++
		} else {
			r.inCall++
		}
	}
	return rosterChanged, joined, left
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

// selfInLobby reports whether the bot itself waits. Its participant id is not
// known when the answer to the join was lost; who waits sees nobody but itself.
func (r *roster) selfInLobby(self string) bool {
	for i := range r.list {
		if graph.SameID(r.list[i].ID, self) {
			return r.list[i].IsInLobby
		}
	}
	return len(r.list) == 1 && r.list[0].IsInLobby
}

// listed is what a snapshot shows.
func (r *roster) listed() []graph.Participant {
	return slices.Clip(r.list[:min(len(r.list), maxListed)])
}
