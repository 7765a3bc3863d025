// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// dashboard is what is looked at of Grafana's JSON.
type dashboard struct {
	UID, Title string
	Panels     []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y, W, H int }
		Targets []struct{ RefID, Expr, LegendFormat string }
	}
}

func dashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "config/grafana/*.json"))
	if err != nil || len(files) < 3 {
		t.Fatalf("found %d dashboards (%v), want the fleet's, that of calls and that of media", len(files), err)
	}
	found := map[string]dashboard{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		var d dashboard
		if err := json.Unmarshal([]byte(read(t, "config/grafana/"+filepath.Base(file))), &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		found[name] = d
	}
	return found
}

// filled puts in what Grafana does: all namespaces and bots, and a window that holds four scrapes.
func filled(query string) string {
	return strings.NewReplacer("$__rate_interval", "2m", "$namespace", ".*", "$bot", ".*").Replace(query)
}

func TestDashboardsAskForDocumentedMetrics(t *testing.T) {
	known := documented(t)
	for name, d := range dashboards(t) {
		for _, panel := range d.Panels {
			if len(panel.Targets) == 0 {
				t.Errorf("%s: %q asks for nothing", name, panel.Title)
			}
			for _, target := range panel.Targets {
				for _, fault := range undocumented(parse(t, filled(target.Expr)), known) {
					t.Errorf("%s: %q: docs/metrics.md has no %s", name, panel.Title, fault)
				}
				if target.LegendFormat == "" {
					t.Errorf("%s: %q has a line without a name", name, panel.Title)
				}
			}
		}
	}
}

func TestDashboardsAreWellFormed(t *testing.T) {
	kustomization := read(t, "config/grafana/kustomization.yaml")
	for name, d := range dashboards(t) {
		// Links lead by uid; a second of the same would overwrite the first.
		if d.UID != name || d.Title == "" || !strings.Contains(kustomization, "["+name+".json]") {
			t.Errorf("%s has uid %q and title %q; the uid is the file's name, and kustomization.yaml lists the file", name, d.UID, d.Title)
		}
		ids, taken := map[int]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			if ids[p.ID] {
				t.Errorf("%s: two panels have id %d", name, p.ID)
			}
			ids[p.ID] = true
			for x := range p.GridPos.W {
				for y := range p.GridPos.H {
					at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
					if other, ok := taken[at]; ok || at[0] >= 24 {
						t.Fatalf("%s: %q lies on %q, or beyond the edge", name, p.Title, other)
					}
					taken[at] = p.Title
				}
			}
		}
	}
}
