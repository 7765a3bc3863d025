// SPDX-License-Identifier: Apache-2.0

package rehearse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// What others take their time for in a test.
const (
	// AnswersAfter is when somebody answers who is called.
	AnswersAfter = 5 * time.Second
	// WebhookAfter is when a web server answers.
	WebhookAfter = 200 * time.Millisecond
)

// Report is what came of a test.
type Report struct {
	Result
	Conversation []Line
	// Wrong is what is not as the test expects it, each with what is instead; a diff has lines of its own.
	Wrong []string
}

// Test plays a test of a flow, of which the program is made. A call in it comes in at the test's time, or now. It is an error if the
// test itself makes no sense.
func Test(ctx context.Context, p *callflow.Program, now time.Time, test callfleetv1.FlowTest) (Report, error) {
	script, err := Parse(test.Script)
	if err != nil {
		return Report{}, err
	}
	outcomes, err := outcomesOf(p, test.Outcomes)
	if err != nil {
		return Report{}, err
	}
	caller := callfleetv1.Caller{Kind: callfleetv1.CallerUnknown}
	if test.Caller != nil {
		caller = *test.Caller
	}
	if test.Time != nil {
		now = test.Time.Time
	}
	var r Report
	r.Result = Play(ctx, Call{
		Machine: flow.New(p, flow.Call{ID: "test", UID: "test", Incoming: true, Caller: caller}),
		Caller:  Script(script), Begins: now, Outcome: outcomes.of,
		Heard: func(l Line) { r.Conversation = append(r.Conversation, l) },
	})
	r.Wrong = compare(test.Expect, r.Result)
	return r, ctx.Err()
}

// outcomes by the name of the step.
type outcomes map[callfleetv1.StepName]callfleetv1.FlowOutcome

// outcomesOf are outcomes of steps that can have one: a wrong name would be a test of something else.
func outcomesOf(p *callflow.Program, list []callfleetv1.FlowOutcome) (outcomes, error) {
	steps := map[callfleetv1.StepName]bool{}
	collect(p, p.Start().Flow, map[string]bool{}, steps)
	all := outcomes{}
	for _, o := range list {
		if !steps[o.Step] {
			return nil, fmt.Errorf("there is an outcome of %s, which is no transfer, invite or webhook of the flow or its subflows; %s", o.Step, these(steps))
		}
		all[o.Step] = o
	}
	return all, nil
}

func these(steps map[callfleetv1.StepName]bool) string {
	if len(steps) == 0 {
		return "there are none"
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(steps)) {
		names = append(names, string(name))
	}
	return "there are " + strings.Join(names, ", ")
}

// collect finds the steps whose outcome others decide.
func collect(p *callflow.Program, name string, seen map[string]bool, steps map[callfleetv1.StepName]bool) {
	f := p.Flow(name)
	if f == nil || seen[name] {
		return
	}
	seen[name] = true
	for i := range f.Steps {
		s := &f.Steps[i]
		if s.Transfer != nil || s.Invite != nil || s.Webhook != nil {
			steps[s.Name] = true
		}
		if s.Subflow != nil {
			collect(p, s.Subflow.FlowRef.Name, seen, steps)
		}
	}
}

func (all outcomes) of(step string, c flow.Command) Outcome {
	// A test names steps without the flow that has them.
	o := all[callfleetv1.StepName(step[strings.LastIndexByte(step, '/')+1:])]
	result := Outcome{After: AnswersAfter}
	switch c := c.(type) {
	case flow.Transfer:
		if o.Failed {
			return Outcome{After: c.Timeout, Failure: flow.FailedNoAnswer}
		}
	case flow.Invite:
		if o.Failed {
			return Outcome{After: c.Timeout, Failure: flow.FailedNoAnswer}
		}
	case flow.Ask:
		if o.Failed {
			tries := 1 + time.Duration(*c.Webhook.Retries)
			return Outcome{After: tries * c.Webhook.Timeout.Duration(), Failure: flow.FailedTimeout}
		}
		result = Outcome{After: WebhookAfter, Next: o.Next, Variables: map[string]string{}}
		for name, value := range o.Variables {
			result.Variables[string(name)] = string(value)
		}
	}
	return result
}

// compare says what is not as expected.
func compare(want callfleetv1.FlowExpectation, got Result) []string {
	var wrong []string
	if len(want.Steps) > 0 && !slices.Equal(want.Steps, got.Steps) {
		wrong = append(wrong, "the steps are others (- expected, + taken):\n"+strings.Join(diff(want.Steps, got.Steps), "\n"))
	}
	for _, name := range slices.Sorted(maps.Keys(want.Variables)) {
		value, there := got.Variables[string(name)]
		switch expected := string(want.Variables[name]); {
		case !there:
			wrong = append(wrong, fmt.Sprintf("variable %s is not set, expected %q", name, expected))
		case value != expected:
			wrong = append(wrong, fmt.Sprintf("variable %s is %q, expected %q", name, value, expected))
		}
	}
	if want.End != "" && want.End != got.End {
		wrong = append(wrong, fmt.Sprintf("the flow %s, expected %s", howEnded(got), want.End))
	}
	return wrong
}

func howEnded(r Result) string {
	switch {
	case r.End == "" && len(r.Steps) > mostSteps:
		return fmt.Sprintf("still went on after %d steps", len(r.Steps))
	case r.End == "":
		return fmt.Sprintf("still went on after %v", r.Lasted.Round(time.Second))
	case r.Message != "":
		return fmt.Sprintf("ended with %s (%s)", r.End, r.Message)
	}
	return "ended with " + string(r.End)
}

// diff is the shortest way from one list to the other: lines that begin with "- ", "+ ", or "  " where both have it.
func diff(from, to []string) []string {
	// common[i][j] is how many lines from[i:] and to[j:] have in common.
	common := make([][]int, len(from)+1)
	for i := range common {
		common[i] = make([]int, len(to)+1)
	}
	for i := len(from) - 1; i >= 0; i-- {
		for j := len(to) - 1; j >= 0; j-- {
			if common[i][j] = max(common[i+1][j], common[i][j+1]); from[i] == to[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	var lines []string
	i, j := 0, 0
	for i < len(from) || j < len(to) {
		switch {
		case i < len(from) && j < len(to) && from[i] == to[j]:
			lines = append(lines, "  "+from[i])
			i, j = i+1, j+1
		case j == len(to) || i < len(from) && common[i+1][j] >= common[i][j+1]:
			lines = append(lines, "- "+from[i])
			i++
		default:
			lines = append(lines, "+ "+to[j])
			j++
		}
	}
	return lines
}
