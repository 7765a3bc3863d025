// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/callfleet/callfleet/audio/measure"
)

func TestTheDemoFailsWhenTheVoiceWasNotHeard(t *testing.T) {
	good := measure.Report{Correlation: 0.95, LevelDB: -1, LongestGap: 40 * time.Millisecond}
	with := func(change func(*measure.Report)) measure.Report {
		r := good
		change(&r)
		return r
	}
	tests := map[string]struct {
		report measure.Report
		says   string // empty: heard
	}{
		"heard":          {good, ""},
		"other words":    {with(func(r *measure.Report) { r.Correlation = 0.89 }), "correlation"},
		"too quiet":      {with(func(r *measure.Report) { r.LevelDB = -3.1 }), "dB off"},
		"too loud":       {with(func(r *measure.Report) { r.LevelDB = 3.1 }), "dB off"},
		"a hole":         {with(func(r *measure.Report) { r.LongestGap = 61 * time.Millisecond }), "gap"},
		"just about all": {measure.Report{Correlation: 0.9, LevelDB: 3, LongestGap: 60 * time.Millisecond}, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			err := heard(tc.report)
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("heard(%+v) = %v, want %q", tc.report, err, tc.says)
			}
		})
	}
}

func TestAScreenShowsEachStateOnce(t *testing.T) {
	var out bytes.Buffer
	s := &screen{out: &out}
	for _, text := range []string{"a   Pending   0s\n", "a   Pending   1s\n", "a   Joining   1s\n", "a   Joining   12m5s\n"} {
		s.show(text)
	}
	if got := out.String(); strings.Count(got, "Pending") != 1 || strings.Count(got, "Joining") != 1 {
		t.Errorf("shown:\n%s", got)
	}
}

func TestDownRemovesWhatAnEarlierRunLeft(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, what := range []string{"nothing", "a run that failed early"} {
		if err := end(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(demoDir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is still there: %v", what, err)
		}
		if err := os.MkdirAll(filepath.Join(demoDir, "log"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
