// SPDX-License-Identifier: Apache-2.0

package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/callfleet/callfleet/api/v1alpha1"
)

const troubleshooting = "docs/troubleshooting.md"

// constants of the API by the beginning of their names, as name to value.
func constants(t *testing.T, prefix string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, s := range sources(t) {
		if s.dir() != "api/v1alpha1" || s.test() || s.generated() {
			continue
		}
		_, file := parse(t, s, parser.SkipObjectResolution)
		for _, decl := range file.Decls {
			gen, ok := decl.(*ast.GenDecl)
			if !ok || gen.Tok != token.CONST {
				continue
			}
			for _, spec := range gen.Specs {
				spec := spec.(*ast.ValueSpec)
				for i, name := range spec.Names {
					if !strings.HasPrefix(name.Name, prefix) || i >= len(spec.Values) {
						continue
					}
					if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
						value, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						found[name.Name] = value
					}
				}
			}
		}
	}
	return found
}

// rows are what the first column of the tables of a document names in backticks.
func rows(text string) []string {
	var list []string
	first := regexp.MustCompile(`^\|([^|]*)\|`)
	word := regexp.MustCompile("`([A-Z][A-Za-z]+)`")
	for line := range strings.Lines(text) {
		if m := first.FindStringSubmatch(line); m != nil {
			for _, w := range word.FindAllStringSubmatch(m[1], -1) {
				list = append(list, w[1])
			}
		}
	}
	return list
}

func TestEveryEndReasonIsExplained(t *testing.T) {
	explained := rows(read(t, troubleshooting))
	for _, reason := range v1alpha1.EndReasons {
		if !slices.Contains(explained, string(reason)) {
			t.Errorf("%s does not explain endReason %s", troubleshooting, reason)
		}
	}
}

func TestEveryConditionAndItsReasonsAreExplained(t *testing.T) {
	explained := rows(read(t, troubleshooting))
	for _, prefix := range []string{"Reason", "Condition"} {
		found := constants(t, prefix)
		if len(found) == 0 {
			t.Fatalf("no constant %s… found in the API", prefix)
		}
		for name, value := range found {
			if !slices.Contains(explained, value) {
				t.Errorf("%s does not explain %s (v1alpha1.%s)", troubleshooting, value, name)
			}
		}
	}
}

// A reason that the tables explain and no code gives is one that a reader looks for in vain.
func TestOnlyRealReasonsAreExplained(t *testing.T) {
	var code strings.Builder
	for _, s := range sources(t) {
		if !s.test() && within(s.dir(), "api", "controllers", "mediapod") {
			code.WriteString(s.text)
		}
	}
	for _, word := range rows(read(t, troubleshooting)) {
		if !strings.Contains(code.String(), `"`+word+`"`) {
			t.Errorf("%s explains %s, which no code says", troubleshooting, word)
		}
	}
}
