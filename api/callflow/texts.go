// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// prompts visits the prompts of a step; path is where the step is, and where the member is that has the prompt.
func prompts(s *callfleetv1.FlowStep, path *field.Path, visit func(*field.Path, *callfleetv1.Prompt)) {
	list := func(list callfleetv1.Prompts, path *field.Path) {
		for i := range list {
			visit(path.Index(i), &list[i])
		}
	}
	listen := func(l *callfleetv1.Listening, path *field.Path) {
		list(l.Prompts, path.Child("prompts"))
		list(l.NoInput.Prompts, path.Child("noInput", "prompts"))
		list(l.NoMatch.Prompts, path.Child("noMatch", "prompts"))
	}
	if s.Play != nil {
		list(s.Play.Prompts, path.Child("play", "prompts"))
	}
	if s.Menu != nil {
		listen(&s.Menu.Listening, path.Child("menu"))
	}
	if s.Collect != nil {
		listen(&s.Collect.Listening, path.Child("collect"))
	}
	if s.Record != nil {
		list(s.Record.Prompts, path.Child("record", "prompts"))
	}
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
