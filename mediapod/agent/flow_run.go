// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	hosted "github.com/callfleet/callfleet/mediapod/flow/service"
	"github.com/callfleet/callfleet/mediapod/signaling"
	"github.com/callfleet/callfleet/mediapod/story"
)

// The events of a flow. None tells of a key or a variable.
const (
	eventFlowStarted = "FlowStarted"
	eventFlowResumed = "FlowResumed"
	eventFlowStep    = "FlowStep"
	eventFlowEnded   = "FlowEnded"
	eventFlowTrouble = "FlowTrouble"
)

// flowEndsWithin is what a flow gets to take in that its call is over, which takes it no time, and what a webhook under way gets to end.
const flowEndsWithin = 5 * time.Second

// flowRun is the flow of one call. The zero value has none.
type flowRun struct {
	// Of the runner's goroutine:
	version *flowVersion
	// machine of a call that came in, which has seen to whether it is answered.
	machine *flow.Machine
	// before is how far another process has come with the flow of a call that is taken over.
	before *callfleetv1.FlowStatus
	begun  bool
	stop   context.CancelFunc
	done   chan struct{} // closed when nothing more comes of it
	told   int64         // the progress that the story tells of

	mu       sync.Mutex
	wishes   hosted.Wishes
	signals  interface{ Changed() } // once there are
	keeping  interface{ Wait() }    // where the service records
	progress *flow.Progress
	offered  int64 // counts progress
	written  int64 // the last that is in the API server
	wrote    chan struct{}
	unsealed bool // it was told that nothing can be sealed
}

// load sets the flow of a call that this process has from its beginning.
func (f *flowRun) load(v *flowVersion) { f.version = v }

// any: there is a flow, or was one.
func (f *flowRun) any() bool { return f.version != nil || f.before != nil }

func (f *flowRun) wished() hosted.Wishes {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wishes
}

// tend begins the flow once the call is established, and has it look at the call.
func (f *flowRun) tend(r *runner, both legs) {
	if f.begun {
		f.mu.Lock()
		signals := f.signals
		f.mu.Unlock()
		if signals != nil {
			signals.Changed()
		}
		return
	}
	if !f.any() || r.story.Signal.Phase != signaling.PhaseEstablished {
		return
	}
	f.begun, f.done = true, make(chan struct{})
	var ctx context.Context
	ctx, f.stop = context.WithCancel(r.agent.life)
	keeper := r.keeps(both.signal)
	go func() {
		defer close(f.done)
		r.runFlow(ctx, both, keeper)
	}()
}

// close returns when the flow has taken in that the call is over, or that it goes on in another process.
func (f *flowRun) close(r *runner, over bool) {
	if !f.begun {
		return
	}
	late := r.agent.clock.NewTimer(flowEndsWithin)
	defer late.Stop()
	if over {
		select {
		case <-f.done:
		case <-late.C():
		}
	}
	f.stop()
	select {
	case <-f.done:
	case <-late.C():
		r.log.Info("the flow of a call that is over goes on; it is left alone")
		return
	}
	f.mu.Lock()
	keeping := f.keeping
	f.mu.Unlock()
	if keeping != nil {
		keeping.Wait() // the service drops what it has recorded soon after the call, so that this does not last
	}
}

// runFlow carries the flow to its end.
func (r *runner) runFlow(ctx context.Context, both legs, keeper *flowKeeper) {
	m, err := r.flowMachine(ctx, both.signal)
	switch {
	case ctx.Err() != nil, m == nil && err == nil:
		return
	case err != nil:
		r.flowChanged(flow.Progress{Step: r.flow.stepBefore(), Steps: r.flow.stepsBefore(), End: callfleetv1.FlowFailed, Message: "The flow could not go on: " + err.Error() + "."})
		r.noteFlow(eventFlowEnded, "%s: %s", callfleetv1.FlowFailed, err)
		r.leaveForFlow(callfleetv1.FlowFailed)
		return
	}
	config := flow.Config{
		Machine: m, Stage: r.stageOf(both, keeper, m), Asker: r.agent.webhooks.Flow(r.flowName()), Clock: r.agent.clock, Changed: r.flowChanged, Trace: r.traceFlow(),
	}
	if r.hosting == callfleetv1.HostingService {
		config.Saved = r.flowSaved
	}
	switch end := flow.Run(ctx, config); end {
	case "":
	case callfleetv1.FlowFailed:
		r.noteFlow(eventFlowEnded, "%s at step %s: %s", end, m.At(), m.Message())
	default:
		r.noteFlow(eventFlowEnded, "%s at step %s", end, m.At())
	}
}

