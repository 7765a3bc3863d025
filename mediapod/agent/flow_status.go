// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"fmt"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/story"
)

// maxFlowMessage is the bound of the API's schema.
const maxFlowMessage = 512

// flowChanged takes where the flow is. It does not wait.
func (r *runner) flowChanged(p flow.Progress) {
	f := &r.flow
	f.mu.Lock()
	f.progress = &p
	f.offered++
	f.mu.Unlock()
	r.poke()
}

// tellFlow brings the story up to date on the flow. It says whether there was anything new.
func (r *runner) tellFlow() bool {
	f := &r.flow
	f.mu.Lock()
	p, offered := f.progress, f.offered
	f.mu.Unlock()
	if offered == f.told {
		return false
	}
	f.told = offered
	st := &callfleetv1.FlowStatus{
		Name: r.flowName(), Revision: f.revision(), Step: p.Step, Steps: p.Steps, End: p.End, Message: story.Clip(p.Message, maxFlowMessage),
	}
	if p.State != nil && r.hosting == callfleetv1.HostingService {
		st.Sealed = r.sealFlow(p.State)
	}
	r.story.Flow, r.story.FlowProgress = st, offered
	return true
}

func (r *runner) flowName() string {
	f := &r.flow
	switch {
	case f.before != nil:
		return f.before.Name
	case f.version != nil:
		return f.version.flow
	}
	return ""
}

// revision that the call runs.
func (f *flowRun) revision() string {
	if f.before != nil {
		return f.before.Revision
	}
	return f.version.revision
}

// sealFlow closes the state. A flow that cannot be sealed goes on; should its pod be lost, it is lost with it.
func (r *runner) sealFlow(state []byte) string {
	sealed, err := r.agent.sealer.seal(r.uid, state)
	if err == nil {
		return sealed
	}
	if f := &r.flow; !f.unsealed {
		f.unsealed = true
		r.log.Error(err, "where the flow is cannot be kept; should this pod be lost, the flow cannot go on in another")
		r.story.Note(story.Event(r.agent.clock.Now(), eventFlowTrouble, "should this pod be lost, the flow cannot go on in another: %s", err))
	}
	return ""
}

// flowSaved returns when the progress that was told last is in the API server.
func (r *runner) flowSaved(ctx context.Context) error {
	f := &r.flow
	f.mu.Lock()
	wanted := f.offered
	f.mu.Unlock()
	r.writer.hurry()
	r.poke()
	for {
		f.mu.Lock()
		if f.written >= wanted {
			f.mu.Unlock()
			return nil
		}
		if f.wrote == nil {
			f.wrote = make(chan struct{})
		}
		wrote := f.wrote
		f.mu.Unlock()
		select {
		case <-wrote:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flowWritten is told what is in the API server.
func (r *runner) flowWritten(s story.Story) {
	f := &r.flow
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = max(f.written, s.FlowProgress)
	if f.wrote != nil {
		close(f.wrote)
		f.wrote = nil
	}
}

// traceFlow has the timeline tell of steps that people ask about: those in which others than the caller take part.
func (r *runner) traceFlow() func(flow.Entry) {
	program := r.flow.version.program
	return func(e flow.Entry) {
		if e.Kind != flow.EntryStep {
			return
		}
		ref, _ := program.Parse(e.Text)
		if what := remarkable(program, ref); what != "" {
			r.noteFlow(eventFlowStep, "%s: %s", e.Text, what)
		}
	}
}

// remarkable is what a step does that people ask about; "" if they do not.
func remarkable(p *callflow.Program, ref callflow.Ref) string {
	switch step := p.Step(ref); {
	case step == nil:
	case step.Record != nil:
		return "record"
	case step.Transfer != nil:
		return "transfer"
	case step.Invite != nil:
		return "invite"
	case step.Webhook != nil:
		return "webhook"
	}
	return ""
}

// flowFailure is the end of a call whose flow could not go on.
func (r *runner) flowFailure(end *callfleetv1.CallEnd) *callfleetv1.CallEnd {
	f := &r.flow
	f.mu.Lock()
	defer f.mu.Unlock()
	if end.Reason != callfleetv1.EndFlowFailed || f.progress == nil || f.progress.Message == "" {
		return end
	}
	told := *end
	told.Message = story.Clip(fmt.Sprintf("%s Mend CallFlow %s, and see that what it needs is there; status.flow tells the step.", f.progress.Message, r.flowName()), maxMessage)
	return &told
}
