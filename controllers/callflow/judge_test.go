// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

// goes is a flow of steps that go on one after the other, and hang up; a step named "to-x" runs flow x.
func goes(steps ...string) *v1alpha1.CallFlowSpec {
	spec := &v1alpha1.CallFlowSpec{Start: v1alpha1.StepName(append(steps, "bye")[0]), TimeZone: "UTC"}
	for i, name := range steps {
		step := v1alpha1.FlowStep{Name: v1alpha1.StepName(name), Next: v1alpha1.StepName(append(steps, "bye")[i+1])}
		if flow, is := strings.CutPrefix(name, "to-"); is {
			step.Subflow = &v1alpha1.SubflowStep{FlowRef: v1alpha1.FlowReference{Name: flow}}
		} else {
			step.Play = &v1alpha1.PlayStep{Prompts: v1alpha1.Prompts{{ConfigMap: &v1alpha1.KeyReference{Name: "prompts", Key: name + ".wav"}}}}
		}
		spec.Steps = append(spec.Steps, step)
	}
	spec.Steps = append(spec.Steps, v1alpha1.FlowStep{Name: "bye", Hangup: &v1alpha1.HangupStep{}})
	return spec
}

// subflow is goes, and returns.
func subflow(steps ...string) *v1alpha1.CallFlowSpec {
	spec := goes(steps...)
	last := &spec.Steps[len(spec.Steps)-1]
	last.Hangup, last.Return = nil, &v1alpha1.ReturnStep{}
	return spec
}

// lost leads to steps that there are none of.
func lost(n int) *v1alpha1.CallFlowSpec {
	spec := goes("hello")
	choices := []v1alpha1.MenuChoice{}
	for key := range n {
		choices = append(choices, v1alpha1.MenuChoice{Key: v1alpha1.PhoneKey("0123456789"[key : key+1]), Next: "nowhere"})
	}
	spec.Steps[0].Next = "menu"
	spec.Steps = append(spec.Steps, v1alpha1.FlowStep{Name: "menu", Menu: &v1alpha1.MenuStep{Choices: append(choices, v1alpha1.MenuChoice{Key: "#", Next: "bye"})}})
	return spec
}

func ref(key string) v1alpha1.KeyReference { return v1alpha1.KeyReference{Name: "prompts", Key: key} }

func TestJudge(t *testing.T) {
	good := map[v1alpha1.KeyReference]file{ref("hello.wav"): {digest: [32]byte{1}}}
	for name, tc := range map[string]struct {
		facts  facts
		reason string
		says   []string
		not    string
	}{
		"a good flow": {facts{flows: flows{"menu": goes("hello")}}, v1alpha1.ReasonValid, []string{"new calls run revision menu-"}, ""},
		"one mistake": {
			facts{flows: flows{"menu": lost(1)}}, v1alpha1.ReasonInvalid,
			[]string{`spec.steps[2].menu.choices[0].next`, `"nowhere"`, "correct the flow and apply it again; no call can run it until then"}, "more",
		},
		"more mistakes than a message names": {
			facts{flows: flows{"menu": lost(9)}, last: "menu-1"}, v1alpha1.ReasonInvalid,
			[]string{"choices[0].next", "choices[2].next", "; and 6 more; ", "new calls run revision menu-1 until then"}, "choices[3]",
		},
		"a subflow that is not there": {
			facts{flows: flows{"menu": goes("hello", "to-hours")}}, v1alpha1.ReasonSubflowMissing,
			[]string{`spec.steps[1].subflow.flowRef.name`, `"hours"`, "apply it"}, "",
		},
		"its own mistake goes before": {facts{flows: flows{"menu": func() *v1alpha1.CallFlowSpec {
			spec := goes("hello", "to-hours")
			spec.TimeZone = "Moon"
			return spec
		}()}}, v1alpha1.ReasonInvalid, []string{"spec.timeZone"}, "hours"},
		"a subflow with a mistake": {
			facts{flows: flows{"menu": goes("hello", "to-hours"), "hours": func() *v1alpha1.CallFlowSpec {
				spec := subflow("hello")
				spec.Start = "nowhere"
				return spec
			}()}}, v1alpha1.ReasonSubflowInvalid, []string{"correct that flow"}, "",
		},
		"a file that is not there": {
			facts{flows: flows{"menu": goes("hello")}, files: map[v1alpha1.KeyReference]file{ref("hello.wav"): {missing: "it is not there; make it"}}},
			v1alpha1.ReasonPromptMissing, []string{"spec.steps[0].play.prompts[0]: it is not there; make it; no call"}, "",
		},
		"a subflow's file": {
			facts{flows: flows{"menu": goes("to-hours"), "hours": subflow("hello")}, files: map[v1alpha1.KeyReference]file{ref("hello.wav"): {unplayable: "is MP3"}}},
			v1alpha1.ReasonPromptUnplayable, []string{"flow hours: spec.steps[0].play.prompts[0]: is MP3"}, "",
		},
		"a flow that etcd would not take": {
			facts{flows: flows{"menu": goes("hello")}, limit: 100}, v1alpha1.ReasonTooLarge, []string{"a revision holds", "shorter"}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tc.facts.name = "menu"
			if tc.facts.files == nil {
				tc.facts.files = good
			}
			if tc.facts.limit == 0 {
				tc.facts.limit = maxRevision
			}
			v := judge(tc.facts)
			if v.reason != tc.reason {
				t.Fatalf("%s: %s, want %s", v.reason, v.message, tc.reason)
			}
			for _, part := range tc.says {
				if !strings.Contains(v.message, part) {
					t.Errorf("%q does not say %q", v.message, part)
				}
			}
			if tc.not != "" && strings.Contains(v.message, tc.not) {
				t.Errorf("%q says %q", v.message, tc.not)
			}
			if v.valid() != (v.revision != "") || v.valid() != (len(v.data) > 0) {
				t.Errorf("%s with revision %q", v.reason, v.revision)
			}
		})
	}
}

type flows = map[string]*v1alpha1.CallFlowSpec

func TestTheDigestFollowsTheFiles(t *testing.T) {
	of := func(files map[v1alpha1.KeyReference]file) string { return digestOf(facts{files: files}) }
	one := of(map[v1alpha1.KeyReference]file{ref("a"): {digest: [32]byte{1}}, ref("b"): {digest: [32]byte{2}}})
	for name, other := range map[string]string{
		"another file":     of(map[v1alpha1.KeyReference]file{ref("a"): {digest: [32]byte{1}}, ref("b"): {digest: [32]byte{3}}}),
		"files exchanged":  of(map[v1alpha1.KeyReference]file{ref("a"): {digest: [32]byte{2}}, ref("b"): {digest: [32]byte{1}}}),
		"a file less":      of(map[v1alpha1.KeyReference]file{ref("a"): {digest: [32]byte{1}}}),
		"none":             of(nil),
		"another of a key": of(map[v1alpha1.KeyReference]file{ref("a"): {digest: [32]byte{1}}, ref("c"): {digest: [32]byte{2}}}),
	} {
		if other == one {
			t.Errorf("%s: the same digest", name)
		}
	}
	if of(nil) != "" || len(one) != 64 {
		t.Errorf("digests %q and %q", of(nil), one)
	}
}