// flowMachine is the machine that the flow goes on with; nil if there is nothing to go on with.
func (r *runner) flowMachine(ctx context.Context, call signalCall) (*flow.Machine, error) {
	f := &r.flow
	switch {
	case f.before != nil && f.before.End != "":
		return nil, nil
	case f.before != nil:
		return r.resumeFlow(ctx, call)
	}
	r.noteFlow(eventFlowStarted, "%s, revision %s", f.version.flow, f.version.revision)
	if f.machine != nil {
		return f.machine, nil
	}
	return flow.New(f.version.program, r.flowCall(call.Snapshot())), nil
}

// resumeFlow goes on where another process left the flow.
func (r *runner) resumeFlow(ctx context.Context, call signalCall) (*flow.Machine, error) {
	f := &r.flow
	for retry := 250 * time.Millisecond; f.version == nil; retry = min(2*retry, 5*time.Second) {
		v, err := r.agent.flows.at(ctx, f.before.Revision)
		if _, later := errors.AsType[unready](err); err != nil && !later {
			return nil, err
		}
		f.version = v
		if v != nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-r.agent.clock.After(retry):
		}
	}
	if f.before.Sealed == "" {
		return nil, errors.New("the process that ran it before left nothing to go on from; its log says why")
	}
	state, err := r.agent.sealer.open(r.uid, f.before.Sealed)
	if err != nil {
		return nil, err
	}
	m, err := flow.Resume(f.version.program, r.flowCall(call.Snapshot()), state)
	if err != nil {
		return nil, err
	}
	r.noteFlow(eventFlowResumed, "%s, revision %s, at step %s", f.version.flow, f.version.revision, m.At())
	return m, nil
}

func (f *flowRun) stepBefore() string {
	if f.before == nil {
		return ""
	}
	return f.before.Step
}

func (f *flowRun) stepsBefore() int64 {
	if f.before == nil {
		return 0
	}
	return f.before.Steps
}

// flowCall is what the flow may know of its call.
func (r *runner) flowCall(snap signaling.Snapshot) flow.Call {
	return r.flowCallLocked(r.agent.mediaPod(), snap)
}

// flowCallLocked is the same for who has the pod at hand, and holds the agent's lock.
func (r *runner) flowCallLocked(pod *callfleetv1.MediaPod, snap signaling.Snapshot) flow.Call {
	c := flow.Call{ID: snap.CallID, UID: r.uid, Answered: true, Group: snap.Group}
	bot := callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: string(pod.Spec.Identity.AppID)}
	o := r.object.call
	switch {
	case o == nil:
		c.Caller = bot
	case o.Spec.Incoming != nil:
		c.Incoming = true
		c.Caller, c.Called = callerOf(o.Spec.Incoming.From), callerOf(o.Spec.Incoming.To)
	default:
		c.Caller = bot
		if len(o.Spec.To) > 0 {
			c.Called = calledOf(o.Spec.To[0])
		}
	}
	return c
}

func callerOf(c *callfleetv1.Caller) callfleetv1.Caller {
	if c == nil {
		return callfleetv1.Caller{Kind: callfleetv1.CallerUnknown}
	}
	return *c
}

func calledOf(who callfleetv1.Identity) callfleetv1.Caller {
	switch {
	case who.User != "":
		return callfleetv1.Caller{Kind: callfleetv1.CallerUser, ID: string(who.User)}
	case who.Phone != "":
		return callfleetv1.Caller{Kind: callfleetv1.CallerPhone, ID: string(who.Phone)}
	}
	return callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: string(who.Application)}
}

// noteFlow has the timeline tell of the flow.
func (r *runner) noteFlow(event, format string, args ...any) {
	r.mu.Lock()
	r.happened = addBounded(r.happened, story.Event(r.agent.clock.Now(), event, format, args...), maxHappened)
	r.mu.Unlock()
	r.poke()
}

// leaveForFlow has the bot leave because the flow ended the call.
func (r *runner) leaveForFlow(end callfleetv1.FlowEnd) {
	why := callfleetv1.EndFlowEnded
	if end == callfleetv1.FlowFailed {
		why = callfleetv1.EndFlowFailed
	}
	r.leaveFor(why)
	r.poke()
}
