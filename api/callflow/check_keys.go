// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// phoneKeys are the keys of a telephone (ITU-T Q.23).
const phoneKeys = "0123456789*#ABCD"

// checkKeys looks for keys that mean two things, or nothing.
func (f *reading) checkKeys(i int) {
	s, path := &f.spec.Steps[i], stepPath(i)
	if m := s.Menu; m != nil {
		f.checkSize(path.Child("menu", "choices"), len(m.Choices), 1, 16)
		f.checkChoices(path.Child("menu", "choices"), m.Choices)
		f.checkAsks(path.Child("menu"), &m.Listening)
	}
	if h := s.Hold; h != nil {
		f.checkChoices(path.Child("hold", "choices"), h.Choices)
	}
	if c := s.Collect; c != nil {
		f.checkTerminator(path.Child("collect", "terminator"), c.Terminator)
		f.checkAsks(path.Child("collect"), &c.Listening)
	}
	if r := s.Record; r != nil {
		path := path.Child("record", "stopTones")
		for j, key := range r.StopTones {
			f.checkKey(path.Index(j), key)
			f.checkOnce(path.Index(j), key, slices.Contains(r.StopTones[:j], key))
		}
	}
	if s.Play != nil && s.Play.BargeIn {
		f.checkBargeIn(i)
	}
}

func (f *reading) checkKey(path *field.Path, key callfleetv1.PhoneKey) bool {
	known := len(key) == 1 && strings.Contains(phoneKeys, string(key))
	if !known {
		f.wrong(path, key, "there is no such key; there are 0 to 9, *, # and A to D, in quotes")
	}
	return known
}

func (f *reading) checkChoices(path *field.Path, choices []callfleetv1.MenuChoice) {
	first := map[callfleetv1.PhoneKey]int{}
	for i, c := range choices {
		at := path.Index(i).Child("key")
		if c.Next == "" {
			f.lacks(path.Index(i).Child("next"), "name the step that the key leads to")
		}
		if !f.checkKey(at, c.Key) {
			continue
		}
		if j, twice := first[c.Key]; twice {
			f.wrong(at, c.Key, "the key leads to step %s already (%s); take one of them out or give it another key", choices[j].Next, path.Index(j))
			continue
		}
		first[c.Key] = i
	}
}

// checkAsks refuses a step that hears of no key that anybody had a reason to press.
func (f *reading) checkAsks(path *field.Path, l *callfleetv1.Listening) {
	if len(l.Prompts)+len(l.NoInput.Prompts)+len(l.NoMatch.Prompts) == 0 && !*l.TypeAhead {
		f.lacks(path.Child("prompts"), "the step asks nothing, and forgets what was pressed before; give it a prompt that says what to press, or leave typeAhead out")
	}
}

func (f *reading) checkTerminator(path *field.Path, key string) {
	switch {
	case key == "#" || key == "*" || key == "None":
	case len(key) == 1 && digit(key[0]):
		f.wrong(path, key, "the key is one of those that are collected; take # or *, or None to have max and interDigitTimeout alone end the digits")
	default:
		f.wrong(path, key, `digits are ended by "#", "*" or None`)
	}
}

// checkBargeIn refuses prompts whose key nobody takes before a recording: it would wait for the menu behind the recording, and choose
// there what the caller has not heard of yet.
func (f *reading) checkBargeIn(i int) {
	for j, reached := range f.graph.reach(f.graph.to[i], takesNoKey) {
		if s := &f.graph.steps[j]; reached && s.Record != nil {
			f.wrong(stepPath(i).Child("play", "bargeIn"), true,
				"the key that ends the prompts is taken by no step before %s records, and would choose in the first menu behind; take bargeIn out, or give the prompts to %s",
				s.Name, s.Name)
			return
		}
	}
}

// takesNoKey reports whether a step leaves keys to those behind it, and lets them wait.
func takesNoKey(s *callfleetv1.FlowStep) bool {
	return s.Play != nil || s.Set != nil || s.Branch != nil || s.Mute != nil || s.Webhook != nil
}
