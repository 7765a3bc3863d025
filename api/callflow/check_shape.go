// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// What is checked here the CRD checks too: a file on a laptop has not met it yet.

// kind is something that a step may do.
type kind struct {
	name string
	has  func(*callfleetv1.FlowStep) bool
	// goesOn: next says which step follows. The others say it themselves or end the flow.
	goesOn bool
}

// kinds are all there are, in the order in which they are told.
var kinds = []kind{
	{"say", func(s *callfleetv1.FlowStep) bool { return s.Say != nil }, true},
	{"play", func(s *callfleetv1.FlowStep) bool { return s.Play != nil }, true},
	{"menu", func(s *callfleetv1.FlowStep) bool { return s.Menu != nil }, false},
	{"collect", func(s *callfleetv1.FlowStep) bool { return s.Collect != nil }, true},
	{"record", func(s *callfleetv1.FlowStep) bool { return s.Record != nil }, true},
	{"transfer", func(s *callfleetv1.FlowStep) bool { return s.Transfer != nil }, false},
	{"invite", func(s *callfleetv1.FlowStep) bool { return s.Invite != nil }, true},
	{"redirect", func(s *callfleetv1.FlowStep) bool { return s.Redirect != nil }, false},
	{"hold", func(s *callfleetv1.FlowStep) bool { return s.Hold != nil }, true},
	{"mute", func(s *callfleetv1.FlowStep) bool { return s.Mute != nil }, true},
	{"set", func(s *callfleetv1.FlowStep) bool { return s.Set != nil }, true},
	{"branch", func(s *callfleetv1.FlowStep) bool { return s.Branch != nil }, false},
	{"webhook", func(s *callfleetv1.FlowStep) bool { return s.Webhook != nil }, true},
	{"subflow", func(s *callfleetv1.FlowStep) bool { return s.Subflow != nil }, true},
	{"hangup", func(s *callfleetv1.FlowStep) bool { return s.Hangup != nil }, false},
	{"return", func(s *callfleetv1.FlowStep) bool { return s.Return != nil }, false},
}

// kindsOf are the kinds that a step is of: one, if it is right.
func kindsOf(s *callfleetv1.FlowStep) []kind {
	var found []kind
	for _, k := range kinds {
		if k.has(s) {
			found = append(found, k)
		}
	}
	return found
}

// does is what a step does, in a word.
func does(s *callfleetv1.FlowStep) string {
	if found := kindsOf(s); len(found) > 0 {
		return found[0].name
	}
	return "nothing"
}

// checkShape checks that a step has a name of its own, does one thing, and says what follows.
func (f *reading) checkShape(i int) {
	s, path := &f.given.Steps[i], stepPath(i)
	f.checkStepName(path.Child("name"), s.Name)
	if first := f.steps[s.Name]; s.Name != "" && first.i != i {
		f.wrong(path.Child("name"), s.Name, "spec.steps[%d] has this name already; each step needs a name of its own", first.i)
	}
	found := kindsOf(s)
	switch len(found) {
	case 0:
		f.lacks(path, "the step does nothing; give it one of %s", strings.Join(names(kinds), ", "))
		return
	default:
		f.wrong(path, s.Name, "a step does one thing, and this one has %s; make a step of each and have next lead from one to the other",
			strings.Join(names(found), " and "))
		return
	case 1:
	}
	switch kind := found[0]; {
	case kind.goesOn && s.Next == "":
		f.lacks(path.Child("next"), "nothing follows the %s: name the step that does, or a step with hangup or return to end the flow", kind.name)
	case !kind.goesOn && s.Next != "":
		f.wrong(path.Child("next"), s.Next, "a %s step %s; take next out", kind.name, insteadOfNext[kind.name])
	}
}

// insteadOfNext is why a kind of step has no next.
var insteadOfNext = map[string]string{
	"menu":     "goes where its choices lead, and where noInput.next and noMatch.next do",
	"branch":   "goes where its cases and else lead",
	"transfer": "ends the flow, or goes to onFailure",
	"redirect": "ends the flow",
	"hangup":   "ends the flow",
	"return":   "ends the flow; a subflow goes on behind the step that calls it",
}

func names(of []kind) []string {
	all := make([]string, len(of))
	for i, k := range of {
		all[i] = k.name
	}
	return all
}

// maxName is how long names of steps and variables may be.
const maxName = 63

func (f *reading) checkStepName(path *field.Path, name callfleetv1.StepName) {
	switch {
	case name == "":
		f.lacks(path, "each step needs a name, such as welcome")
	case !isStepName(string(name)):
		f.wrong(path, name, "a step's name has at most %d of a-z, 0-9 and -, and does not begin or end with -", maxName)
	}
}

func isStepName(name string) bool {
	for i := range len(name) {
		b := name[i]
		if ('a' > b || b > 'z') && !digit(b) && (b != '-' || i == 0 || i == len(name)-1) {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

// checkVariable checks the name of a variable that is set.
func (f *reading) checkVariable(path *field.Path, name callfleetv1.VariableName) {
	switch {
	case name == "":
		f.lacks(path, "name the variable, such as pin")
	case name == wordError:
		f.wrong(path, name, "error is why the last step failed, and cannot be set; name the variable otherwise")
	case !isVariable(string(name)) || len(name) > maxName:
		f.wrong(path, name, "a variable's name has at most %d letters, digits and _, and begins with a letter", maxName)
	}
}
