// SPDX-License-Identifier: Apache-2.0

// Package expand replaces references of the form $(NAME) in the command,
// arguments and environment of a container, by the rules the Kubernetes API
// documents for those fields.
package expand

import "strings"

// String replaces each $(NAME) that lookup knows. One it does not know stays
// as it is, $$ is a dollar sign, and so $$(NAME) is never replaced.
func String(input string, lookup func(name string) (string, bool)) string {
	if !strings.Contains(input, "$") {
		return input
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(input, "$")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		switch {
		case strings.HasPrefix(rest, "$"):
			out.WriteByte('$')
			rest = rest[1:]
		case strings.HasPrefix(rest, "("):
			name, after, closed := strings.Cut(rest[1:], ")")
			if !closed {
				out.WriteString("$(")
				rest = rest[1:]
				break
			}
			if value, ok := lookup(name); ok {
				out.WriteString(value)
			} else {
				out.WriteString("$(" + name + ")")
			}
			rest = after
		default:
			out.WriteByte('$')
		}
		input = rest
	}
}

// Strings is String for a list.
func Strings(inputs []string, lookup func(name string) (string, bool)) []string {
	out := make([]string, len(inputs))
	for i, s := range inputs {
		out[i] = String(s, lookup)
	}
	return out
}
