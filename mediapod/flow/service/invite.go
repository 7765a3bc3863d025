// SPDX-License-Identifier: Apache-2.0

package service

import (
	"slices"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// forgetWithin is what signalling gets to forget an invitation that is settled, which takes it no request.
const forgetWithin = 2 * time.Second

// invite brings somebody in as the spec's own invitations are: signalling asks again, knows who is there already, and withdraws what
// rings when it is not wanted any more.
func (s *Signals) invite(i flow.Invite) {
	who, ok := party(i.Who)
	if !ok {
		s.tell(flow.Invited{ID: i.ID, Failure: flow.FailedInvalid})
		return
	}
	same := func(other graph.InvitationParticipantInfo) bool { return sameParty(other.Identity, who) }
	s.wish(func(w *Wishes) {
		w.Invite = append(slices.DeleteFunc(w.Invite, same), graph.InvitationParticipantInfo{Identity: who, Hidden: i.Hidden})
	})
	var failure flow.Failure
	settled := func() bool {
		for _, known := range s.cfg.Call.Snapshot().Invites {
			switch {
			case !sameParty(known.Who.Identity, who):
			case known.State == signaling.InviteJoined:
				return true
			case known.State == signaling.InviteFailed:
				failure = failureOf(known.Reason)
				return true
			}
		}
		return false
	}
	err := s.await(s.life, i.Timeout, settled)
	if s.over(nil) {
		return
	}
	// What is settled is taken out, so that the same one can be invited again; what rings is withdrawn with it.
	s.wish(func(w *Wishes) { w.Invite = slices.DeleteFunc(w.Invite, same) })
	if err != nil {
		failure = flow.FailedNoAnswer
	}
	forgotten := func() bool {
		return !slices.ContainsFunc(s.cfg.Call.Snapshot().Invites, func(known signaling.Invite) bool {
			return sameParty(known.Who.Identity, who) && (known.State == signaling.InviteJoined || known.State == signaling.InviteFailed)
		})
	}
	// Else signalling might never see that it was taken out, if the next step invites them again. It takes no time worth telling.
	_ = s.await(s.life, forgetWithin, forgotten)
	if s.over(nil) {
		return
	}
	s.tell(flow.Invited{ID: i.ID, Failure: failure})
}

func sameParty(a, b graph.IdentitySet) bool {
	kind, one := a.Primary()
	other, two := b.Primary()
	return one != nil && two != nil && kind == other && graph.SameID(one.ID, two.ID)
}
