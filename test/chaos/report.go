// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what an event has cost.
type result struct {
	event string
	took  time.Duration
	// before is how many calls were held when it began, ended how many had their time meanwhile and were ended by us, failed how
	// many ended before they had media.
	before, ended, failed int
	cut                   []held
	moved                 int
	expected              map[string]held // by session
	err                   error
}

// play lets an event happen, and counts.
func (s *stage) play(ctx context.Context, e event) result {
	s.calls.tally("")
	began := time.Now()
	cost, err := e.do(s, ctx)
	// What it cut may be noticed only when the service misses the media.
	wait(ctx, mediaTimeout+2*time.Second, nil)
	r := s.calls.tally(e.name)
	r.took, r.expected, r.err = time.Since(began).Round(time.Second), cost, err
	fmt.Fprintf(s.out, "    %d calls before, %d cut, after %s\n", r.before, len(r.cut), r.took)
	if err != nil {
		fmt.Fprintln(s.out, "   ", err)
	}
	return r
}

// tally is what has happened since the last one.
func (c *calls) tally(event string) result {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := result{event: event, before: c.before, ended: c.done, failed: c.failed, cut: c.cut, moved: c.moved}
	c.before, c.done, c.failed, c.cut, c.moved = len(c.held), 0, 0, nil, 0
	return r
}

// costs is how many were cut since the last tally, and how many of those stand again.
func (c *calls) costs() (cut, moved int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.cut), c.moved
}

// report prints a line for each event.
func report(out io.Writer, results []result) {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "\nEVENT\tTOOK\tCALLS BEFORE\tHAD THEIR TIME\tNEVER STOOD\tCUT\tON THE KILLED POD\tMOVED")
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\n", r.event, r.took, r.before, r.ended, r.failed, len(r.cut), len(r.expected), r.moved)
	}
	_ = table.Flush()
}

// verdict says what was not as it has to be: calls that were cut and were not on the killed pod, calls on it that were
// not, and events that did not come to an end.
func verdict(results []result) error {
	var errs []error
	for _, r := range results {
		if r.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.event, r.err))
		}
		var wrong []string
		spared := map[string]bool{}
		for session := range r.expected {
			spared[session] = true
		}
		for _, h := range r.cut {
			if r.expected[h.session] != h {
				wrong = append(wrong, h.session+" on "+h.pod)
			}
			delete(spared, h.session)
		}
		if len(wrong) > 0 {
			errs = append(errs, fmt.Errorf("%s: cut without need: %s", r.event, strings.Join(wrong, ", ")))
		}
		if len(spared) > 0 {
			errs = append(errs, fmt.Errorf("%s: %d calls on the killed pod were not seen to be cut", r.event, len(spared)))
		}
	}
	return errors.Join(errs...)
}
