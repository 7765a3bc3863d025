// SPDX-License-Identifier: Apache-2.0

package flowtest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// PromptLength is how long every prompt of a random flow must last on a stage.
const PromptLength = time.Second

// Times of random flows.
const (
	firstKey  = 3 * time.Second
	nextKey   = 1500 * time.Millisecond
	silence   = 2 * time.Second
	recordFor = 4 * time.Second
	onHold    = 3 * time.Second
)

// keys that callers of random flows press.
const keys = "0123456789*#"

// architect draws flows. Each step leads to the one after it, so that all are reached; other ways lead forward, or back from steps that
// wait for the caller.
type architect struct {
	*rand.Rand
	name     string
	subflows []string
	count    int // of steps
	kinds    []string
}

var (
	allKinds  = []string{"say", "play", "menu", "collect", "record", "transfer", "invite", "hold", "mute", "set", "branch", "webhook", "subflow"}
	variables = []callfleetv1.VariableName{"a", "b", "c", "d"}
)

func (a *architect) flow(root bool) *callfleetv1.CallFlowSpec {
	f := &callfleetv1.CallFlowSpec{
		Start:     "s0",
		TimeZone:  "Europe/Berlin",
		Speech:    &callfleetv1.SpeechService{URL: "https://speech.example/say", Voice: "anna", Language: "en"},
		Variables: map[callfleetv1.VariableName]callfleetv1.VariableValue{},
	}
	for i, name := range variables {
		f.Variables[name] = callfleetv1.VariableValue(fmt.Sprint(i))
	}
	a.count = 6 + a.IntN(9)
	if root {
		f.Steps = append(f.Steps, a.prelude()...)
		a.count += len(f.Steps)
	}
	for i := len(f.Steps); i < a.count-1; i++ {
		if i == 2 && root {
			i = 3 // s2 is the redirect
		}
		f.Steps = append(f.Steps, a.step(i))
	}
	last := callfleetv1.FlowStep{Name: step(a.count - 1), Hangup: &callfleetv1.HangupStep{}}
	if !root || a.IntN(3) == 0 {
		last.Hangup, last.Return = nil, &callfleetv1.ReturnStep{}
	}
	f.Steps = append(f.Steps, last)
	return f
}

func step(i int) callfleetv1.StepName { return callfleetv1.StepName(fmt.Sprintf("s%d", i)) }

// prelude is what happens before the call is answered: one call in eight is sent on.
func (a *architect) prelude() []callfleetv1.FlowStep {
	when := "vars.a == 'never'"
	if a.IntN(8) == 0 {
		when = "vars.a == 'early'"
	}
	return []callfleetv1.FlowStep{
		{Name: "s0", Next: "s1", Set: map[callfleetv1.VariableName]callfleetv1.Template{"a": "early"}},
		{Name: "s1", Branch: &callfleetv1.BranchStep{Cases: []callfleetv1.BranchCase{{When: when, Next: "s2"}}, Else: "s3"}},
		{Name: "s2", Redirect: &callfleetv1.RedirectTo{Targets: []callfleetv1.Identity{{Phone: "+12065550100"}}}},
	}
}

// step draws step i. Kinds come in turn, so that every few flows have all of them.
func (a *architect) step(i int) callfleetv1.FlowStep {
	if len(a.kinds) == 0 {
		a.kinds = append(a.kinds, allKinds...)
		a.Shuffle(len(a.kinds), func(i, j int) { a.kinds[i], a.kinds[j] = a.kinds[j], a.kinds[i] })
	}
	kind := a.kinds[0]
	a.kinds = a.kinds[1:]
	if kind == "subflow" && len(a.subflows) == 0 {
		kind = "say"
	}
	s := callfleetv1.FlowStep{Name: step(i), Next: step(i + 1)}
	switch kind {
	case "say":
		text := a.text()
		s.Say = &text
	case "play":
		s.Play = &callfleetv1.PlayStep{Prompts: a.prompts(), BargeIn: i+1 < a.count-1 && a.menuNext()}
	case "menu":
		s.Next = ""
		s.Menu = &callfleetv1.MenuStep{Listening: a.listening(i), Choices: a.choices(i), Variable: a.either("", "b")}
		s.Menu.Choices[0].Next = step(i + 1)
	case "collect":
		least := int32(1 + a.IntN(3))
		s.Collect = &callfleetv1.CollectStep{
			Listening: a.listening(i), Variable: "c", Min: least, Max: least + int32(a.IntN(3)),
			Terminator: []string{"#", "*", "None"}[a.IntN(3)], InterDigitTimeout: length(nextKey),
		}
	case "record":
		s.Record = &callfleetv1.RecordStep{
			Prompts: a.prompts(), Beep: a.maybe(), MaxDuration: length(recordFor), InitialSilence: length(silence), MaxSilence: length(silence),
			StopTones: []callfleetv1.PhoneKey{"#", "*"}[:a.IntN(3)], Variable: "d", OnSilence: a.forward(i), OnFailure: a.forward(i),
		}
	case "transfer":
		s.Next = ""
		kind := []callfleetv1.TransferType{callfleetv1.TransferBlind, callfleetv1.TransferConsultative}[a.IntN(2)]
		s.Transfer = &callfleetv1.TransferStep{To: a.party(), Type: kind, Timeout: "20s", OnFailure: step(i + 1)}
	case "invite":
		s.Invite = &callfleetv1.InviteStep{FlowParty: a.party(), Hidden: a.yes(), Timeout: "20s", OnFailure: a.forward(i)}
	case "hold":
		s.Hold = &callfleetv1.HoldStep{Music: a.prompts()[0], Duration: length(onHold), Choices: a.choices(i)[1:]}
	case "mute":
		s.Mute = &callfleetv1.MuteStep{Muted: a.yes()}
	case "set":
		s.Set = map[callfleetv1.VariableName]callfleetv1.Template{"a": "${b}${c}", "b": a.text()}
	case "branch":
		s.Next = ""
		s.Branch = &callfleetv1.BranchStep{Cases: []callfleetv1.BranchCase{
			{When: "vars.b == '1' || vars.c.size() > 2", Next: a.forward(i)}, {When: "caller.kind == 'Phone' && error != ''", Next: a.forward(i)},
			{When: "int(vars.c) > 50", Next: a.forward(i)}, // cannot be told of what is no number
		}, Else: step(i + 1)}
	case "webhook":
		s.Webhook = &callfleetv1.WebhookStep{
			URL: "https://hook.example/ask", Data: map[callfleetv1.VariableName]callfleetv1.Template{"key": "${b}", "why": "${error}"},
			Sets: []callfleetv1.VariableName{"b", "d"}, Choices: []callfleetv1.StepName{a.forward(i)}, Timeout: "2s", Retries: new(int32), OnError: a.forward(i),
		}
	case "subflow":
		s.Subflow = &callfleetv1.SubflowStep{FlowRef: callfleetv1.FlowReference{Name: a.subflows[a.IntN(len(a.subflows))]}}
	}
	return s
}

