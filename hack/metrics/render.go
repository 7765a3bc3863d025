// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"
)

// borrowed are metrics of libraries that alerts and dashboards use. Their names are in the libraries' hands.
var borrowed = []metric{
	{"controller_runtime_reconcile_errors_total", "Passes of a controller that failed.", "counter", []string{"controller"}},
	{"controller_runtime_reconcile_time_seconds", "Time that a pass of a controller took.", "histogram", []string{"controller"}},
	{"controller_runtime_reconcile_total", "Passes of a controller, by result.", "counter", []string{"controller", "result"}},
	{"go_goroutines", "Goroutines of a process.", "gauge", nil},
	{"leader_election_master_status", "1 for the manager that holds the lease and acts, 0 for one that waits.", "gauge", []string{"name"}},
	{"process_cpu_seconds_total", "Processor time of a process.", "counter", nil},
	{"process_resident_memory_bytes", "Memory of a process.", "gauge", nil},
	{"workqueue_depth", "What a controller has yet to look at.", "gauge", []string{"controller", "name", "priority"}},
}

// render writes the document.
func render(all []process) []byte {
	var b bytes.Buffer
	b.WriteString(`# Metrics

Written by ` + "`make generate`" + ` from what the processes register; do not edit. How they are scraped, and what is made of them, is in
[operations.md](operations.md).

Labels are bounded: names of bots and namespaces, and values of closed lists. No metric has a label for a call, a session, a person or a
meeting. A scrape adds ` + "`namespace`, `pod`" + ` and, of media pods, ` + "`bot`" + `.
`)
	for _, p := range all {
		fmt.Fprintf(&b, "\n## %s\n\n", p.name)
		table(&b, p.metrics)
	}
	b.WriteString("\n## From libraries\n\nOf the many that controller-runtime and the Go runtime add, those that the alerts and dashboards use.\n\n")
	table(&b, borrowed)
	return b.Bytes()
}

func table(b *bytes.Buffer, list []metric) {
	b.WriteString("| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n")
	for _, m := range list {
		labels := ""
		if len(m.labels) > 0 {
			labels = "`" + strings.Join(m.labels, "`, `") + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.name, m.kind, labels, strings.ReplaceAll(m.help, "|", `\|`))
	}
}
