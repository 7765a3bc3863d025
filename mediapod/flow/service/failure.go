// SPDX-License-Identifier: Apache-2.0

package service

import (
	"errors"

	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/signaling"
)

// failures are graph's reasons in the words of flows; what is in neither list the service would not do.
var failures = map[string]flow.Failure{
	graph.ReasonNoAnswer:          flow.FailedNoAnswer,
	graph.ReasonTimeout:           flow.FailedNoAnswer,
	graph.ReasonNoEndpoint:        flow.FailedNoAnswer,
	graph.ReasonUnreachable:       flow.FailedNoAnswer,
	graph.ReasonCalleeUnavailable: flow.FailedNoAnswer,
	graph.ReasonCallCanceled:      flow.FailedNoAnswer,
	graph.ReasonNobodyJoined:      flow.FailedNoAnswer,

	graph.ReasonBusy:     flow.FailedDeclined,
	graph.ReasonDeclined: flow.FailedDeclined,

	graph.ReasonInvalidNumber:   flow.FailedInvalid,
	graph.ReasonCalleeNotFound:  flow.FailedInvalid,
	graph.ReasonCalleeRejected:  flow.FailedInvalid,
	graph.ReasonRequestRejected: flow.FailedInvalid,
}

// failureOf is why something came to nothing, by the reason the service gave.
func failureOf(reason string) flow.Failure {
	if f, ok := failures[reason]; ok {
		return f
	}
	return flow.FailedRefused
}

// failureOfAction is why an action was not done.
func failureOfAction(err error) flow.Failure {
	refusal, ok := errors.AsType[*signaling.ActionError](err)
	switch {
	case !ok:
		return flow.FailedRefused
	case refusal.Failure == signaling.ActionInvalid:
		return flow.FailedInvalid
	case refusal.Failure == signaling.ActionUncertain:
		return flow.FailedNoAnswer
	}
	return failureOf(refusal.Reason)
}

// ends are how a call to somebody ended, in the words of flows.
var ends = map[signaling.EndReason]flow.Failure{
	signaling.EndNoAnswer:          flow.FailedNoAnswer,
	signaling.EndCalleeUnreachable: flow.FailedNoAnswer,
	signaling.EndCallDeclined:      flow.FailedDeclined,
	signaling.EndRemoteHungUp:      flow.FailedDeclined, // they took it, and were gone before the caller was put through
	signaling.EndInvalidTarget:     flow.FailedInvalid,
}

func failureOfEnd(end *signaling.End) flow.Failure {
	if end == nil {
		return flow.FailedRefused
	}
	if f, ok := ends[end.Reason]; ok {
		return f
	}
	return flow.FailedRefused
}

// party is how Graph is told of somebody a flow names; ok is false if it names nobody.
func party(p flow.Party) (who graph.IdentitySet, ok bool) {
	switch {
	case p.User != "":
		return graph.IdentitySet{User: &graph.Identity{ID: p.User}}, true
	case p.Phone != "":
		return graph.IdentitySet{Phone: &graph.Identity{ID: p.Phone}}, true
	}
	return graph.IdentitySet{}, false
}