func (a *architect) yes() bool { return a.IntN(2) == 0 }

// menuNext draws a menu or collect next, if it can: a key that ends prompts must be taken by a step before others can mistake it.
func (a *architect) menuNext() bool {
	n := slices.IndexFunc(a.kinds, func(kind string) bool { return kind == "menu" || kind == "collect" })
	if n < 0 || a.IntN(4) == 0 {
		return false
	}
	a.kinds[0], a.kinds[n] = a.kinds[n], a.kinds[0]
	return true
}

// maybe is a switch that is on, off or left to its default.
func (a *architect) maybe() *bool {
	on := a.yes()
	if a.IntN(3) == 0 {
		return nil
	}
	return &on
}

func (a *architect) either(x, y callfleetv1.VariableName) callfleetv1.VariableName {
	if a.yes() {
		return x
	}
	return y
}

// forward is a later step.
func (a *architect) forward(i int) callfleetv1.StepName {
	return step(i + 1 + a.IntN(a.count-1-i))
}

// anywhere is a step to which the caller may lead.
func (a *architect) anywhere(i int) callfleetv1.StepName {
	if i > 3 && a.IntN(4) == 0 {
		return step(3 + a.IntN(i-3))
	}
	return a.forward(i)
}

func (a *architect) text() callfleetv1.Template {
	words := []string{"hello ${caller.name}", "you pressed ${b}", "again", "${a} and ${c}", "it says ${error}.", "costs $${5}"}
	return callfleetv1.Template(words[a.IntN(len(words))])
}

func (a *architect) prompts() callfleetv1.Prompts {
	all := callfleetv1.Prompts{
		{ConfigMap: &callfleetv1.KeyReference{Name: "prompts", Key: "second.wav"}},
		{URL: "https://prompts.example/second.wav"},
		{Text: a.text()},
	}
	a.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+a.IntN(2)]
}

func (a *architect) listening(i int) callfleetv1.Listening {
	retry := func() callfleetv1.FlowRetry {
		retries := int32(a.IntN(3))
		r := callfleetv1.FlowRetry{Retries: &retries}
		if a.yes() {
			r.Prompts = a.prompts()
		}
		if a.IntN(3) > 0 {
			r.Next = a.anywhere(i)
		}
		return r
	}
	return callfleetv1.Listening{Prompts: a.prompts(), BargeIn: a.maybe(), TypeAhead: a.maybe(), Timeout: length(firstKey), NoInput: retry(), NoMatch: retry()}
}

// choices of two to four keys.
func (a *architect) choices(i int) []callfleetv1.MenuChoice {
	var all []callfleetv1.MenuChoice
	for _, k := range a.Perm(len(keys))[:2+a.IntN(3)] {
		all = append(all, callfleetv1.MenuChoice{Key: callfleetv1.PhoneKey(keys[k]), Next: a.anywhere(i)})
	}
	return all
}

// party is somebody: one of ten nobody can be.
func (a *architect) party() callfleetv1.FlowParty {
	switch a.IntN(10) {
	case 0:
		return callfleetv1.FlowParty{Phone: "${d}"}
	case 1, 2, 3, 4:
		return callfleetv1.FlowParty{Phone: "+12065550101"}
	}
	return callfleetv1.FlowParty{User: callfleetv1.Template(strings.Repeat("1", 8) + "-1111-1111-1111-" + strings.Repeat("1", 12))}
}

func length(d time.Duration) callfleetv1.Duration { return callfleetv1.Duration(d.String()) }
