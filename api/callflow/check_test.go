// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var update = flag.Bool("update", false, "write the files under testdata anew")

// example is a flow with what is said of it, from a file under testdata/mistakes. There it is written
//
//	== what it is an example of
//	the flow: a whole one, or step a of one whose steps b (a say), end (hangup) and back (return) come by themselves where a leads to
//	them; subflows follow behind a line "--- name"
//	=>
//	the mistakes, one a line
type example struct {
	name string
	text string
	want []string
}

func examples(t testing.TB, file string) []example {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []example
	for _, section := range strings.Split("\n"+string(raw), "\n== ")[1:] {
		head, want, ok := strings.Cut(section, "\n=>")
		name, text, named := strings.Cut(head, "\n")
		if !ok || !named {
			t.Fatalf("%s: the example %q is not written as it should be", file, section)
		}
		e := example{name: name, text: text}
		if want = strings.TrimSpace(want); want != "" {
			e.want = strings.Split(want, "\n")
		}
		all = append(all, e)
	}
	return all
}

// flows are those of an example: the first is called test.
func (e example) flows() []string {
	var named []string
	for i, text := range strings.Split(e.text, "\n--- ") {
		if i == 0 {
			named = append(named, "test", whole(text))
			continue
		}
		name, text, _ := strings.Cut(text, "\n")
		named = append(named, name, whole(text))
	}
	return named
}

// whole makes a flow of a step.
func whole(text string) string {
	if strings.Contains("\n"+text, "\nsteps:") {
		return text
	}
	text = "start: a\nspeech: {url: https://speech.example}\nvariables: {language: de}\nsteps:\n- name: a\n  " +
		strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	for _, more := range []struct{ name, does string }{{"b", "say: hello, next: end"}, {"end", "hangup: {}"}, {"back", "return: {}"}} {
		if regexp.MustCompile(`(next|else|onFailure|onError): ` + more.name + `\b|choices: \[` + more.name).MatchString(text) {
			text += "- {name: " + more.name + ", " + more.does + "}\n"
		}
	}
	return text
}

// mistakes are those of a flow called test, as a user reads them.
func mistakes(t testing.TB, flows ...string) []string {
	t.Helper()
	p, errs := Compile("test", flowsOf(t, flows...))
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	if refused := slices.ContainsFunc(errs, func(e *field.Error) bool { return !IsMissing(e) }); refused == (p != nil) {
		t.Errorf("there is a program: %v, with the mistakes %q", p != nil, all)
	}
	return all
}

func TestMistakesAreToldWithTheirPathsAndWhatToDo(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files of examples, %v", len(files), err)
	}
	for _, file := range files {
		var written strings.Builder
		for _, e := range examples(t, file) {
			var got []string
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+e.name, func(t *testing.T) {
				got = mistakes(t, e.flows()...)
				if diff := cmp.Diff(e.want, got); diff != "" && !*update {
					t.Errorf("not the mistakes that %s has (-want +got; go test -update writes them anew):\n%s", file, diff)
				}
			})
			fmt.Fprintf(&written, "== %s\n%s\n=>\n", e.name, e.text)
			for _, line := range got {
				fmt.Fprintln(&written, line)
			}
			fmt.Fprintln(&written)
		}
		if *update {
			if err := os.WriteFile(file, []byte(written.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
