// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// FuzzCompile: whatever a flow and its subflow are, they are refused with paths and reasons, sorted and always the same, or make a
// program whose steps lead to steps that it has, whose templates can be rendered and whose conditions can be judged.
func FuzzCompile(f *testing.F) {
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		for _, e := range examples(f, file) {
			flows := append(e.flows(), "", "")
			f.Add(flows[1], flows[2], flows[3])
		}
	}
	f.Add(reception, "pin", pin)
	f.Fuzz(func(t *testing.T, root, name, sub string) {
		flows := map[string]*callfleetv1.CallFlowSpec{}
		for name, text := range map[string]string{name: sub, "test": root} {
			s := &callfleetv1.CallFlowSpec{}
			if yaml.Unmarshal([]byte(text), s) != nil {
				return
			}
			flows[name] = s
		}
		before := flows["test"].DeepCopy()
		p, errs := Compile("test", flows)
		if !equal(t, before, flows["test"]) {
			t.Error("the flow is changed")
		}
		missing := 0
		for i, err := range errs {
			if IsMissing(err) {
				missing++
			}
			if !strings.HasPrefix(err.Field, "spec") || err.Detail == "" && err.Type != field.ErrorTypeTooMany {
				t.Errorf("a mistake says %q", err)
			}
			if i > 0 && comparePaths(errs[i-1].Field, err.Field) > 0 {
				t.Errorf("%s is before %s", errs[i-1].Field, err.Field)
			}
		}
		if _, again := Compile("test", flows); again.ToAggregate() != nil && again.ToAggregate().Error() != errs.ToAggregate().Error() {
			t.Errorf("%v, and then %v", errs, again)
		}
		if (p != nil) != (missing == len(errs)) {
			t.Fatalf("there is a program: %v, with the mistakes %v", p != nil, errs)
		}
		Mermaid("test", flows["test"])
		DOT("test", flows["test"])
		if p != nil {
			runAll(t, p, missing > 0)
		}
	})
}

func equal(t *testing.T, a, b *callfleetv1.CallFlowSpec) bool {
	t.Helper()
	x, errX := yaml.Marshal(a)
	y, errY := yaml.Marshal(b)
	if errX != nil || errY != nil {
		t.Fatal(errX, errY)
	}
	return string(x) == string(y)
}

// runAll looks at everything that a program may be asked for.
func runAll(t *testing.T, p *Program, missing bool) {
	t.Helper()
	if p.Step(p.Start()) == nil {
		t.Errorf("it starts at %v, which is not there", p.Start())
	}
	scope := Scope{Vars: map[string]string{}, Now: time.Now()}
	for name, flow := range p.flows {
		if len(flow.steps) != len(flow.spec.Steps) {
			t.Errorf("flow %s has %d names for %d steps", name, len(flow.steps), len(flow.spec.Steps))
		}
		for i := range flow.spec.Steps {
			s := &flow.spec.Steps[i]
			at := Ref{name, s.Name}
			if r, ok := p.Parse(p.Name(at)); !ok || p.Step(r) != s {
				t.Errorf("step %v is not found by its name %q", at, p.Name(at))
			}
			if len(kindsOf(s)) != 1 || s.Say != nil {
				t.Errorf("step %v does not do one thing", at)
			}
			for _, e := range exits(s, nil) {
				if p.Step(Ref{name, e.to}) == nil {
					t.Errorf("step %v leads to %s, which is not there", at, e.to)
				}
			}
			if s.Subflow != nil && !missing && p.Step(p.Enter(s.Subflow.FlowRef.Name)) == nil {
				t.Errorf("step %v calls %s, which is not there", at, s.Subflow.FlowRef.Name)
			}
			texts(s, nil, func(_ *field.Path, text callfleetv1.Template) {
				if p.templates[text] == nil {
					t.Errorf("step %v has the template %q, which was not read", at, text)
				}
				p.Render(text, scope)
			})
			if s.Branch != nil {
				for j := range s.Branch.Cases {
					_, _ = p.Holds(at, j, scope) // it may not be told
				}
			}
		}
	}
}
