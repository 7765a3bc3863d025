// SPDX-License-Identifier: Apache-2.0

package monitoring

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
)

// scrapesEnv names where test/e2e has left what it scraped: a directory for each round, with a file for each process.
const scrapesEnv = "CALLFLEET_SCRAPES"

// scrapedEvery is the time that the rounds are taken to be apart.
const scrapedEvery = 15 * time.Second

// run is a run of the operator as Prometheus has it, asked at its end. The test is skipped if there is none.
func run(t *testing.T) (ask func(query string) (promql.Vector, error)) {
	t.Helper()
	dir := os.Getenv(scrapesEnv)
	if dir == "" {
		t.Skip("there is no run to show: make e2e makes one, and sets " + scrapesEnv)
	}
	rounds, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(rounds) < 2 {
		t.Fatalf("%s has %d rounds of scrapes (%v); a rate takes two", dir, len(rounds), err)
	}
	store := promqltest.LoadedStorage(t, "")
	var now time.Time
	for i, round := range rounds { // in order: they are named by numbers
		now = time.Unix(0, 0).Add(time.Hour + time.Duration(i)*scrapedEvery)
		files, err := filepath.Glob(filepath.Join(round, "*.txt"))
		if err != nil || len(files) < 3 {
			t.Fatalf("%s has only %v (%v)", round, files, err)
		}
		app := store.Appender(t.Context())
		for _, file := range files {
			ingest(t, app, file, now)
		}
		if err := app.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, LookbackDelta: 5 * time.Minute})
	t.Cleanup(func() { _ = engine.Close() })
	return func(query string) (promql.Vector, error) {
		asked, err := engine.NewInstantQuery(t.Context(), store, nil, query, now)
		if err != nil {
			return nil, err
		}
		defer asked.Close()
		return asked.Exec(t.Context()).Vector()
	}
}

func TestEveryPanelShowsSomethingOfARun(t *testing.T) {
	ask := run(t)
	for name, d := range dashboards(t) {
		for _, panel := range d.Panels {
			for _, target := range panel.Targets {
				if shown, err := ask(filled(target.Expr)); err != nil || len(shown) == 0 {
					t.Errorf("%s: %q shows nothing for %s (%v)", name, panel.Title, target.LegendFormat, err)
				}
			}
		}
	}
}

// What an alert takes for wrong because a metric is told otherwise than it reads would be found here.
func TestNothingIsWrongWithARunInWhichAllIsWell(t *testing.T) {
	ask := run(t)
	for name, rule := range alerts(t) {
		if fires, err := ask(rule.Expr); err != nil || len(fires) > 0 {
			t.Errorf("%s: %v (%v)", name, fires, err)
		}
	}
}

// ingest puts what one process told into the store, with the labels that a scrape adds where it has none of its own.
func ingest(t *testing.T, app storage.Appender, file string, now time.Time) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "\n")
	var added map[string]string
	if err := json.Unmarshal([]byte(strings.TrimPrefix(head, "# ")), &added); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	p := textparse.NewPromParser(text, labels.NewSymbolTable(), false)
	for {
		entry, err := p.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := p.Series()
		var own labels.Labels
		p.Labels(&own)
		b := labels.NewBuilder(own)
		for name, text := range added {
			if own.Get(name) == "" {
				b.Set(name, text)
			}
		}
		if _, err := app.Append(0, b.Labels(), now.UnixMilli(), value); err != nil {
			t.Fatalf("%s: %s: %v", file, own, err)
		}
	}
}
