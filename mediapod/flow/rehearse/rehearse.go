// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"context"
	"fmt"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

const (
	// longestCall is when a rehearsal is given up: a flow that still goes on then does so for ever.
	longestCall = 24 * time.Hour
	// mostSteps is the same for a flow that does a lot.
	mostSteps = 10_000
)

// Caller is the other end of a call. It is told what goes on, and says what the caller does because of it.
type Caller interface {
	// Answered: the call has begun.
	Answered() []Due
	// Given: the flow has this command carried out.
	Given(flow.Command) []Due
	// Told: this has happened.
	Told(flow.Event) []Due
}

// Script is a caller who does the same whatever happens.
type Script []Due

// Answered begins the script.
func (s Script) Answered() []Due { return s }

// Given is of no interest.
func (s Script) Given(flow.Command) []Due { return nil }

// Told is of no interest.
func (s Script) Told(flow.Event) []Due { return nil }

// Outcome is what becomes of a transfer, an invitation or a webhook, and when.
type Outcome struct {
	After   time.Duration
	Failure flow.Failure
	// Variables and Next are a webhook's answer.
	Variables map[string]string
	Next      callfleetv1.StepName
}

// Call is a call to be rehearsed.
type Call struct {
	Machine *flow.Machine
	Caller  Caller
	// Begins is when the call comes.
	Begins time.Time
	// Length of a prompt; nil: LengthOf.
	Length func(flow.Prompt) time.Duration
	// Outcome of a Transfer, an Invite or an Ask of the step with this name; nil: it succeeds.
	Outcome func(step string, c flow.Command) Outcome
	// Heard is told each line of the conversation. It may be nil.
	Heard func(Line)
}

// Line is something said or done, since the call was answered.
type Line struct {
	After time.Duration
	// Who: bot, caller, flow or call.
	Who, What string
}

// Result is what came of a rehearsal.
type Result struct {
	// Steps that were begun, in order.
	Steps []string
	// Trace of steps, commands, events and end.
	Trace     []flow.Entry
	Variables map[string]string
	// End of the flow; "" if it went on after a day, or after ten thousand steps.
	End     callfleetv1.FlowEnd
	Message string
	// Lasted is how long the call lasted.
	Lasted time.Duration
}

// Play rehearses a call. It ends early with the context.
func Play(ctx context.Context, c Call) Result {
	p := &player{Call: c, now: c.Begins}
	if p.Length == nil {
		p.Length = LengthOf
	}
	if p.Outcome == nil {
		p.Outcome = func(string, flow.Command) Outcome { return Outcome{} }
	}
	p.carry(c.Machine.Begin(p.now))
	if c.Machine.NeedsAnswer() {
		p.line("call", "answered")
		p.plan(c.Caller.Answered())
		p.carry(c.Machine.Answered(p.now))
	}
	for ctx.Err() == nil && c.Machine.End() == "" && p.step() {
	}
	return p.result()
}

func (p *player) result() Result {
	m := p.Machine
	if m.End() != "" {
		p.trace(flow.EntryEnd, m.End())
		p.line("call", "%s", ended(m.End()))
	}
	return Result{Steps: p.steps, Trace: p.entries, Variables: m.Variables(), End: m.End(), Message: m.Message(), Lasted: p.now.Sub(p.Begins)}
}

// LengthOf is how long a prompt is taken to be: 60 ms for a character of a text, which is some 150 words a minute in English, at least a
// second; FileLength for a file.
func LengthOf(p flow.Prompt) time.Duration {
	if p.Text == "" {
		return FileLength
	}
	return max(time.Second, time.Duration(len([]rune(p.Text)))*60*time.Millisecond)
}

func ended(end callfleetv1.FlowEnd) string {
	switch end {
	case callfleetv1.FlowCallerHungUp:
		return "over: the caller hung up"
	case callfleetv1.FlowTransferred:
		return "over: somebody else has the caller"
	case callfleetv1.FlowRedirected:
		return "over: it was sent on before it was answered"
	case callfleetv1.FlowReturned:
		return "goes on: the flow is over, and the bot listens"
	case callfleetv1.FlowFailed:
		return "over: the flow failed"
	}
	return "over: the flow hung up"
}

func (p *player) trace(kind flow.EntryKind, what any) {
	p.entries = append(p.entries, flow.Entry{Kind: kind, Text: fmt.Sprint(what)})
}

func (p *player) line(who, format string, args ...any) {
	if p.Heard != nil {
		p.Heard(Line{After: p.now.Sub(p.Begins), Who: who, What: fmt.Sprintf(format, args...)})
	}
}
