// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"sigs.k8s.io/yaml"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// randomFlow is a flow of a few steps that lead anywhere; nothing else can be wrong with it.
func randomFlow(r *rand.Rand, sub string) *callfleetv1.CallFlowSpec {
	n := 2 + r.IntN(5)
	somewhere := func() callfleetv1.StepName { return callfleetv1.StepName(fmt.Sprintf("s%d", r.IntN(n))) }
	f := &callfleetv1.CallFlowSpec{Start: "s0"}
	for i := range n {
		s := callfleetv1.FlowStep{Name: callfleetv1.StepName(fmt.Sprintf("s%d", i))}
		s.Next = somewhere()
		switch kind := r.IntN(10); kind {
		case 0:
			s.Play = &callfleetv1.PlayStep{Prompts: callfleetv1.Prompts{{URL: "https://x.example/a.wav"}}}
		case 1:
			s.Set = map[callfleetv1.VariableName]callfleetv1.Template{"a": "b"}
		case 2:
			s.Mute = &callfleetv1.MuteStep{}
		case 3:
			s.Webhook = &callfleetv1.WebhookStep{URL: "https://x.example", OnError: somewhere()}
		case 4:
			s.Invite = &callfleetv1.InviteStep{FlowParty: callfleetv1.FlowParty{Phone: "+12065550100"}, OnFailure: somewhere()}
		case 5, 6:
			if s.Subflow = (&callfleetv1.SubflowStep{FlowRef: callfleetv1.FlowReference{Name: sub}}); sub != "" {
				break
			}
			s.Subflow, s.Next, s.Return = nil, "", &callfleetv1.ReturnStep{}
		default:
			s.Next = ""
			switch kind {
			case 7:
				s.Branch = &callfleetv1.BranchStep{Cases: []callfleetv1.BranchCase{{When: "true", Next: somewhere()}}, Else: somewhere()}
			case 8:
				s.Menu = &callfleetv1.MenuStep{Choices: []callfleetv1.MenuChoice{{Key: "1", Next: somewhere()}, {Key: "2", Next: somewhere()}}}
			case 9:
				s.Redirect = &callfleetv1.RedirectTo{Targets: []callfleetv1.Identity{{Phone: "+12065550100"}}}
			}
		}
		f.Steps = append(f.Steps, s)
	}
	return f
}

// place is where a walk through flows may be: at a step, called by a step or not, in a call that was answered or not.
type place struct {
	calledBy, step callfleetv1.StepName
	answered       bool
}

// walk goes every way through a flow and the one it calls, one step after the other as a call would, and tells what is wrong.
type walk struct {
	root, sub map[callfleetv1.StepName]*callfleetv1.FlowStep
	// met are the places that were come to; those on the way to where the walk is are true.
	met map[place]bool
	// atOnce are the places passed since the caller was waited for.
	atOnce []place
	wrong  string
}

func (w *walk) at(p place) *callfleetv1.FlowStep {
	if p.calledBy != "" {
		return w.sub[p.step]
	}
	return w.root[p.step]
}

// next are the places behind one.
func (w *walk) next(p place) []place {
	s := w.at(p)
	answered := p.answered || s.Set == nil && s.Branch == nil
	switch {
	case s.Subflow != nil:
		return []place{{calledBy: s.Name, step: "s0", answered: answered}}
	case s.Return != nil && p.calledBy != "":
		return []place{{step: w.root[p.calledBy].Next, answered: answered}}
	}
	var all []place
	for _, e := range exits(s, nil) {
		all = append(all, place{p.calledBy, e.to, answered})
	}
	return all
}

// explore goes on from a place.
func (w *walk) explore(p place) {
	if w.met[p] {
		return
	}
	w.met[p] = true
	if w.at(p).Redirect != nil && p.answered {
		w.wrong = fmt.Sprintf("the call is redirected at %v", p)
	}
	if w.circles(p, p, map[place]bool{}) {
		w.wrong = fmt.Sprintf("it goes round at %v", p)
	}
	for _, next := range w.next(p) {
		w.explore(next)
	}
}

// circles reports whether a way leads from one place to another without waiting for the caller.
func (w *walk) circles(from, to place, seen map[place]bool) bool {
	s := w.at(from)
	if seen[from] || s.Play != nil || s.Menu != nil || s.Invite != nil {
		return false
	}
	seen[from] = true
	for _, next := range w.next(from) {
		if next == to || w.circles(next, to, seen) {
			return true
		}
	}
	return false
}

// What the checks find out of flows by themselves is what a walk through all that a call may come to finds: redirects that come too late,
// ways that go round, and steps that are never come to.
func TestChecksFindWhatACallWouldMeet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	accepted, refused := 0, map[string]int{}
	for range 6000 {
		flows := map[string]*callfleetv1.CallFlowSpec{"test": randomFlow(r, "sub"), "sub": randomFlow(r, "")}
		w := &walk{met: map[place]bool{}, root: map[callfleetv1.StepName]*callfleetv1.FlowStep{}, sub: map[callfleetv1.StepName]*callfleetv1.FlowStep{}}
		for i := range flows["test"].Steps {
			w.root[flows["test"].Steps[i].Name] = &flows["test"].Steps[i]
		}
		for i := range flows["sub"].Steps {
			w.sub[flows["sub"].Steps[i].Name] = &flows["sub"].Steps[i]
		}
		w.explore(place{step: "s0"})
		reached, called := map[callfleetv1.StepName]bool{}, false
		inSub := map[callfleetv1.StepName]bool{}
		for p := range w.met {
			if p.calledBy != "" {
				called, inSub[p.step] = true, true
				continue
			}
			reached[p.step] = true
		}
		// What is behind a subflow that never returns is let be: it may, once it is written anew.
		returns := false
		for name := range inSub {
			returns = returns || w.sub[name].Return != nil
		}
		if called && !returns {
			continue
		}
		if len(reached) < len(w.root) || called && len(inSub) < len(w.sub) {
			w.wrong = "a step is never come to"
		}
		p, errs := Compile("test", flows)
		if (p == nil) != (w.wrong != "") {
			text, _ := yaml.Marshal(flows)
			t.Fatalf("a walk finds %q, and Compile %v, of\n%s", w.wrong, errs, text)
		}
		if p != nil {
			accepted++
			continue
		}
		refused[w.wrong[:10]]++
	}
	if accepted < 100 || len(refused) < 3 {
		t.Errorf("%d flows were accepted, and refused %v: the random ones are none to learn from", accepted, refused)
	}
	t.Logf("%d accepted, refused %v", accepted, refused)
}
