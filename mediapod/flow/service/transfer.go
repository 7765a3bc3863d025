// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"
	"time"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// putThrough is how long the service gets to put two parties through that both talk to the bot already.
const putThrough = 30 * time.Second

// transferCall gives the call away, and tells what becomes of it.
func (s *Signals) transferCall(t flow.Transfer) {
	failure, settled := s.transferTo(t)
	if !settled {
		return // awaitEnd tells
	}
	if id := s.takeTransfer(); id != 0 {
		s.tell(flow.Transferred{ID: id, Failure: failure})
	}
}

// transferTo returns what became of a transfer; settled is false if the call is over, or let go of.
func (s *Signals) transferTo(t flow.Transfer) (failure flow.Failure, settled bool) {
	who, ok := party(t.To)
	if !ok {
		return flow.FailedInvalid, true
	}
	target := graph.InvitationParticipantInfo{Identity: who}
	transferee, ok := s.transferee()
	if !ok {
		return flow.FailedRefused, true
	}
	if t.Consultative {
		return s.consult(t, target, transferee)
	}
	return s.give(s.life, t.Timeout, signaling.Transfer{Target: target, Transferee: transferee})
}

// give has the service transfer the call. When it takes too long the flow goes on; should they answer all the same, the call is
// transferred then: there is no way to take a transfer back ("call: transfer").
func (s *Signals) give(ctx context.Context, most time.Duration, a signaling.Transfer) (flow.Failure, bool) {
	ctx, cancel := s.within(ctx, most)
	defer cancel()
	_, err := s.act(ctx, a)
	switch {
	case err == nil:
		return "", true
	case s.over(err):
		return "", false
	}
	s.cfg.Log.V(1).Info("a transfer failed", "cause", err.Error())
	return failureOfAction(err), true
}

// transferee is who goes: nobody need be named in a call of two, and in a group call it is the one person the bot talks to. Of
// several nobody can tell whom the flow means.
func (s *Signals) transferee() (*graph.ParticipantInfo, bool) {
	snap := s.cfg.Call.Snapshot()
	if !snap.Group {
		return nil, true
	}
	var who *graph.ParticipantInfo
	for i := range snap.Participants {
		p := &snap.Participants[i]
		kind, _ := p.Info.Identity.Primary()
		if p.IsInLobby || kind == "application" || kind == "applicationInstance" {
			continue
		}
		if who != nil {
			return nil, false
		}
		info := p.Info
		info.ParticipantID = p.ID
		who = &info
	}
	return who, who != nil
}

// consult calls them first, and puts the caller through once they have answered.
func (s *Signals) consult(t flow.Transfer, target graph.InvitationParticipantInfo, transferee *graph.ParticipantInfo) (flow.Failure, bool) {
	second, err := s.cfg.Consult(target.Identity, t.Timeout, s.Changed)
	if err != nil {
		s.cfg.Log.Info("the second call of a consultative transfer cannot be made", "cause", err.Error())
		return flow.FailedRefused, true
	}
	// The service ends it when it puts them through. In any other case nobody has a use for it.
	defer second.HangUp(signaling.EndedByBot)
	if failure, settled := s.awaitAnswer(second, t.Timeout); failure != "" || !settled {
		return failure, settled
	}
	failure, settled := s.give(s.life, putThrough, signaling.Transfer{Target: target, Transferee: transferee, ReplacesCallID: second.Snapshot().CallID})
	if failure == flow.FailedNoAnswer {
		failure = flow.FailedRefused // they have answered; it is the service that does not put them through
	}
	return failure, settled
}

// awaitAnswer waits until they have answered.
func (s *Signals) awaitAnswer(second Call, most time.Duration) (failure flow.Failure, settled bool) {
	ctx, cancel := context.WithCancel(s.life)
	defer cancel()
	go func() { // the caller does not wait any longer
		select {
		case <-s.cfg.Call.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	var end *signaling.End
	answered := func() bool {
		snap := second.Snapshot()
		end = snap.End
		return end != nil || snap.Phase == signaling.PhaseEstablished
	}
	switch err := s.await(ctx, most, answered); {
	case err == errTooLong:
		return flow.FailedNoAnswer, true
	case err != nil:
		return "", false
	case end != nil:
		return failureOfEnd(end), true
	}
	return "", true
}
