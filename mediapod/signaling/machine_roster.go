// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"fmt"
	"time"

	"github.com/callfleet/callfleet/graph"
)

const (
	// rosterWait is when the roster is asked for because it did not come; it may be
	// missing until somebody moves.
	rosterWait = 5 * time.Second
	// rosterTries bounds how often it is asked for: that of some calls stays empty.
	rosterTries = 3

	// rosterRefresh is when a roster that nothing more is heard of is asked for again: the
	// last one to leave may have done so unheard.
	rosterRefresh = 5 * time.Minute
)

// notifyRoster takes a roster, or what changed in it. Of a single participant and of an
// empty list all that is known is that there is news, and the whole is asked for.
func (m *machine) notifyRoster(now time.Time, n graph.Notification) outcome {
	switch {
	case n.ChangeType == graph.Deleted && n.Participants == nil, n.Participants == nil && !n.Delta:
		return outcomeIgnored
	}
	m.becomesGroup(now) // a peer-to-peer call has no roster
	switch {
	case n.Delta && m.leaving.reason == "":
		return m.notifyDelta(now, n)
	case n.Delta, n.Resource.ID != "":
		m.listAgain = m.running[taskList]
		m.start(taskList)
		return outcomeApplied
	case len(n.Participants) == 0:
		// Seen right after the call is established, before the real one.
		if m.due[timerRoster].IsZero() && m.leaving.reason == "" {
			m.wake(timerRoster, now.Add(rosterWait))
		}
		return outcomeIgnored
	}
	o := m.applyRoster(now, m.roster.replace(n.Participants, false))
	switch {
	case o == outcomeApplied:
		m.news[taskList]++
	case o == outcomeStale && m.leaving.reason == "":
		// By its numbers. Somebody with the highest number who left looks the same.
		m.start(taskList)
	}
	return o
}

// notifyDelta merges a change into the roster. After a gap the whole is asked for, and what the
// change says is taken all the same: it is newer than anything known.
func (m *machine) notifyDelta(now time.Time, n graph.Notification) outcome {
	change, gap := m.roster.merge(n.Participants, graph.Sequence(n.Sequence))
	if gap {
		m.start(taskList)
	}
	// The answer that is awaited may be older than this.
	if m.running[taskList] && !m.roster.remember(n.Participants) {
		m.listAgain = true
	}
	if gap && !m.rosterSeen {
		// A change alone does not say who is there.
		m.changed = true
		return outcomeApplied
	}
	return m.applyRoster(now, change)
}

// applyRoster tells what a change of the roster means.
func (m *machine) applyRoster(now time.Time, change rosterChange) outcome {
	if change.kind == rosterStale {
		return outcomeStale
	}
	m.rosterNews(now)
	first := !m.rosterSeen
	if change.kind == rosterSame && !first {
		return outcomeDuplicate
	}
	m.rosterSeen, m.changed = true, true
	if !m.roster.selfInLobby(m.self) {
		m.admitted = true
	}
	if change.joined > 0 {
		m.event(now, EventParticipantJoined, fmt.Sprintf("%d joined, %d in the call", change.joined, m.roster.inCall))
	}
	if change.left > 0 {
		m.event(now, EventParticipantLeft, fmt.Sprintf("%d left, %d in the call", change.left, m.roster.inCall))
	}
	m.settle(now)
	return outcomeApplied
}

// rosterNews puts off the next look at the roster.
func (m *machine) rosterNews(now time.Time) {
	m.cancel(timerRoster)
	if m.leaving.reason == "" {
		m.wake(timerRoster, now.Add(rosterRefresh))
	}
}

func (m *machine) askRoster() {
	m.rosterAsks++
	m.start(taskList)
}

// listed is the answer with the roster.
func (m *machine) listed(now time.Time, list []graph.Participant, err error) {
	current := m.finished(taskList)
	since := m.roster.forget()
	switch {
	case m.ended() || m.leaving.reason != "":
		return
	case graph.IsNotFound(err):
		m.gone(now)
		return
	case m.listAgain:
		m.listAgain = false
		m.start(taskList)
		return
	case err == nil && len(list) > 0:
		if current { // else a whole roster has overtaken this one
			m.applyRoster(now, m.roster.replaceWith(list, since))
		}
	}
	switch {
	case m.rosterSeen:
		m.rosterNews(now)
	case m.rosterAsks < rosterTries:
		m.wake(timerRoster, now.Add(rosterWait))
	}
}
