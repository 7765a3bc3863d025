// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// sheet makes a Helm template of an object: what a value decides is set to a mark, and the marks are replaced once the object is YAML,
// when it is known how deep they stand.
type sheet struct{ marks []mark }

type mark struct {
	text string
	form form
}

type form int

const (
	// inline: the text stands for a scalar, or a part of one.
	inline form = iota
	// under: the text is an expression that gives YAML, which is what the field holds.
	under
	// lines: the text is lines of their own, in the place of a field or an item.
	lines
)

var markPattern = regexp.MustCompile(`Mark([0-9]+)End`)

// relative is how lines say how deep something stands: from where they stand themselves.
var relative = regexp.MustCompile(`nindent \+([0-9]+)`)

func (s *sheet) mark(f form, text string) string {
	s.marks = append(s.marks, mark{text, f})
	return fmt.Sprintf("Mark%dEnd", len(s.marks)-1)
}

// scalar is a value that an expression gives.
func (s *sheet) scalar(expression string) string { return s.mark(inline, "{{ "+expression+" }}") }

// yaml is a value that an expression gives, whatever it is.
func (s *sheet) yaml(expression string) string { return s.mark(under, expression) }

// add puts lines into a map, before its fields.
func (s *sheet) add(to map[string]any, text string) { to[s.mark(lines, text)] = "" }

// item is lines in the place of an item of a list.
func (s *sheet) item(text string) string { return s.mark(lines, text) }

// render writes an object with its marks replaced. What happens to look like a template in config/, such as in a description, stays text.
func (s *sheet) render(o map[string]any) (string, error) {
	raw, err := yaml.Marshal(o)
	if err != nil {
		return "", err
	}
	text := strings.ReplaceAll(string(raw), "{{", `{{ "{{" }}`)
	var out strings.Builder
	for line := range strings.Lines(text) {
		found := markPattern.FindStringSubmatch(line)
		if found == nil {
			out.WriteString(line)
			continue
		}
		n, err := strconv.Atoi(found[1])
		if err != nil || n >= len(s.marks) {
			return "", fmt.Errorf("%q is no mark of this sheet", found[0])
		}
		m, depth := s.marks[n], len(line)-len(strings.TrimLeft(line, " "))
		switch m.form {
		case under:
			// In a list's first line the field stands two further in than the dash.
			if strings.HasPrefix(line[depth:], "- ") {
				depth += 2
			}
			out.WriteString(strings.Replace(line, found[0], fmt.Sprintf("{{- %s | nindent %d }}", m.text, depth+2), 1))
		case lines:
			for l := range strings.SplitSeq(m.text, "\n") {
				if !strings.HasPrefix(l, "{{-") { // such a line leaves nothing behind
					l = strings.Repeat(" ", depth) + l
				}
				out.WriteString(relative.ReplaceAllStringFunc(l, func(call string) string {
					more, _ := strconv.Atoi(relative.FindStringSubmatch(call)[1])
					return fmt.Sprintf("nindent %d", depth+more)
				}) + "\n")
			}
		default:
			out.WriteString(markPattern.ReplaceAllStringFunc(line, func(name string) string {
				n, _ := strconv.Atoi(markPattern.FindStringSubmatch(name)[1])
				return s.marks[n].text
			}))
		}
	}
	return out.String(), nil
}
