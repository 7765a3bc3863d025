// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

// MaxValue is how many characters a variable holds (callfleetv1.VariableValue), and a template makes at the most: else a flow whose
// variables are made of one another could fill a media pod's memory.
const MaxValue = 1024

// Scope is what templates and conditions of a call can see.
type Scope struct {
	Vars           map[string]string
	Caller, Called callfleetv1.Caller
	CallID         string
	// Flow that is run, by its name.
	Flow string
	// Error is why the last step that could fail did; empty if it did not.
	Error string
	Now   time.Time
	// Zone for conditions; nil: that of the flow that has them.
	Zone *time.Location
}

// wordError is the one name that is not made of two, and so none that a variable may have.
const wordError = "error"

// words are the names that are there without being set, in the order in which they are told.
var words = []string{"caller.kind", "caller.id", "caller.name", "caller.tenant", "called.id", "call.id", "flow.name", wordError}

// word is the value of one of the words; false if it is none.
func (s *Scope) word(name string) (string, bool) {
	switch name {
	case "caller.kind":
		return string(s.Caller.Kind), true
	case "caller.id":
		return s.Caller.ID, true
	case "caller.name":
		return s.Caller.DisplayName, true
	case "caller.tenant":
		return s.Caller.TenantID, true
	case "called.id":
		return s.Called.ID, true
	case "call.id":
		return s.CallID, true
	case "flow.name":
		return s.Flow, true
	case wordError:
		return s.Error, true
	}
	return "", false
}

// template is a text in pieces.
type template struct {
	pieces []piece
	// names that stand for values, in order.
	names []string
}

// piece is a text as it is, or the name of a value.
type piece struct {
	text string
	name bool
}

// parseTemplate reads a template. The error says what is wrong and what to write instead.
func parseTemplate(t callfleetv1.Template) (*template, error) {
	parsed := &template{}
	var text strings.Builder
	rest := string(t)
	for {
		dollar := strings.IndexByte(rest, '$')
		if dollar < 0 {
			text.WriteString(rest)
			parsed.add(text.String(), false)
			return parsed, nil
		}
		text.WriteString(rest[:dollar])
		rest = rest[dollar:]
		if strings.HasPrefix(rest, "$${") {
			text.WriteString("${")
			rest = rest[len("$${"):]
			continue
		}
		inner, ok := strings.CutPrefix(rest, "${")
		if !ok { // a price
			text.WriteByte('$')
			rest = rest[1:]
			continue
		}
		name, after, ok := strings.Cut(inner, "}")
		switch {
		case !ok:
			return nil, fmt.Errorf("${ at character %d has no }; end the name with }, or write $${ for the characters themselves", at(t, rest))
		case !isName(name):
			return nil, fmt.Errorf("${%s} at character %d: %q is no name; a name has letters, digits and _, as in ${pin} or ${caller.name}; write $${ for the characters themselves",
				name, at(t, rest), name)
		}
		parsed.add(text.String(), false)
		text.Reset()
		parsed.add(name, true)
		parsed.names = append(parsed.names, name)
		rest = after
	}
}

// at is the place of what is left of a text, counted in characters from 1.
func at(t callfleetv1.Template, rest string) int {
	return utf8.RuneCountInString(string(t)[:len(t)-len(rest)]) + 1
}

func (t *template) add(text string, name bool) {
	if text != "" {
		t.pieces = append(t.pieces, piece{text, name})
	}
}

// isName reports whether a text is a variable's name, or two with a dot between.
func isName(name string) bool {
	first, second, dotted := strings.Cut(name, ".")
	return isVariable(first) && (!dotted || isVariable(second))
}

// isVariable reports whether a text is written as a variable's name is.
func isVariable(name string) bool {
	for i := range len(name) {
		b := name[i]
		letter := 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
		if !letter && (i == 0 || b != '_' && (b < '0' || b > '9')) {
			return false
		}
	}
	return name != ""
}

// Render puts values into a template of the program. A variable that is not set yet is empty. What is longer than MaxValue is cut.
func (p *Program) Render(t callfleetv1.Template, s Scope) string {
	parsed, ok := p.templates[t]
	if !ok { // none of the program's
		var err error
		if parsed, err = parseTemplate(t); err != nil {
			return string(t)
		}
	}
	return parsed.render(&s)
}

func (t *template) render(s *Scope) string {
	switch {
	case len(t.pieces) == 0:
		return ""
	case len(t.pieces) == 1:
		return cut(t.pieces[0].value(s), MaxValue)
	}
	size := 0
	for _, p := range t.pieces {
		size += len(p.value(s))
	}
	var text strings.Builder
	text.Grow(size)
	for _, p := range t.pieces {
		text.WriteString(p.value(s))
	}
	return cut(text.String(), MaxValue)
}

func (p piece) value(s *Scope) string {
	if !p.name {
		return p.text
	}
	if v, ok := s.word(p.text); ok {
		return v
	}
	return s.Vars[p.text]
}

// cut is the first characters of a text.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	n := 0
	for i := range text {
		if n++; n > most {
			return text[:i]
		}
	}
	return text
}
