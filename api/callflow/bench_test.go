// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// large is a flow of a hundred steps, as many as there may be: menus, branches, texts and questions, each leading to the next ones.
func large() *callfleetv1.CallFlowSpec {
	f := &callfleetv1.CallFlowSpec{
		Start: "s0", Speech: &callfleetv1.SpeechService{URL: "https://speech.example"},
		Variables: map[callfleetv1.VariableName]callfleetv1.VariableValue{"language": "de"},
	}
	name := func(i int) callfleetv1.StepName { return callfleetv1.StepName(fmt.Sprintf("s%d", min(i, 99))) }
	for i := range 99 {
		s := callfleetv1.FlowStep{Name: name(i), Next: name(i + 1)}
		switch i % 4 {
		case 0:
			s.Say = new(callfleetv1.Template(fmt.Sprintf("Step %d for ${caller.name}, in ${language}", i)))
		case 1:
			s.Next = ""
			s.Menu = &callfleetv1.MenuStep{Choices: []callfleetv1.MenuChoice{{Key: "1", Next: name(i + 1)}, {Key: "2", Next: name(i + 2)}}}
		case 2:
			s.Next = ""
			s.Branch = &callfleetv1.BranchStep{Else: name(i + 1), Cases: []callfleetv1.BranchCase{
				{When: fmt.Sprintf("vars.language == 'de' && now.getHours(zone) >= %d", i%24), Next: name(i + 2)},
			}}
		case 3:
			s.Webhook = &callfleetv1.WebhookStep{URL: "https://x.example", Sets: []callfleetv1.VariableName{"answer"}, OnError: name(i + 1)}
		}
		f.Steps = append(f.Steps, s)
	}
	f.Steps = append(f.Steps, callfleetv1.FlowStep{Name: "s99", Hangup: &callfleetv1.HangupStep{}})
	return f
}

func BenchmarkCompile(b *testing.B) {
	flows := map[string]*callfleetv1.CallFlowSpec{"large": large()}
	compiled(b, "large", flows)
	b.ReportAllocs()
	for b.Loop() {
		Compile("large", flows)
	}
}

func scopeOfACall() Scope {
	return Scope{
		Vars:   map[string]string{"language": "de", "account": "4711"},
		Caller: callfleetv1.Caller{Kind: "Phone", ID: "+12065550100", DisplayName: "Ada Lovelace"},
		Now:    time.Date(2026, 11, 30, 17, 0, 0, 0, time.UTC),
	}
}

func BenchmarkRender(b *testing.B) {
	p := compiled(b, "large", map[string]*callfleetv1.CallFlowSpec{"large": large()})
	t, scope := p.Step(p.Start()).Play.Prompts[0].Text, scopeOfACall()
	b.ReportAllocs()
	for b.Loop() {
		p.Render(t, scope)
	}
}

func BenchmarkHolds(b *testing.B) {
	for name, when := range map[string]string{
		"variable": "vars.language == 'de'",
		"caller":   "caller.kind == 'Phone' && caller.id.startsWith('+49')",
		"hours":    "now.getHours(zone) >= 18 || now.getDayOfWeek(zone) in [0, 6]",
	} {
		b.Run(name, func(b *testing.B) {
			flow := strings.Replace(reception, "now.getHours(zone) >= 18 || now.getDayOfWeek(zone) in [0, 6]", when, 1)
			p := compiled(b, "reception", flowsOf(b, "reception", flow, "pin", pin))
			scope := scopeOfACall()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Holds(p.Start(), 0, scope); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
