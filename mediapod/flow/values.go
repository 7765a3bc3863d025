// SPDX-License-Identifier: Apache-2.0

package flow

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/callfleet/callfleet/api/callflow"
	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

const (
	// maxValue is how many characters a variable holds, as VariableValue has it; the rest is cut off.
	maxValue = 1024
	// maxText is how many characters are spoken at once; the rest is cut off. A template of the greatest length has room for more than
	// two hundred variables of the greatest length, and no caller listens for hours.
	maxText = 4096
	// maxVariables is how many bytes all variables may have, names included: FlowStatus.Sealed has room for 64 KiB in base64.
	maxVariables = 32 << 10
)

func (m *Machine) scope() callflow.Scope {
	return callflow.Scope{
		Vars: m.s.Variables, Caller: m.call.Caller, Called: m.call.Called, CallID: m.call.ID,
		Flow: m.s.At.Flow, Error: string(m.s.Error), Now: m.now,
	}
}

func (m *Machine) render(t callfleetv1.Template, most int) string {
	return cut(m.program.Render(t, m.scope()), most)
}

// rendered are templates by name, all of them with the variables as they are now.
func (m *Machine) rendered(templates map[callfleetv1.VariableName]callfleetv1.Template) map[string]string {
	values := make(map[string]string, len(templates))
	for name, t := range templates {
		values[string(name)] = m.render(t, maxValue)
	}
	return values
}

// prompts as a stage plays them. Texts that come out empty are left out.
func (m *Machine) prompts(list callfleetv1.Prompts) []Prompt {
	var out []Prompt
	for _, p := range list {
		if p.Text == "" {
			out = append(out, Prompt{ConfigMap: p.ConfigMap, URL: p.URL})
			continue
		}
		if text := strings.TrimSpace(m.render(p.Text, maxText)); text != "" {
			out = append(out, Prompt{Text: text, Speech: m.program.Flow(m.s.At.Flow).Speech})
		}
	}
	return out
}

var (
	objectID    = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	phoneNumber = regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`) // ITU-T E.164
)

// party is who is meant; not ok: nobody can be.
func (m *Machine) party(who callfleetv1.FlowParty) (Party, bool) {
	p := Party{User: strings.TrimSpace(m.render(who.User, maxValue)), Phone: strings.TrimSpace(m.render(who.Phone, maxValue))}
	return p, objectID.MatchString(p.User) != phoneNumber.MatchString(p.Phone)
}

// initials gives the variables of a flow that is entered their first values, if they have none.
func (m *Machine) initials(name string) {
	f := m.program.Flow(name)
	if f == nil {
		return
	}
	values := map[string]string{}
	for name, value := range f.Variables {
		if _, there := m.s.Variables[string(name)]; !there {
			values[string(name)] = string(value)
		}
	}
	m.assign(values)
}

// assign gives variables values; when there is no room for them the flow has failed.
func (m *Machine) assign(values map[string]string) bool {
	if m.s.Variables == nil {
		m.s.Variables = make(map[string]string, len(values))
	}
	for name, value := range values {
		m.s.Variables[name] = cut(value, maxValue)
	}
	total := 0
	for name, value := range m.s.Variables {
		total += weight(name) + weight(value)
	}
	if total > maxVariables {
		m.fail("its variables have more than %d KiB together at step %s; keep less", maxVariables>>10, m.At())
		return false
	}
	return true
}

// weight is how many bytes of a state a text needs.
func weight(s string) int {
	n := len(s)
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ':
			n += len(`\u0000`) - 1
		case c == '"', c == '\\':
			n++
		}
	}
	return n
}

// cut leaves so many characters.
func cut(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	n := 0
	for i := range s {
		if n == most {
			return s[:i]
		}
		n++
	}
	return s
}
