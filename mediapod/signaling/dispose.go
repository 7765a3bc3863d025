// SPDX-License-Identifier: Apache-2.0

package signaling

import (
	"context"
	"net/http"
	"time"

	"github.com/callfleet/callfleet/graph"
)

// redirectWithin bounds the tries to redirect a call: the service waits fifteen seconds, and what is left is for turning the
// caller away.
const redirectWithin = 10 * time.Second

// passOn has another pod take the call, or tells the caller that there is none.
func (s *Server) passOn(in Incoming, first bool) disposition {
	if in.Last {
		return s.reject(in, first, graph.RejectBusy)
	}
	return disposition{code: http.StatusServiceUnavailable}
}

func (s *Server) reject(in Incoming, first bool, reason graph.RejectReason) disposition {
	return s.dispose(in, first, "reject an incoming call", func(ctx context.Context, api GraphAPI, callID, scenarioID string) error {
		return api.RejectCall(ctx, scenarioID, callID, reason)
	})
}

// redirect gives the call to somebody else. If it cannot be given, the caller is told that the bot is busy, and does not
// listen to it ring until the service gives up.
func (s *Server) redirect(in Incoming, first bool, to graph.Redirect) disposition {
	const what = "redirect an incoming call, or turn its caller away"
	return s.dispose(in, first, what, func(ctx context.Context, api GraphAPI, callID, scenarioID string) error {
		soon, cancel := context.WithTimeout(ctx, redirectWithin)
		defer cancel()
		err := api.RedirectCall(soon, scenarioID, callID, to)
		if err == nil || graph.IsNotFound(err) {
			return err
		}
		s.metrics.undone[undoneRedirect].Inc()
		s.log.Info("could not redirect an incoming call, so that its caller is told that the bot is busy",
			"call", callID, "scenario", scenarioID, "error", err.Error(), "cause", graph.ExplainError(err).Message(), "targets", len(to.Targets))
		return api.RejectCall(ctx, scenarioID, callID, graph.RejectBusy)
	})
}

// dispose makes the request that rids the bot of a call.
func (s *Server) dispose(in Incoming, first bool, what string, do errandFunc) disposition {
	begun := s.forOther(in.CallID, in.ChainID, in.TenantID, what, false, func(ctx context.Context, api GraphAPI, callID, scenarioID string) error {
		return s.turned(do(ctx, api, callID, scenarioID))
	})
	switch {
	case begun:
		return disposition{}
	case first:
		// Too much to do here, or the pod stops. If there is no other, the service at least knows, and may send it again.
		return disposition{code: http.StatusServiceUnavailable}
	}
	// The request holds other calls, which were acted on: it must not be sent again.
	s.metrics.undone[undoneReject].Inc()
	return disposition{}
}

// turnAway rejects a call whose answer failed. Where the service refuses, the answer may have been taken: then it is hung up.
// What another pod has answered is left alone, and what cannot be told now tells of itself later.
func (s *Server) turnAway(c *Call) {
	snap, ours := c.machine.snap, c.machine.callback
	begun := s.forOther(snap.CallID, snap.ScenarioID, snap.TenantID, "reject a call that could not be answered", true,
		func(ctx context.Context, api GraphAPI, callID, scenarioID string) error {
			err := api.RejectCall(ctx, scenarioID, callID, graph.RejectBusy)
			_ = s.turned(err) // counts; what the service does not know may be a call that was answered
			if err == nil || !unknownCall(err) {
				return err
			}
			call, getErr := api.GetCall(ctx, scenarioID, callID)
			if getErr != nil || call.State.Rank() <= rankIncoming || call.CallbackURI != ours {
				return err
			}
			return s.hangUp(ctx, api, callID, scenarioID)
		})
	if !begun {
		s.metrics.undone[undoneReject].Inc()
	}
}

// turned is what became of a caller who was to be sent away. That they gave up is as good.
func (s *Server) turned(err error) error {
	if err == nil || graph.IsNotFound(err) {
		return nil
	}
	s.metrics.undone[undoneReject].Inc()
	return err
}
