// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

func leadsTo(flows ...string) *v1alpha1.CallFlowSpec {
	spec := &v1alpha1.CallFlowSpec{Start: "a", Variables: map[v1alpha1.VariableName]v1alpha1.VariableValue{"b": "2", "a": "1"}}
	for _, flow := range flows {
		spec.Steps = append(spec.Steps, v1alpha1.FlowStep{Name: "to-" + v1alpha1.StepName(flow), Subflow: &v1alpha1.SubflowStep{FlowRef: v1alpha1.FlowReference{Name: flow}}})
	}
	return spec
}

func TestARevisionHoldsAllFlowsThatItLeadsTo(t *testing.T) {
	flows := map[string]*v1alpha1.CallFlowSpec{
		"menu": leadsTo("hours", "sales", "hours"), "hours": leadsTo(), "sales": leadsTo("menu", "gone"), "other": leadsTo("menu"),
	}
	find := func(name string) *v1alpha1.CallFlowSpec { return flows[name] }
	r := RevisionOf("menu", find)
	var has []string
	for name := range r.Flows {
		has = append(has, name)
	}
	slices.Sort(has)
	if diff := cmp.Diff([]string{"hours", "menu", "sales"}, has); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadRevision(data)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := back.Encode(); string(again) != string(data) {
		t.Errorf("reads back as\n%s, was\n%s", again, data)
	}
	name := RevisionName("menu", data)

	flows["hours"].Tests = []v1alpha1.FlowTest{{Name: "at night"}}
	if same, _ := RevisionOf("menu", find).Encode(); RevisionName("menu", same) != name {
		t.Error("a test makes another version")
	}
	flows["hours"].TimeZone = "Europe/Berlin"
	if other, _ := RevisionOf("menu", find).Encode(); RevisionName("menu", other) == name {
		t.Error("another subflow makes no other version")
	}
}

func TestNoRevisionWithoutItsStart(t *testing.T) {
	for _, data := range []string{`{`, `{}`, `{"start":"menu","flows":{"sales":{"start":"a","steps":[]}}}`} {
		if r, err := ReadRevision([]byte(data)); err == nil {
			t.Errorf("%s reads as %v", data, r)
		}
	}
}
