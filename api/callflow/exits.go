// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// exit is a way out of a step.
type exit struct {
	to callfleetv1.StepName
	// at is the member that says so.
	at *field.Path
	// when it is taken, in a word or two: a key, a condition; empty: the usual way.
	when string
	// astray: it is taken when something does not go as it should.
	astray bool
}

const (
	whenNoInput  = "no input"
	whenNoMatch  = "no match"
	whenNothing  = "nothing said"
	whenFailed   = "failed"
	whenElse     = "else"
	whenAnswered = "answer"
)

// exits are the ways out of a step that are written down, in the order in which they are; path is where the step is.
func exits(s *callfleetv1.FlowStep, path *field.Path) []exit {
	var all []exit
	add := func(to callfleetv1.StepName, at *field.Path, when string) {
		if to != "" {
			all = append(all, exit{to: to, at: at, when: when})
		}
	}
	astray := func(to callfleetv1.StepName, at *field.Path, when string) {
		if to != "" {
			all = append(all, exit{to: to, at: at, when: when, astray: true})
		}
	}
	listen := func(l *callfleetv1.Listening, path *field.Path) {
		astray(l.NoInput.Next, path.Child("noInput", "next"), whenNoInput)
		astray(l.NoMatch.Next, path.Child("noMatch", "next"), whenNoMatch)
	}
	keys := func(choices []callfleetv1.MenuChoice, path *field.Path) {
		for i, c := range choices {
			add(c.Next, path.Index(i).Child("next"), string(c.Key))
		}
	}
	if m := s.Menu; m != nil {
		keys(m.Choices, path.Child("menu", "choices"))
		listen(&m.Listening, path.Child("menu"))
	}
	if b := s.Branch; b != nil {
		for i, c := range b.Cases {
			add(c.Next, path.Child("branch", "cases").Index(i).Child("next"), c.When)
		}
		add(b.Else, path.Child("branch", "else"), whenElse)
	}
	add(s.Next, path.Child("next"), "")
	if c := s.Collect; c != nil {
		listen(&c.Listening, path.Child("collect"))
	}
	if h := s.Hold; h != nil {
		keys(h.Choices, path.Child("hold", "choices"))
	}
	if r := s.Record; r != nil {
		astray(r.OnSilence, path.Child("record", "onSilence"), whenNothing)
		astray(r.OnFailure, path.Child("record", "onFailure"), whenFailed)
	}
	if t := s.Transfer; t != nil {
		astray(t.OnFailure, path.Child("transfer", "onFailure"), whenFailed)
	}
	if i := s.Invite; i != nil {
		astray(i.OnFailure, path.Child("invite", "onFailure"), whenFailed)
	}
	if w := s.Webhook; w != nil {
		for i, to := range w.Choices {
			add(to, path.Child("webhook", "choices").Index(i), whenAnswered)
		}
		astray(w.OnError, path.Child("webhook", "onError"), whenFailed)
	}
	return all
}
