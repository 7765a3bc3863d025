// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/graph"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/prompts"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// prepare turns the behaviour of the API into what is to be done. Flows are found by find.
func (a *Agent) prepare(ctx context.Context, hosting callfleetv1.Hosting, b *callfleetv1.Behavior, find func(context.Context, string) (*flowVersion, error)) (behavior, error) {
	does, err := prepare(ctx, a.prompts, hosting, b)
	if err == nil && b != nil && b.FlowRef != nil {
		does.flow, err = find(ctx, b.FlowRef.Name)
	}
	return does, err
}

// warmEvery is how often the prompts of rules' flows are looked at, so that a caller hears them though the API server is away: what was
// read in the last hour can be played without it. Flows have many prompts, and pods are many.
const warmEvery = 20 * time.Minute

// warmFlows has the prompts of the rules' flows at hand.
func (a *Agent) warmFlows(ctx context.Context, book *rulebook) {
	ctx, cancel := context.WithTimeout(ctx, prepareTimeout)
	defer cancel()
	for _, p := range book.behaviors {
		a.warmFlow(ctx, p.behavior.flow)
	}
}

// warmFlow has those of one at hand. What is wrong with one is told when it is to be played.
func (a *Agent) warmFlow(ctx context.Context, v *flowVersion) {
	if v == nil || a.flowSounds == nil {
		return
	}
	if warmed, ok := a.warmed[v.revision]; ok && a.clock.Since(warmed) < warmEvery {
		return
	}
	for _, p := range v.files {
		if _, err := a.flowSounds.MediaInfo(ctx, p); err != nil {
			a.log.V(1).Info("a prompt of a flow cannot be had yet", "flow", v.flow, "configMap", p.ConfigMap.Name, "key", p.ConfigMap.Key, "cause", err.Error())
			return // the next time, in a minute
		}
	}
	a.warmed[v.revision] = a.clock.Now()
}

// temporary reports whether another attempt may do better than the one that ended with err.
func temporary(err error) bool {
	_, soon := errors.AsType[unready](err)
	return soon || prompts.Temporary(err)
}

// prelude runs the steps of a flow that come before the call is answered. It decides about the call, or leaves it to be answered. The
// caller holds a.mu.
func (a *Agent) prelude(r *runner, in signaling.Incoming, v *flowVersion) (decision signaling.Decision, outcome string, decided bool) {
	if v == nil {
		return signaling.Decision{}, "", false
	}
	call := r.flowCallLocked(a.pod, signaling.Snapshot{CallID: in.CallID, Group: in.Group})
	call.Answered = false
	m := flow.New(v.program, call)
	for _, c := range m.Begin(a.clock.Now()) {
		switch c := c.(type) {
		case flow.Redirect:
			return signaling.Decision{Redirect: redirect(c.To)}, "redirected", true
		case flow.HangUp:
			if m.End() != callfleetv1.FlowFailed {
				return signaling.Decision{Reject: graph.RejectNone}, "rejected", true
			}
			// That it failed is told where its calls are looked for.
			r.flow.load(v)
			r.flowChanged(flow.Progress{Step: m.At(), Steps: m.Steps(), End: m.End(), Message: m.Message()})
			end := r.flowFailure(story.EndOf(callfleetv1.EndFlowFailed))
			a.host(r, func(context.Context) (legs, *callfleetv1.CallEnd) { return legs{}, end })
			return signaling.Decision{Reject: graph.RejectNone}, "failed", true
		}
	}
	r.flow.load(v)
	r.flow.machine = m
	return signaling.Decision{}, "", false
}

func flowRefOf(b *callfleetv1.Behavior) *callfleetv1.FlowReference {
	if b == nil {
		return nil
	}
	return b.FlowRef
}

// takeOverFlow goes on with the flow of a call that another process had. One that had not told of it yet, had not begun it, or not long
// before, and it begins anew.
func (r *runner) takeOverFlow(ctx context.Context, s *subject, ref *callfleetv1.FlowReference, call signalCall) (legs, *callfleetv1.CallEnd) {
	r.player.load(behavior{}, true)
	if before := s.status.Flow; before != nil {
		r.flow.before = before.DeepCopy()
		r.flow.wishes.Muted = s.status.Muted && !s.spec.Muted
		return legs{signal: call}, nil
	}
	v, err := r.agent.flows.awaitNewest(ctx, ref.Name)
	if err != nil {
		r.story.Unplayed = err.Error()
		return legs{signal: call}, nil
	}
	r.flow.load(v)
	return legs{signal: call}, nil
}
