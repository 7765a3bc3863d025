// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var row = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (counter|gauge|histogram) \\| ([^|]*) \\|")

// documented are the labels of the series of docs/metrics.md, by their names.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	known := map[string][]string{}
	for _, m := range row.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		list := []string{"namespace", "pod", "bot"} // what a scrape adds
		for label := range strings.SplitSeq(m[3], ",") {
			if label = strings.Trim(label, "` "); label != "" {
				list = append(list, label)
			}
		}
		if m[2] != "histogram" {
			known[m[1]] = list
			continue
		}
		known[m[1]+"_bucket"] = append(slices.Clone(list), "le")
		known[m[1]+"_sum"], known[m[1]+"_count"] = list, list
	}
	if len(known) < 50 {
		t.Fatalf("only %d series are documented: the table is not read", len(known))
	}
	return known
}

func parse(t *testing.T, query string) parser.Expr {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return expr
}

// undocumented is what a query names that docs/metrics.md does not have.
func undocumented(expr parser.Expr, known map[string][]string) (faults []string) {
	available := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		has, ok := known[selector.Name]
		if !ok {
			faults = append(faults, "metric "+selector.Name)
			return nil
		}
		for _, label := range has {
			available[label] = true
		}
		for _, m := range selector.LabelMatchers {
			if m.Name != labels.MetricName && !slices.Contains(has, m.Name) {
				faults = append(faults, selector.Name+" with label "+m.Name)
			}
		}
		return nil
	})
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if by, ok := node.(*parser.AggregateExpr); ok && !by.Without {
			for _, label := range by.Grouping {
				if !available[label] {
					faults = append(faults, "grouping by "+label)
				}
			}
		}
		return nil
	})
	return faults
}

func TestWhatIsNotDocumentedIsFound(t *testing.T) {
	known := documented(t)
	for query, want := range map[string]string{
		`callfleet_bot_chairs`:                                "metric callfleet_bot_chairs",
		`callfleet_bot_seats{call="a"}`:                       "callfleet_bot_seats with label call",
		`sum by (call) (callfleet_bot_seats)`:                 "grouping by call",
		`sum by (namespace, use) (callfleet_bot_seats)`:       "",
		`rate(callfleet_media_call_mos_bucket{le="3.6"}[5m])`: "",
	} {
		if got := strings.Join(undocumented(parse(t, query), known), ", "); got != want {
			t.Errorf("%s: found %q, want %q", query, got, want)
		}
	}
}
