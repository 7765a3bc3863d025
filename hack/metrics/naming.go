// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"strings"
)

// bounded are the labels that a metric may have: objects that an administrator makes few of, and closed lists.
var bounded = []string{
	"namespace", "bot", "controller",
	"action", "cause", "code", "condition", "decision", "direction", "kind", "lane", "operation", "outcome", "phase", "reason", "result",
	"state", "use", "way",
}

// units are the base units of https://prometheus.io/docs/practices/naming, and the one of opinion scores.
var units = []string{"_seconds", "_bytes", "_ratio", "_mos"}

// counted are what gauges without a unit count, or tell to be so.
var counted = []string{
	"_calls", "_mediapods", "_seats", "_seat_capacity", "_listeners", "_in_flight", "_waiting", "_failing",
	"_condition", "_health", "_shed",
}

// faults are what is wrong with a metric.
func faults(m metric) (list []string) {
	ends := func(suffixes []string) bool {
		return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(m.name, s) })
	}
	if !strings.HasPrefix(m.name, "callfleet_") {
		list = append(list, "does not begin with callfleet_")
	}
	if !strings.HasSuffix(m.help, ".") {
		list = append(list, "has no sentence for help")
	}
	for _, label := range m.labels {
		if !slices.Contains(bounded, label) {
			list = append(list, "has the label "+label+", which is not known to be bounded")
		}
	}
	switch total := strings.HasSuffix(m.name, "_total"); {
	case m.kind == "counter" && !total:
		list = append(list, "is a counter and does not end in _total")
	case m.kind != "counter" && total:
		list = append(list, "ends in _total and is no counter")
	}
	switch {
	case strings.HasSuffix(m.name, "_milliseconds"):
		list = append(list, "has a unit that is no base unit")
	case m.kind == "histogram" && !ends(units), m.kind == "gauge" && !ends(units) && !ends(counted):
		list = append(list, "names no unit")
	}
	return list
}
