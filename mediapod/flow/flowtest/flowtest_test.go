// SPDX-License-Identifier: Apache-2.0

package flowtest

import (
	"testing"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// calls is how many random calls tests make.
const calls = 300

func random(t *testing.T, seed uint64) *Case {
	t.Helper()
	c, err := Random(seed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRandomCallsDoEverything(t *testing.T) {
	kinds, ends, commands, failures := map[string]int{}, map[callfleetv1.FlowEnd]int{}, 0, map[string]int{}
	for seed := range uint64(calls) {
		c := random(t, seed)
		ends[c.Want.End]++
		for _, name := range c.Want.Steps {
			ref, ok := c.Program.Parse(name)
			if !ok {
				t.Fatalf("seed %d: no step %s", seed, name)
			}
			kinds[kindOf(c.Program.Step(ref))]++
		}
		for _, e := range c.Want.Trace {
			if e.Kind == flow.EntryCommand {
				commands++
			}
		}
		if c.Want.Message != "" {
			failures[c.Want.Message]++
		}
	}
	t.Logf("%d commands; steps %v; ends %v", commands, kinds, ends)
	for _, kind := range []string{"play", "menu", "collect", "record", "transfer", "invite", "redirect", "hold", "mute", "set", "branch", "webhook", "subflow", "hangup", "return"} {
		if kinds[kind] < 10 {
			t.Errorf("step %s was taken %d times in %d calls", kind, kinds[kind], calls)
		}
	}
	for _, end := range []callfleetv1.FlowEnd{
		callfleetv1.FlowHungUp, callfleetv1.FlowCallerHungUp, callfleetv1.FlowTransferred, callfleetv1.FlowRedirected, callfleetv1.FlowReturned,
	} {
		if ends[end] < 5 {
			t.Errorf("%d of %d calls ended with %s", ends[end], calls, end)
		}
	}
	if len(failures) > 0 || ends[""] > 0 {
		t.Errorf("random flows are to be valid, and their callers to hang up in the end; %d went on, and these failed: %v", ends[""], failures)
	}
}

func kindOf(s *callfleetv1.FlowStep) string {
	for kind, is := range map[string]bool{
		"play": s.Play != nil, "menu": s.Menu != nil, "collect": s.Collect != nil, "record": s.Record != nil, "transfer": s.Transfer != nil,
		"invite": s.Invite != nil, "redirect": s.Redirect != nil, "hold": s.Hold != nil, "mute": s.Mute != nil, "set": s.Set != nil,
		"branch": s.Branch != nil, "webhook": s.Webhook != nil, "subflow": s.Subflow != nil, "hangup": s.Hangup != nil, "return": s.Return != nil,
	} {
		if is {
			return kind
		}
	}
	return "nothing"
}
