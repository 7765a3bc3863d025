// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestTheVerdict(t *testing.T) {
	a, b := held{session: "a", id: "1", pod: "reception-0"}, held{session: "b", id: "2", pod: "reception-1"}
	for name, c := range map[string]struct {
		result result
		want   string // in the error; none if empty
	}{
		"nothing was cut":                  {result{event: "drain"}, ""},
		"a call was cut":                   {result{event: "drain", cut: []held{a}}, "drain: cut without need: a on reception-0"},
		"all on the killed pod":            {result{event: "kill", cut: []held{a}, expected: map[string]held{"a": a}}, ""},
		"and one elsewhere":                {result{event: "kill", cut: []held{a, b}, expected: map[string]held{"a": a}}, "kill: cut without need: b on reception-1"},
		"not all on it":                    {result{event: "kill", cut: []held{a}, expected: map[string]held{"a": a, "b": b}}, "1 calls on the killed pod were not seen"},
		"another call of the same session": {result{event: "kill", cut: []held{{session: "a", id: "3", pod: a.pod}}, expected: map[string]held{"a": a}}, "cut without need: a"},
		"it did not end":                   {result{event: "drain", err: errors.New("timed out")}, "drain: timed out"},
	} {
		t.Run(name, func(t *testing.T) {
			err := verdict([]result{c.result})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("verdict %v, want %q", err, c.want)
			}
		})
	}
}

func TestACallIsCutUnlessItsEndIsOursOrItNeverStood(t *testing.T) {
	c := newCalls(nil, options{})
	c.held["a"], c.held["b"] = held{session: "a", id: "1"}, held{session: "b", id: "2"}
	c.held["d"] = held{session: "d", id: "4"}
	c.stands["1"], c.stands["2"] = true, true // the fourth never had media
	c.tally("")
	c.release("a")
	for h, want := range map[held]bool{{session: "a", id: "1"}: false, {session: "b", id: "2"}: true, {session: "c", id: "3"}: false, {session: "d", id: "4"}: false} {
		if got := c.cutNow(h); got != want {
			t.Errorf("%+v is cut: %v, want %v", h, got, want)
		}
	}
	if c.cutNow(held{session: "b", id: "2"}) {
		t.Error("a call is cut twice")
	}
	r := c.tally("event")
	if r.before != 3 || r.ended != 1 || r.failed != 1 || len(r.cut) != 1 || r.cut[0].session != "b" {
		t.Errorf("tally %+v", r)
	}
	if next := c.tally("next"); next.before != 0 || next.ended != 0 || len(next.cut) != 0 {
		t.Errorf("the next tally begins with %+v", next)
	}
}

func TestTheReportHasALineForEachEvent(t *testing.T) {
	var out bytes.Buffer
	report(&out, []result{{event: "drain", before: 100, ended: 20}, {event: "kill", before: 99, cut: make([]held, 25), moved: 25}})
	if lines := strings.Count(strings.TrimSpace(out.String()), "\n"); lines != 2 || !strings.Contains(out.String(), "25") {
		t.Errorf("report:\n%s", out.String())
	}
}
