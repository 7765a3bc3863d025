// SPDX-License-Identifier: Apache-2.0

package flowtest

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
	"github.com/callfleet/callfleet/mediapod/flow/rehearse"
)

// Case is a random call.
type Case struct {
	Seed uint64
	// Name of the flow, Flows with its subflows, and the Program made of them.
	Name    string
	Flows   map[string]*callfleetv1.CallFlowSpec
	Program *callflow.Program
	// Call that the flow runs in: it came in, and was not answered.
	Call flow.Call
	// Plan is what the caller does because of the command with this ID, and how long after it was given.
	Plan map[int64][]rehearse.Due
	// Want is what comes of it on any stage; its Trace has no events.
	Want rehearse.Result
}

// Random makes the call of a seed. It is an error if the flow is refused.
func Random(seed uint64) (*Case, error) {
	c := &Case{
		Seed: seed, Name: "main", Plan: map[int64][]rehearse.Due{},
		Call: flow.Call{
			ID: fmt.Sprintf("call-%d", seed), UID: fmt.Sprintf("uid-%d", seed), Incoming: true,
			Caller: callfleetv1.Caller{Kind: callfleetv1.CallerPhone, ID: "+12065550199", DisplayName: "Ann"},
			Called: callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: "bot"},
		},
	}
	draw := rand.New(rand.NewPCG(seed, 1))
	c.Flows = map[string]*callfleetv1.CallFlowSpec{}
	inner := (&architect{Rand: draw}).flow(false)
	outer := (&architect{Rand: draw, subflows: []string{"inner"}}).flow(false)
	main := &architect{Rand: draw, subflows: []string{"inner", "outer"}}
	c.Flows["main"], c.Flows["outer"], c.Flows["inner"] = main.flow(true), outer, inner
	c.keepUsed()
	program, errs := callflow.Compile(c.Name, c.Flows)
	if len(errs) > 0 {
		return nil, fmt.Errorf("random flow %d is refused: %w", seed, errs.ToAggregate())
	}
	c.Program = program

	machine := c.Machine()
	caller := &improviser{Rand: draw, program: program, machine: machine, plan: c.Plan}
	c.Want = c.rehearse(machine, caller)
	return c, nil
}

// Machine is one at the start of the call.
func (c *Case) Machine() *flow.Machine { return flow.New(c.Program, c.Call) }

// keepUsed drops flows that nothing runs.
func (c *Case) keepUsed() {
	used := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		used[name] = true
		for _, s := range c.Flows[name].Steps {
			if s.Subflow != nil {
				visit(s.Subflow.FlowRef.Name)
			}
		}
	}
	visit(c.Name)
	maps.DeleteFunc(c.Flows, func(name string, _ *callfleetv1.CallFlowSpec) bool { return !used[name] })
}

func (c *Case) rehearse(m *flow.Machine, caller rehearse.Caller) rehearse.Result {
	r := rehearse.Play(context.Background(), rehearse.Call{
		Machine: m, Caller: caller, Begins: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		Length:  func(flow.Prompt) time.Duration { return PromptLength },
		Outcome: func(_ string, command flow.Command) rehearse.Outcome { return c.Outcome(command) },
	})
	r.Trace = withoutEvents(r.Trace)
	return r
}

func withoutEvents(all []flow.Entry) []flow.Entry {
	var kept []flow.Entry
	for _, e := range all {
		if e.Kind != flow.EntryEvent {
			kept = append(kept, e)
		}
	}
	return kept
}

// Outcome is what must become of a Transfer, an Invite or an Ask.
func (c *Case) Outcome(command flow.Command) rehearse.Outcome {
	var id int64
	switch command := command.(type) {
	case flow.Transfer:
		id = command.ID
	case flow.Invite:
		id = command.ID
	case flow.Ask:
		id = command.ID
	}
	draw := rand.New(rand.NewPCG(c.Seed, uint64(id)<<8))
	o := rehearse.Outcome{After: half}
	ask, isAsk := command.(flow.Ask)
	switch n := draw.IntN(6); {
	case !isAsk && n < 2:
		o.Failure = flow.FailedNoAnswer
	case !isAsk && n < 4:
		o.Failure = flow.FailedDeclined
	case !isAsk:
	case n == 0:
		o.Failure = flow.FailedTimeout
	case n == 1:
		o.Variables = map[string]string{"nobody": "asked"} // which the step does not set
	default:
		o.Variables = map[string]string{"b": fmt.Sprint(draw.IntN(3)), "d": "+12065550102"}
		if n > 3 {
			o.Next = ask.Webhook.Choices[0]
		}
	}
	return o
}

// Ask implements flow.Asker.
func (c *Case) Ask(_ context.Context, a flow.Ask, _ flow.Call) flow.Answered {
	o := c.Outcome(a)
	return flow.Answered{ID: a.ID, Variables: o.Variables, Next: o.Next, Failure: o.Failure}
}

// Clock is what Run needs of a clock. Tests of stages use clock.RealClock in a bubble of testing/synctest.
type Clock interface {
	clock.WithTicker
	clock.WithDelayedExecution
}

// Run runs the call on a stage; act has the caller do something, and is called from any goroutine. A call that is redirected or rejected
// has its command given to the stage too. The outcomes of transfers and invitations, and the length of prompts, are for the stage's
// surroundings to see to; webhooks are answered by the case.
func (c *Case) Run(ctx context.Context, clk Clock, stage func(tell func(flow.Event)) flow.Stage, act func(rehearse.Act)) rehearse.Result {
	m := c.Machine()
	var r rehearse.Result
	r.End = flow.Run(ctx, flow.Config{
		Machine: m, Asker: c, Clock: clk,
		Stage: func(tell func(flow.Event)) flow.Stage {
			return &acted{Stage: stage(tell), plan: c.Plan, clock: clk, act: act}
		},
		Trace: func(e flow.Entry) {
			r.Trace = append(r.Trace, e)
			if e.Kind == flow.EntryStep {
				r.Steps = append(r.Steps, e.Text)
			}
		},
	})
	r.Variables, r.Message = m.Variables(), m.Message()
	return r
}

// acted is a stage in a call whose caller acts on its commands.
type acted struct {
	flow.Stage
	plan  map[int64][]rehearse.Due
	clock clock.WithDelayedExecution
	act   func(rehearse.Act)

	mu     sync.Mutex
	timers []clock.Timer
}

func (a *acted) Do(c flow.Command) {
	a.Stage.Do(c)
	var id int64
	switch c := c.(type) {
	case flow.Play:
		id = c.ID
	case flow.Record:
		id = c.ID
	}
	for _, due := range a.plan[id] {
		a.mu.Lock()
		a.timers = append(a.timers, a.clock.AfterFunc(due.After, func() { a.act(due.Act) }))
		a.mu.Unlock()
	}
}

func (a *acted) Close() {
	a.mu.Lock()
	for _, t := range a.timers {
		t.Stop()
	}
	a.mu.Unlock()
	a.Stage.Close()
}

// Differences of what came of the call from what must; "" if there are none. Events and times are not compared.
func (c *Case) Differences(got rehearse.Result) string {
	want := c.Want
	got.Trace = withoutEvents(got.Trace)
	want.Lasted, got.Lasted = 0, 0
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Sprintf("call of seed %d (-want +got):\n%s\nthe whole trace wanted:\n%s", c.Seed, diff, lines(want.Trace))
	}
	return ""
}

func lines(trace []flow.Entry) string {
	var b strings.Builder
	for _, e := range trace {
		b.WriteString(e.String() + "\n")
	}
	return b.String()
}
