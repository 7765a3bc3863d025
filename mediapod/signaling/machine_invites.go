// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/callfleet/callfleet/graph"
)

const (
	// inviteTries bounds the requests for one invitation.
	inviteTries = 4

	// inviteWait is how long an invitation may ring. The service gives up earlier, but
	// the notification that says so may get lost.
	inviteWait = 2 * time.Minute
)

// invite is one invitation on its way.
type invite struct {
	Invite
	key      string
	unwanted bool // was taken out of the list
	op       string
	tries    int
	next     time.Time // of the next try, or when to give up
}

func compareText(a, b string) int { return cmp.Compare(a, b) }

// identityKey tells identities apart.
func identityKey(s graph.IdentitySet) string {
	kind, id := s.Primary()
	if id == nil || id.ID == "" {
		return ""
	}
	return kind + " " + strings.ToLower(id.ID)
}

// newInvite gives an invitation an id of ours, by which it can be withdrawn while it rings and its end is known. It is the
// same for whoever asks again, in this process or another.
func newInvite(scenario string, i Invite) *invite {
	key := identityKey(i.Who.Identity)
	if i.Who.ParticipantID == "" {
		i.Who.ParticipantID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(scenario+" "+key)).String()
	}
	return &invite{Invite: i, key: key}
}

// invitedBefore are the invitations another process has sent.
func invitedBefore(now time.Time, s setting) (list []*invite) {
	for _, known := range s.before.Invites {
		i := newInvite(s.scenario, known)
		if i.key == "" {
			continue
		}
		if i.State == InviteRinging {
			i.next = now.Add(inviteWait)
		}
		list = append(list, i)
	}
	return list
}

// wantInvites compares the list of those who are wanted with those known.
func (m *machine) wantInvites(list []graph.InvitationParticipantInfo) {
	var kept []*invite
	for _, who := range list {
		key := identityKey(who.Identity)
		same := func(i *invite) bool { return i.key == key }
		if key == "" || slices.ContainsFunc(kept, same) {
			continue
		}
		if i := slices.IndexFunc(m.wants.invited, same); i >= 0 && m.wants.invited[i].State != InviteWithdrawn {
			m.wants.invited[i].unwanted = false
			kept = append(kept, m.wants.invited[i])
			continue
		}
		kept = append(kept, newInvite(m.scenario, Invite{Who: who}))
		m.changed = true
	}
	for _, i := range m.wants.invited {
		if slices.Contains(kept, i) {
			continue
		}
		m.changed = true
		// What rings is withdrawn; the rest is history.
		if i.State == InviteRinging || i.State == InviteWithdrawn || i == m.wants.inviting {
			i.unwanted = true
			kept = append(kept, i)
		}
	}
	m.wants.invited = kept
}

// pursueInvites invites one after another: the first makes a group of a call of two, and the others must find it.
func (m *machine) pursueInvites(now time.Time) {
	for _, i := range m.wants.invited {
		m.seenInRoster(now, i)
		switch {
		case i == m.wants.inviting || i == m.wants.withdrawing:
		case i.State == InviteRinging && i.unwanted:
			if !m.running[taskWithdraw] && m.readyAt(now, i.next, i.tries > 0) {
				m.wants.withdrawing = i
				m.order(order{task: taskWithdraw, participant: i.Who.ParticipantID})
			}
		case i.State == InviteRinging:
			if m.readyAt(now, i.next, true) {
				m.failInvite(now, i, graph.ReasonTimeout, "The service did not say what became of the invitation. Look whether they are in the call.")
			}
		case i.State == InviteWaiting && !i.unwanted:
			if m.wants.inviting == nil && !m.running[taskInvite] && !m.rosterAwaited() && m.readyAt(now, i.next, true) {
				m.wants.inviting = i
				i.tries++
				m.order(order{task: taskInvite, invitee: i.Who})
			}
		}
	}
}

// readyAt reports whether it is time, and sees to waking up when it is not.
func (m *machine) readyAt(now, at time.Time, waits bool) bool {
	if waits && now.Before(at) {
		m.pursueAt(at)
		return false
	}
	return true
}

// rosterAwaited: who is in the call is about to be known. Nobody is invited before, for they may be in it: somebody has
// brought them in, or an attempt before this one. The rosters of some calls stay empty, and are not waited for for ever.
func (m *machine) rosterAwaited() bool {
	return m.group && !m.rosterSeen && (m.running[taskList] || !m.due[timerRoster].IsZero())
}

