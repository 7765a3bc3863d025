// SPDX-License-Identifier: Apache-2.0

package callflow

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	callfleetv1 "github.com/callfleet/callfleet/api/v1alpha1"
)

func TestDrawings(t *testing.T) {
	files, err := filepath.Glob("testdata/draw/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("nothing to draw: %v", err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		flows, err := Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		for ending, drawn := range map[string]string{
			".mmd": Mermaid(flows[0].Name, &flows[0].Spec),
			".dot": DOT(flows[0].Name, &flows[0].Spec),
		} {
			golden := strings.TrimSuffix(file, ".yaml") + ending
			t.Run(filepath.Base(golden), func(t *testing.T) {
				if *update {
					if err := os.WriteFile(golden, []byte(drawn), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), drawn); diff != "" {
					t.Errorf("drawn otherwise (-want +got; go test -update writes it anew):\n%s", diff)
				}
			})
		}
	}
}

// Whatever people write, it stays in its box: a line of a drawing is a line, and no text ends its quotes.
func TestTextsDoNotBreakOutOfDrawings(t *testing.T) {
	nasty := "\"];\n}\\\" -->|x| <br> `#quot; end\x00"
	flow := &callfleetv1.CallFlowSpec{Start: callfleetv1.StepName(nasty), Steps: []callfleetv1.FlowStep{
		{Name: callfleetv1.StepName(nasty), Next: callfleetv1.StepName(nasty + "2"), Say: new(callfleetv1.Template(nasty))},
		{Name: "a", Branch: &callfleetv1.BranchStep{Cases: []callfleetv1.BranchCase{{When: nasty, Next: "a"}}, Else: "b"}},
		{Name: "b", Webhook: &callfleetv1.WebhookStep{URL: callfleetv1.HTTPSURL(nasty), OnError: "a"}},
	}}
	mermaid := regexp.MustCompile(`^    s\d+(\W{1,2}"[^"<\x60\\]*(<br/>[^"<\x60\\]*)?"\W{1,2}| (-->|-\.->)(\|"[^"<]*"\|)? s\d+)$`)
	for _, line := range strings.Split(strings.TrimSpace(Mermaid(nasty, flow)), "\n")[4:] {
		if !mermaid.MatchString(line) {
			t.Errorf("Mermaid does not take %q", line)
		}
	}
	text := `"([^"\\]|\\.)*"`
	dot := regexp.MustCompile(`^(digraph ` + text + ` \{|    s\d+ \[label=` + text + `, [a-z]+=[a-z0-9., =]+\]|    s\d+ -> s\d+( \[(label=` + text + `)?(, )?(style=dotted)?\])?|\})$`)
	for _, line := range strings.Split(strings.TrimSpace(DOT(nasty, flow)), "\n") {
		if !dot.MatchString(line) {
			t.Errorf("Graphviz does not take %q", line)
		}
	}
}
