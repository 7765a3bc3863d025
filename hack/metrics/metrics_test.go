// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

const root = "../.."

func TestTheDocumentIsCurrent(t *testing.T) {
	got, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(render(collected(t))), string(got)); diff != "" {
		t.Errorf("%s is not what the code says; run make generate (-want +got)\n%s", document, diff)
	}
}

func TestEveryMetricIsWellFormed(t *testing.T) {
	for _, p := range collected(t) {
		if len(p.metrics) < 3 {
			t.Errorf("%s has only %d metrics: not all are seen", p.name, len(p.metrics))
		}
		for _, m := range p.metrics {
			for _, fault := range faults(m) {
				t.Errorf("%s: %s %s", p.name, m.name, fault)
			}
		}
	}
}

// Each rule must say no to what it is there for, or the test above proves nothing.
func TestFaultsAreFound(t *testing.T) {
	const help = "Calls that ended."
	for name, test := range map[string]struct {
		metric metric
		want   string
	}{
		"a call's id":                {metric{"callfleet_x_calls", help, "gauge", []string{"call"}}, "label call"},
		"a session's name":           {metric{"callfleet_x_total", help, "counter", []string{"namespace", "session"}}, "label session"},
		"no help":                    {metric{"callfleet_x_total", "", "counter", nil}, "help"},
		"help that is no sentence":   {metric{"callfleet_x_total", "calls", "counter", nil}, "help"},
		"a counter without _total":   {metric{"callfleet_x", help, "counter", nil}, "_total"},
		"a gauge with it":            {metric{"callfleet_x_total", help, "gauge", nil}, "_total"},
		"a histogram without a unit": {metric{"callfleet_x_latency", help, "histogram", nil}, "unit"},
		"a gauge that counts nothing": {
			metric{"callfleet_x_share", help, "gauge", nil}, "unit"},
		"milliseconds":   {metric{"callfleet_x_milliseconds", help, "gauge", nil}, "unit"},
		"another prefix": {metric{"x_total", help, "counter", nil}, "callfleet_"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(faults(test.metric), "; "); !strings.Contains(got, test.want) {
				t.Errorf("faults are %q, want one about %s", got, test.want)
			}
		})
	}
	if got := faults(metric{"callfleet_x_seconds", help, "histogram", []string{"operation", "code"}}); len(got) > 0 {
		t.Errorf("a good metric has faults: %v", got)
	}
}

// A metric that a package has and no process is seen to register would be missing in the document.
func TestEveryMetricInTheCodeIsDocumented(t *testing.T) {
	known := map[string]bool{}
	for _, p := range collected(t) {
		for _, m := range p.metrics {
			known[m.name] = true
		}
	}
	// The parts of names that are put together end in an underscore, which the pattern leaves out.
	literal := regexp.MustCompile(`"(callfleet_[a-z0-9_]*[a-z0-9])"`)
	found := 0
	for _, dir := range []string{"controllers", "cmd", "mediapod", "router"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
				found++
				if !known[m[1]] {
					t.Errorf("%s has %s, which no process registers", path, m[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 40 {
		t.Errorf("only %d metrics found in the code: the walk does not see it", found)
	}
}

func TestDescriptionsAreReadWhole(t *testing.T) {
	d := prometheus.NewDesc("callfleet_x", `Says "this", and more.`, []string{"a", "b"}, prometheus.Labels{"c": "d"})
	got, err := read(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(metric{name: "callfleet_x", help: `Says "this", and more.`, labels: []string{"c", "a", "b"}}, got, cmp.AllowUnexported(metric{})); diff != "" {
		t.Error(diff)
	}
}

func TestTypesAreTold(t *testing.T) {
	for want, name := range map[string]string{"counter": "callfleet_media_packets_total", "gauge": "callfleet_router_in_flight", "histogram": "callfleet_media_call_mos"} {
		var kinds []string
		for _, p := range collected(t) {
			for _, m := range p.metrics {
				if m.name == name {
					kinds = append(kinds, m.kind)
				}
			}
		}
		if !slices.Equal(kinds, []string{want}) {
			t.Errorf("%s is told to be %v, want a %s", name, kinds, want)
		}
	}
}

func collected(t *testing.T) []process {
	t.Helper()
	all, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	return all
}
