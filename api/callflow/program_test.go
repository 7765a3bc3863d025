// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// spec reads the spec of a flow.
func spec(t testing.TB, text string) *callfleetv1.CallFlowSpec {
	t.Helper()
	s := &callfleetv1.CallFlowSpec{}
	if err := yaml.UnmarshalStrict([]byte(text), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// flowsOf are specs by name: name, text, name, text.
func flowsOf(t testing.TB, texts ...string) map[string]*callfleetv1.CallFlowSpec {
	t.Helper()
	flows := map[string]*callfleetv1.CallFlowSpec{}
	for i := 0; i < len(texts); i += 2 {
		flows[texts[i]] = spec(t, texts[i+1])
	}
	return flows
}

// compiled is a program that has nothing wrong.
func compiled(t testing.TB, name string, flows map[string]*callfleetv1.CallFlowSpec) *Program {
	t.Helper()
	p, errs := Compile(name, flows)
	if len(errs) > 0 {
		t.Fatalf("refused: %v", errs.ToAggregate())
	}
	return p
}

const (
	reception = `
start: hours
timeZone: Europe/Berlin
speech: {url: https://speech.example/v1}
variables: {language: de}
steps:
- name: hours
  branch:
    cases:
    - {when: "now.getHours(zone) >= 18 || now.getDayOfWeek(zone) in [0, 6]", next: closed}
    - {when: "caller.kind == 'Phone' && vars.language == 'de'", next: welcome}
    else: welcome
- {name: welcome, say: "Welcome, ${caller.name}", next: identify}
- {name: identify, subflow: {flowRef: {name: pin}}, next: choose}
- name: choose
  menu:
    prompts: [{text: Press 0 for the operator.}]
    choices: [{key: "0", next: operator}]
- {name: operator, transfer: {to: {phone: "+12065550100"}, onFailure: closed}}
- {name: closed, say: Nobody is here., next: bye}
- {name: bye, hangup: {}}
`
	pin = `
start: ask
steps:
- name: ask
  collect: {prompts: [{url: https://prompts.example/pin.wav}], variable: pin}
  next: back
- {name: back, return: {}}
`
)

func TestStepsAreFoundByTheirNames(t *testing.T) {
	p := compiled(t, "reception", flowsOf(t, "reception", reception, "pin", pin))
	if got := p.Start(); got != (Ref{"reception", "hours"}) {
		t.Errorf("it starts at %v", got)
	}
	if got := p.Enter("pin"); got != (Ref{"pin", "ask"}) {
		t.Errorf("the subflow is entered at %v", got)
	}
	for name, want := range map[string]Ref{"choose": {"reception", "choose"}, "pin/ask": {"pin", "ask"}} {
		got, ok := p.Parse(name)
		if !ok || got != want {
			t.Errorf("%s is %v, %v", name, got, ok)
		}
		if again := p.Name(got); again != name {
			t.Errorf("%v is called %s, not %s", got, again, name)
		}
		if p.Step(got).Name != want.Step {
			t.Errorf("%s is the step %+v", name, p.Step(got))
		}
	}
	for _, name := range []string{"", "ask", "pin/choose", "pin/", "/choose", "nowhere/ask", "pin/ask/"} {
		if got, ok := p.Parse(name); ok {
			t.Errorf("%q is %v; there is no such step", name, got)
		}
	}
	if p.Step(p.Enter("nowhere")) != nil || p.Flow("nowhere") != nil {
		t.Error("a flow is found that is not there")
	}
	if got := p.Flow("pin").TimeZone; got != "UTC" {
		t.Errorf("the subflow's zone is %q", got)
	}
}

func TestSayIsAPlayOfOnePrompt(t *testing.T) {
	p := compiled(t, "reception", flowsOf(t, "reception", reception, "pin", pin))
	s := p.Step(Ref{Step: "welcome"})
	if s.Say != nil || s.Play == nil || len(s.Play.Prompts) != 1 || s.Play.Prompts[0].Text != "Welcome, ${caller.name}" {
		t.Errorf("got %+v", s)
	}
}

func TestConditionsAreJudgedInTheFlowsZone(t *testing.T) {
	p := compiled(t, "reception", flowsOf(t, "reception", reception, "pin", pin))
	hours := p.Start()
	at := func(hour int) Scope {
		return Scope{
			Vars: map[string]string{"language": "de"}, Caller: callfleetv1.Caller{Kind: "Phone"},
			Now: time.Date(2026, 11, 30, hour, 30, 0, 0, time.UTC), // a Monday, and 18:30 in Berlin at 17:30
		}
	}
	for _, tc := range []struct {
		hour, i int
		want    bool
	}{{16, 0, false}, {17, 0, true}, {16, 1, true}} {
		if got, err := p.Holds(hours, tc.i, at(tc.hour)); err != nil || got != tc.want {
			t.Errorf("case %d at %d:30 UTC: %v, %v", tc.i, tc.hour, got, err)
		}
	}
	if got, err := p.Holds(hours, 0, Scope{Now: at(17).Now, Zone: time.UTC}); err != nil || got {
		t.Errorf("in another zone it is %v, %v", got, err)
	}
	if _, err := p.Holds(hours, 1, Scope{Caller: callfleetv1.Caller{Kind: "Phone"}}); err == nil {
		t.Error("a condition over a variable that is not set was told")
	}
	for _, ref := range []Ref{{Step: "welcome"}, {Step: "nowhere"}, {Flow: "nowhere"}} {
		if _, err := p.Holds(ref, 0, Scope{}); err == nil {
			t.Errorf("%v has a case", ref)
		}
	}
}

func TestASubflowHasAZoneOfItsOwn(t *testing.T) {
	p := compiled(t, "test", flowsOf(t, "test", `
start: a
timeZone: Europe/Berlin
steps:
- {name: a, subflow: {flowRef: {name: sub}}, next: b}
- {name: b, hangup: {}}
`, "sub", `
start: a
timeZone: Asia/Tokyo
steps:
- {name: a, branch: {cases: [{when: "zone == 'Asia/Tokyo' && now.getHours(zone) == 9", next: b}], else: b}}
- {name: b, return: {}}
`))
	if holds, err := p.Holds(p.Enter("sub"), 0, Scope{Now: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}); err != nil || !holds {
		t.Errorf("at midnight, UTC, it is not nine in Tokyo: %v, %v", holds, err)
	}
}

// A condition of 1024 characters may be made to count all pairs of pairs of pairs of variables; a media pod has other calls.
func TestConditionsThatNeverEndCannotBeTold(t *testing.T) {
	loops := "vars.all(%, " // of two variables, 2 to the power of 40
	when := ""
	for i := range 40 {
		when += strings.ReplaceAll(loops, "%", "v"+strconv.Itoa(i))
	}
	when += "v0 == v1 || true" + strings.Repeat(")", 40)
	p := compiled(t, "test", flowsOf(t, "test", `
start: a
variables: {x: "", y: ""}
steps:
- {name: a, branch: {cases: [{when: "`+when+`", next: b}], else: b}}
- {name: b, hangup: {}}
`))
	if holds, err := p.Holds(p.Start(), 0, Scope{Vars: map[string]string{"x": "", "y": ""}}); err == nil {
		t.Errorf("it was judged: %v", holds)
	}
}

func TestProgramsDoNotFollowTheFlowsTheyWereMadeOf(t *testing.T) {
	flows := flowsOf(t, "reception", reception, "pin", pin)
	p := compiled(t, "reception", flows)
	flows["reception"].Steps[1].Next = "elsewhere"
	flows["pin"].Steps[0].Collect.Prompts[0].URL = "https://elsewhere.example"
	if got := p.Step(Ref{Step: "welcome"}).Next; got != "identify" {
		t.Errorf("welcome leads to %s", got)
	}
	if got := p.Step(Ref{"pin", "ask"}).Collect.Prompts[0].URL; got != "https://prompts.example/pin.wav" {
		t.Errorf("the prompt is %s", got)
	}
}

func TestMistakesAreSortedAsPeopleRead(t *testing.T) {
	want := []string{"spec", "spec.start", "spec.steps[2]", "spec.steps[2].name", "spec.steps[10].name", "spec.steps[10].set[v2]", "spec.steps[10].set[v10]", "spec.timeZone"}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, comparePaths)
	if !slices.Equal(got, want) {
		t.Errorf("sorted are %q", got)
	}
}

func TestManyCallsUseOneProgram(t *testing.T) {
	p := compiled(t, "reception", flowsOf(t, "reception", reception, "pin", pin))
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			scope := scopeOfACall()
			for range 100 {
				if _, err := p.Holds(p.Start(), 0, scope); err != nil {
					t.Error(err)
				}
				p.Render("Welcome, ${caller.name}", scope)
			}
		})
	}
	calls.Wait()
}
