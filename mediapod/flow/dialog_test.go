// SPDX-License-Identifier: Apache-2.0

package flow_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
	"github.com/callfleet/callfleet/mediapod/flow"
)

// dialog is a call on a machine, line by line: "what happens -> what the machine wants done; and what else".
type dialog struct {
	t       *testing.T
	program *callflow.Program
	call    flow.Call
	m       *flow.Machine
	now     time.Time
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// program compiles flows in YAML, of which the first is the one to begin with.
func program(t testing.TB, texts ...string) *callflow.Program {
	t.Helper()
	flows := map[string]*callfleetv1.CallFlowSpec{}
	for i, text := range texts {
		spec := &callfleetv1.CallFlowSpec{}
		if err := yaml.UnmarshalStrict([]byte(text), spec); err != nil {
			t.Fatal(err)
		}
		flows[[]string{"main", "sub", "deep"}[i]] = spec
	}
	p, errs := callflow.Compile("main", flows)
	if len(errs) > 0 {
		t.Fatal(errs.ToAggregate())
	}
	return p
}

// answered is a call that a person made, and that was answered.
func answered() flow.Call {
	return flow.Call{
		ID: "call-1", UID: "uid-1", Incoming: true, Answered: true,
		Caller: callfleetv1.Caller{Kind: callfleetv1.CallerPhone, ID: "+12065550199", DisplayName: "Ann"},
		Called: callfleetv1.Caller{Kind: callfleetv1.CallerApplication, ID: "bot"},
	}
}

func play(t *testing.T, p *callflow.Program, c flow.Call, lines string) *dialog {
	t.Helper()
	d := &dialog{t: t, program: p, call: c, m: flow.New(p, c), now: noon}
	for _, line := range strings.Split(strings.TrimSpace(lines), "\n") {
		what, want, _ := strings.Cut(strings.TrimSpace(line), "->")
		what, want = strings.TrimSpace(what), strings.TrimSpace(want)
		if got := d.do(what); got != want {
			t.Errorf("%s\n has %s\nwant %s", what, got, want)
		}
	}
	return d
}

// do has something happen, and says what the machine makes of it.
func (d *dialog) do(what string) string {
	words := strings.Fields(what)
	arg := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	var id int64
	_, _ = fmt.Sscan(arg(1), &id)
	failure := flow.Failure(arg(2))
	switch words[0] {
	case "begin":
		return said(d.m.Begin(d.now))
	case "pickup":
		return said(d.m.Answered(d.now))
	case "key":
		var all []flow.Command
		for _, k := range arg(1) {
			all = append(all, d.m.Handle(d.now, flow.Tone{Key: callfleetv1.PhoneKey(k)})...)
		}
		return said(all)
	case "played":
		return d.tell(flow.Played{ID: id, Failure: failure})
	case "recorded":
		return d.tell(flow.Recorded{ID: id, End: flow.RecordEnd(arg(2)), Name: arg(3), Failure: flow.Failure(arg(4))})
	case "transferred":
		return d.tell(flow.Transferred{ID: id, Failure: failure})
	case "invited":
		return d.tell(flow.Invited{ID: id, Failure: failure})
	case "told":
		e := flow.Answered{ID: id, Variables: map[string]string{}}
		for _, word := range words[2:] {
			if name, value, ok := strings.Cut(word, "="); !ok {
				e.Failure = flow.Failure(word)
			} else if name == "next" {
				e.Next = callfleetv1.StepName(value)
			} else {
				e.Variables[name] = value
			}
		}
		return d.tell(e)
	case "over":
		return d.tell(flow.Ended{})
	case "wait":
		return d.wait(arg(1))
	case "resume":
		return d.resume()
	case "is":
		return d.is(words[1:])
	}
	d.t.Fatalf("nobody knows what %q is", what)
	return ""
}

func (d *dialog) tell(e flow.Event) string { return said(d.m.Handle(d.now, e)) }

// wait lets time pass; the machine is told when it wanted to be, and only then.
func (d *dialog) wait(length string) string {
	for_, err := time.ParseDuration(length)
	if err != nil {
		d.t.Fatal(err)
	}
	until := d.now.Add(for_)
	var all []flow.Command
	for {
		due := d.m.Deadline()
		if due.IsZero() || due.After(until) {
			break
		}
		if early := d.m.Expire(due.Add(-1)); early != nil {
			d.t.Errorf("expired early: %s", said(early))
		}
		d.now = due
		all = append(all, d.m.Expire(due)...)
	}
	d.now = until
	return said(all)
}

func (d *dialog) resume() string {
	m, err := flow.Resume(d.program, d.call, d.m.State())
	if err != nil {
		d.t.Fatal(err)
	}
	d.m = m
	return said(m.Begin(d.now))
}

// is says where the machine is.
func (d *dialog) is(what []string) string {
	var all []string
	for _, word := range what {
		vars := d.m.Variables()
		switch word {
		case "at":
			all = append(all, d.m.At())
		case "end":
			all = append(all, string(d.m.End()))
		case "message":
			all = append(all, d.m.Message())
		case "held":
			all = append(all, fmt.Sprint(d.m.NeedsAnswer()))
		case "vars":
			for _, name := range slices.Sorted(maps.Keys(vars)) {
				all = append(all, name+"="+vars[name])
			}
		case "steps":
			all = append(all, fmt.Sprint(d.m.Steps()))
		case "trail":
			all = append(all, d.m.Trail()...)
		default:
			all = append(all, vars[word])
		}
	}
	return strings.Join(all, " ")
}

func said(commands []flow.Command) string {
	var all []string
	for _, c := range commands {
		all = append(all, fmt.Sprint(c))
	}
	return strings.Join(all, "; ")
}

// dialogs of a flow, by the sentence they prove.
func dialogs(t *testing.T, p *callflow.Program, c flow.Call, list map[string]string) {
	t.Helper()
	for sentence, lines := range list {
		t.Run(sentence, func(t *testing.T) { play(t, p, c, lines) })
	}
}