// seenInRoster: who is in the call need not be invited, whoever brought them in.
func (m *machine) seenInRoster(now time.Time, i *invite) {
	if i == m.wants.inviting || i.State != InviteWaiting && i.State != InviteRinging {
		return
	}
	for p := range m.roster.list {
		if in := &m.roster.list[p]; !in.IsInLobby && hasIdentity(in.Info.Identity, i.Who.Identity) {
			m.joinedInvite(now, i)
			return
		}
	}
}

func hasIdentity(in, wanted graph.IdentitySet) bool {
	key := identityKey(wanted)
	return key != "" && identityKey(in) == key
}

// inviteSent is the answer to an invitation.
func (m *machine) inviteSent(now time.Time, op *graph.Operation, err error) {
	m.finished(taskInvite)
	i := m.wants.inviting
	m.wants.inviting = nil
	if m.ended() || i == nil {
		return
	}
	m.changed = true
	if err == nil {
		i.State, i.next, i.tries = InviteRinging, now.Add(inviteWait), 0
		if op == nil {
			return
		}
		i.op = op.ID
		if ended := m.wants.endedOperation(op.ID); ended != nil {
			op = ended
		}
		if op.Ended() {
			m.inviteEnded(now, op)
		}
		return
	}
	failure := judgeCreate(err)
	switch {
	case failure.outcome == createLost:
		// They may be ringing: the roster will tell.
		i.State, i.next, i.tries = InviteRinging, now.Add(inviteWait), 0
	case failure.outcome == createRefused || i.tries >= inviteTries || i.unwanted:
		why := graph.ExplainError(err)
		m.failInvite(now, i, why.Reason, why.Message())
	default:
		i.next = now.Add(max(failure.retryAfter, backOff(i.tries)))
	}
}

// isAbout: the operation is the invitation's. Of one that another process sent, or whose answer was lost, the operation's id
// is not known, but it carries the invitation's own.
func (i *invite) isAbout(op *graph.Operation) bool {
	if i.op == "" {
		return graph.SameID(op.ClientContext, i.Who.ParticipantID)
	}
	return graph.SameID(i.op, op.ID)
}

// inviteEnded takes the end of an operation that may be an invitation.
func (m *machine) inviteEnded(now time.Time, op *graph.Operation) {
	for _, i := range m.wants.invited {
		if i.State != InviteRinging || !i.isAbout(op) {
			continue
		}
		switch {
		case op.Status != graph.OperationFailed:
			m.joinedInvite(now, i)
		case i.unwanted:
			m.withdrawn(now, i)
		default:
			var result graph.ResultInfo
			if op.ResultInfo != nil {
				result = *op.ResultInfo
			}
			// They decline, are busy or are not there, as people who are called are.
			why := graph.Explain(result)
			if why.Reason == graph.ReasonUnknown || why.Class == graph.ClassNormalEnd {
				why = graph.ExplainOperation(result)
			}
			m.failInvite(now, i, why.Reason, why.Message())
		}
	}
}

func (m *machine) joinedInvite(now time.Time, i *invite) {
	i.State, i.op = InviteJoined, ""
	m.event(now, EventInviteJoined, "")
}

func (m *machine) failInvite(now time.Time, i *invite, reason, message string) {
	i.State, i.Message, i.Reason, i.op = InviteFailed, sentences(message), reason, ""
	m.event(now, EventInviteFailed, i.Message)
}

func (m *machine) withdrawn(now time.Time, i *invite) {
	i.State, i.op = InviteWithdrawn, ""
	m.event(now, EventInviteWithdrawn, "")
}

// withdrawSent is the answer to the wish to withdraw an invitation.
func (m *machine) withdrawSent(now time.Time, err error) {
	m.finished(taskWithdraw)
	i := m.wants.withdrawing
	m.wants.withdrawing = nil
	if m.ended() || i == nil || i.State != InviteRinging || !i.unwanted {
		return
	}
	// What Graph does not know does not ring any more, and what it refuses will stop by itself.
	if err == nil || graph.IsNotFound(err) || refused(err) || i.tries >= inviteTries {
		m.withdrawn(now, i)
		return
	}
	i.tries++
	i.next = now.Add(backOff(i.tries))
}

// invites are what a snapshot shows: those wanted, in their order, then those withdrawn.
func (w *wants) invites() []Invite {
	var list []Invite
	for _, i := range w.invited {
		if !i.unwanted || i.State == InviteWithdrawn || i.State == InviteRinging {
			list = append(list, i.Invite)
		}
	}
	return list
}
