// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// promptLists visits the lists of prompts of a step, with the place of each; path is where the step is.
func promptLists(s *callfleetv1.FlowStep, path *field.Path, visit func(*field.Path, callfleetv1.Prompts)) {
	listen := func(l *callfleetv1.Listening, path *field.Path) {
		visit(path.Child("prompts"), l.Prompts)
		visit(path.Child("noInput", "prompts"), l.NoInput.Prompts)
		visit(path.Child("noMatch", "prompts"), l.NoMatch.Prompts)
	}
	if s.Play != nil {
		visit(path.Child("play", "prompts"), s.Play.Prompts)
	}
	if s.Menu != nil {
		listen(&s.Menu.Listening, path.Child("menu"))
	}
	if s.Collect != nil {
		listen(&s.Collect.Listening, path.Child("collect"))
	}
	if s.Record != nil {
		visit(path.Child("record", "prompts"), s.Record.Prompts)
	}
}

// prompts visits the prompts of a step, music included.
func prompts(s *callfleetv1.FlowStep, path *field.Path, visit func(*field.Path, *callfleetv1.Prompt)) {
	promptLists(s, path, func(path *field.Path, list callfleetv1.Prompts) {
		for i := range list {
			visit(path.Index(i), &list[i])
		}
	})
	if s.Hold != nil {
		visit(path.Child("hold", "music"), &s.Hold.Music)
	}
}

// texts visits the templates of a step.
func texts(s *callfleetv1.FlowStep, path *field.Path, visit func(*field.Path, callfleetv1.Template)) {
	if s.Say != nil {
		visit(path.Child("say"), *s.Say)
	}
	prompts(s, path, func(path *field.Path, p *callfleetv1.Prompt) {
		if p.Text != "" {
			visit(path.Child("text"), p.Text)
		}
	})
	party := func(p *callfleetv1.FlowParty, path *field.Path) {
		if p.User != "" {
			visit(path.Child("user"), p.User)
		}
		if p.Phone != "" {
			visit(path.Child("phone"), p.Phone)
		}
	}
	values := func(values map[callfleetv1.VariableName]callfleetv1.Template, path *field.Path) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			visit(path.Key(string(name)), values[name])
		}
	}
	if s.Transfer != nil {
		party(&s.Transfer.To, path.Child("transfer", "to"))
	}
	if s.Invite != nil {
		party(&s.Invite.FlowParty, path.Child("invite"))
	}
	values(s.Set, path.Child("set"))
	if s.Webhook != nil {
		values(s.Webhook.Data, path.Child("webhook", "data"))
	}
}
